"""What several files of tests share."""

import os
import shutil

import hypothesis
import pytest

# One thread for each of the processes that run files of tests side by side: more would wait for
# each other. Set before anybody imports NumPy or torch; Snakemake's jobs do without it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

from filelock import FileLock
from http_server import FaultyServer
from workflow_runs import clone, keep_compiled, snakemake

# A test that waits for the other processes, or imports what others had already, is not at fault.
hypothesis.settings.register_profile("side by side", deadline=None)
hypothesis.settings.load_profile("side by side")


# Folders of tests whose files take longest, these first.
LONG = ("workflow", "training", "rotation")


def pytest_collection_modifyitems(items):
    """Long files begin first: what is short fills the time beside the last ones."""

    def place(item):
        folder = item.path.parent.name
        return LONG.index(folder) if folder in LONG else len(LONG)

    items.sort(key=place)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    """Where the smoke run has finished, one folder for all workers. Tests leave it as it is."""
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent
    folder, done = base / "smoke/netdissect", base / "smoke.done"
    with FileLock(base / "smoke.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            clone(folder)
            result = snakemake(folder)
            assert result.returncode == 0, result.stdout
            keep_compiled(folder)
            done.touch()
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished run that a test may change."""
    folder = tmp_path / "netdissect"
    shutil.copytree(finished, folder, symlinks=True)
    return folder


@pytest.fixture(scope="module")
def torch_settings():
    """Training fixes torch's threads and algorithms for its process; tests share one."""
    import torch  # most tests need it not, and it takes seconds

    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server(no_proxy):
    with FaultyServer() as server:
        yield server
