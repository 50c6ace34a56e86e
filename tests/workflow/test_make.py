"""What `make` says before it installs or deletes anything."""

import shutil
import subprocess

import pytest
from repository import ROOT


def make(folder, *arguments, **options):
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(ROOT / "requirements.lock", folder)
    return subprocess.run(
        ["make", *arguments], cwd=folder, text=True, timeout=60, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["my project", "a(1)", "o'clock", "a&b", "$x"])
def test_a_folder_that_jobs_cannot_start_in_is_refused_before_installing(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    result = make(folder, "environment")
    assert result.returncode
    assert f"an environment in {folder}: the path has a space or a special" in result.stdout
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("answer", ["yes", "no", "", "y"])
def test_results_are_deleted_only_when_asked_for(tmp_path, answer):
    weights = tmp_path / "results/mini/networks/alexnet/weights.pt"
    weights.parent.mkdir(parents=True)
    weights.touch()
    make(tmp_path, "clean", input=f"{answer}\n")
    assert weights.exists() == (answer != "yes")
