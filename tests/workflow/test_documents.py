"""The commands that the documents show do what they say, as far as a dry run tells."""

import re
import shlex
import shutil

import pytest
from repository import ROOT
from snakemake_starts import start
from workflow_runs import clone, environment

pytestmark = pytest.mark.workflow
DOCUMENTS = ("README.md", "config/README.md", "profiles/README.md")
# test_own runs the README's examples in full; what is not dry says so by itself.
ELSEWHERE = ("my_network", "my_data", "--unlock", "--help", "--archive")


def commands():
    """Every line for Snakemake, in a block or between backquotes, and every --config."""
    found = {}
    for name in DOCUMENTS:
        text = (ROOT / name).read_text()
        lines = re.findall(r"^    (snakemake .*?)(?:  +#.*)?$|`(snakemake [^`]*)`", text, re.M)
        lines += [("snakemake " + option, "") for option in re.findall(r"`(--config [^`]*)`", text)]
        for block, inline in lines:
            line = " ".join((block or inline).split())
            if not any(word in line for word in ELSEWHERE):
                found[line] = name
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("documents") / "netdissect")
    shutil.copy(folder / "config/smoke.yaml", folder / "config/my_run.yaml")
    return folder


def test_the_documents_show_commands():
    assert len(commands()) >= 8


def marked(line):
    # test_paper_config plans the paper's run anyway, which takes the longest.
    return pytest.param(line, marks=[pytest.mark.long] if "paper.yaml" in line else [])


@pytest.mark.parametrize("line", [*map(marked, commands())])
def test_a_command_of_the_documents(folder, line):
    words = shlex.split(line)
    if "--list-target-rules" not in words:
        words.append("--dry-run")
    if not {"--cores", "--workflow-profile"} & set(words):
        words += ["--cores", "2"]
    result = start(words[1:], folder, environment(), seconds=900)
    assert result.returncode == 0, result.stdout
