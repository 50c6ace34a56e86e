"""The device that networks run on."""

import torch


def best_device() -> torch.device:
    """Return a GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """Return what a log calls a device.

    Examples
    --------
    >>> device_name(torch.device("cpu"))
    'CPU'
    """
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
