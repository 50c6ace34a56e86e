"""What several files of tests share."""

import shutil

import pytest
from http_server import FaultyServer
from workflow_runs import clone, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder in which the smoke run has just finished. Tests leave it as it is."""
    folder = clone(tmp_path_factory.mktemp("smoke") / "netdissect")
    result = snakemake(folder)
    assert result.returncode == 0, result.stdout
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
