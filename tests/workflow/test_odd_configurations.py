"""Odd configurations, given to Snakemake: refused in a few lines, or accepted for a reason."""

import pytest
import yaml
from odd_configurations import CASES, REFUSED, TEXTS, drawn
from workflow_runs import clone, snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.long]
SECONDS = 120  # a dry run of so little takes less than ten
LINES = 12  # after Snakemake's own heading
DRAWN = drawn(100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("odd") / "netdissect")
    (folder / "own_network.py").write_text("def build():\n    return None\n")
    return folder


def dry_run(folder, content):
    (folder / "odd.yaml").write_bytes(content)
    return snakemake(folder, "--dry-run", "--quiet", config="odd.yaml", seconds=SECONDS)


def assert_refused(result):
    assert result.returncode, "accepted in silence"
    assert result.returncode > 0, f"after {SECONDS} s there was no answer"
    assert "Traceback" not in result.stdout, result.stdout
    said = result.stdout.partition("Building DAG of jobs...")
    assert len((said[2] or said[0]).splitlines()) <= LINES, result.stdout


def written(config):
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode()


@pytest.mark.parametrize("name", CASES | TEXTS)
def test_a_case(folder, name):
    content, verdict = (CASES | TEXTS)[name]
    result = dry_run(folder, content if isinstance(content, bytes) else written(content))
    if verdict == REFUSED:
        assert_refused(result)
    else:
        assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawn_one(folder, name):
    result = dry_run(folder, written(DRAWN[name]))
    if result.returncode:
        assert_refused(result)
