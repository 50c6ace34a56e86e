"""A GPU that is only pretended: it finds tensors that are left on the CPU, and computes on it.

To Python its tensors are on the device "cuda:0". An operation that mixes them with tensors of the
CPU fails, as on a real GPU, and so does NumPy's access to them; any other one is done by the CPU,
so that results can be compared. PyTorch's C++ code sees tensors of the CPU, because its autograd
would look for a driver; automatic mixed precision is therefore the CPU's. What a pretended GPU
cannot show: speed, the memory of a GPU, its rounding, and networks of TorchScript, whose
operations do not come by here.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch._subclasses import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

GPU = torch.device("cuda", 0)
_COPIES = (torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default)


class OnGpu(torch.Tensor):
    """A tensor on the pretended GPU; ``held`` has its values, on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "OnGpu":
        with torch.inference_mode(False):  # so that it can be a view of a parameter
            tensor = torch.Tensor._make_wrapper_subclass(
                cls,
                held.shape,
                strides=held.stride(),
                storage_offset=held.storage_offset(),
                dtype=held.dtype,
                device="cpu",
            )
        tensor.held = held
        return tensor

    @property
    def device(self) -> torch.device:
        return GPU

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})

    def to(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        target = kwargs.get("device", args[0] if args else None)
        if isinstance(target, str | torch.device) and torch.device(target).type == "cpu":
            return self.cpu().to(*args, **kwargs)
        return super().to(*args, **kwargs)

    def cpu(self) -> torch.Tensor:
        return self.held.detach().clone()

    def numpy(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("NumPy cannot read a tensor of a GPU.")

    __array__ = numpy

    def __reduce_ex__(self, protocol: int) -> Any:  # written as it is read: with map_location
        return self.held.__reduce_ex__(protocol)


class _Dispatch(TorchDispatchMode):
    """For operations that make tensors from none."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


def _run(operation: Any, args: tuple, kwargs: dict) -> Any:
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    if any(isinstance(tensor, FakeTensor) for tensor in tensors):
        return operation(*args, **kwargs)  # of shapes alone, in an exported program
    on_gpu = [tensor for tensor in tensors if isinstance(tensor, OnGpu)]
    if on_gpu and operation not in _COPIES:
        for tensor in tensors:
            if not isinstance(tensor, OnGpu) and tensor.dim() > 0:
                raise RuntimeError(f"{operation}: a tensor of the CPU meets one of the GPU.")
    asked = torch.device(kwargs.get("device") or "cpu").type == "cuda"
    if asked:
        kwargs = kwargs | {"device": torch.device("cpu")}
    if operation is torch.ops.aten.copy_.default:
        to_gpu = isinstance(args[0], OnGpu)
    else:
        # Python's ways to the CPU are methods of OnGpu: where C++ names the device, it names that
        # on which it believes the tensor to be.
        to_gpu = asked or bool(on_gpu)
    args, kwargs = tree_map(_held, args), tree_map(_held, kwargs)
    changed = {id(tensor.held): tensor for tensor in on_gpu}  # by an operation in place

    def placed(result: Any) -> Any:
        if not to_gpu or not isinstance(result, torch.Tensor):
            return result
        return changed[id(result)] if id(result) in changed else OnGpu(result)

    return tree_map(placed, operation(*args, **kwargs))


def _held(value: Any) -> Any:
    return value.held if isinstance(value, OnGpu) else value


@contextmanager
def pretended_gpu(bfloat16: bool = True) -> Iterator[None]:
    """Pretend that there is a GPU, one that computes in bfloat16 or not."""
    autocast, start = torch.autocast, torch.cuda._lazy_init
    there_is_one, future = torch.cuda.is_available(), torch.__future__
    swapped = future.get_swap_module_params_on_conversion()
    lifted = torch._C._only_lift_cpu_tensors()
    torch._C._ensureCUDADeviceGuardSet()  # one that does nothing, without a driver
    with ExitStack() as stack:
        for owner, name, value in (
            (torch.cuda, "is_available", lambda: True),
            (torch.cuda, "is_bf16_supported", lambda **_: bfloat16),
            (torch.cuda, "get_device_name", lambda *_: "pretended GPU"),
            (torch.cuda, "_lazy_init", start if there_is_one else lambda: None),
            (torch.cuda, "is_current_stream_capturing", lambda: False),
            (torch.cuda, "get_rng_state", torch.get_rng_state),
            (torch.cuda, "set_rng_state", torch.set_rng_state),
            (torch, "autocast", lambda device, **options: autocast("cpu", **options)),
        ):
            stack.enter_context(patch.object(owner, name, value))
        future.set_swap_module_params_on_conversion(True)  # parameters become tensors of the GPU
        stack.callback(future.set_swap_module_params_on_conversion, swapped)
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor moves what it made to the GPU
        stack.callback(torch._C._set_only_lift_cpu_tensors, lifted)
        stack.enter_context(_Dispatch())
        yield
