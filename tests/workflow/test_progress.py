"""Lines about a run: what they say, where they go, and that they never break it."""

import logging
import re
from types import SimpleNamespace

import pytest
from costs import Cost
from progress import Progress, costs_line, duration, progress_line, size
from snakemake_interface_logger_plugins.common import LogEvent
from workflow_runs import snakemake


def test_a_run_says_its_costs_its_figures_and_where_results_are(finished):
    log = min((finished / ".snakemake/log").iterdir()).read_text()
    assert re.search(r"^This takes, by a rough model: about \d+ minutes? on \d cores? ", log, re.M)
    drawn = re.findall(
        r"^(\d+) of 11 figures (?:is|are) drawn, in results/smoke/figures", log, re.M
    )
    assert sorted(set(map(int, drawn))) == list(range(1, 12))
    assert re.search(r"drawn.*; about \d+ \w+ left\.$", log, re.M)
    assert "Done. Start at results/smoke/report.html; figures are in results/smoke/figures." in log


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--dry-run", "--forceall"], True),
        (["--dry-run", "--forceall", "--quiet", "progress"], False),
        (["--lint"], False),
        (["--list-target-rules"], False),
        (["--dry-run"], False),  # nothing is to be done
    ],
)
def test_costs_are_said_when_jobs_are(finished, arguments, says):
    result = snakemake(finished, *arguments)
    assert result.returncode == 0, result.stdout
    assert ("This takes" in result.stdout) == says


class Jobs:
    """What the handler asks of Snakemake: jobs that wait for each other in no way."""

    def __init__(self, rules, cores=2, nodes=None):
        self.jobs = [
            SimpleNamespace(
                rule=SimpleNamespace(name=rule), wildcards=SimpleNamespace(), jobid=n, threads=1
            )
            for n, rule in enumerate(rules)
        ]
        self.dag, self.dryrun = self, False
        self.resource_settings = SimpleNamespace(cores=cores, nodes=nodes)

    def needrun_jobs(self):
        return iter(self.jobs)

    def finished(self, job):
        return False


def lines(jobs, clock, monkeypatch, finish, costs=None, cores=1):
    """What is said while jobs end one after the other."""
    said, logger = [], logging.Logger("test")
    monkeypatch.setattr("progress.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("progress.core_speed", lambda: 1)
    monkeypatch.setattr("progress.os.sched_getaffinity", lambda _: range(8))
    costs = costs or SimpleNamespace(of=lambda rule, wildcards: Cost(100))
    costs = SimpleNamespace(images=1, rule=lambda name: name, of=costs.of)
    handler = Progress(jobs, logger, costs, ["slide1", "slide2"], "figures")
    listening = logging.Handler()
    listening.emit = lambda record: said.append(record.getMessage())
    logger.addHandler(handler)
    logger.addHandler(listening)
    logger.info("stats", extra={"event": LogEvent.RUN_INFO})
    for job, seconds in finish:
        logger.info("starts", extra={"event": LogEvent.JOB_STARTED, "jobs": [job]})
        clock[0] += seconds
        logger.info("ends", extra={"event": LogEvent.JOB_FINISHED, "job_id": job})
    return [text for text in said if text not in ("stats", "starts", "ends")]


def test_what_is_left_follows_what_jobs_took(monkeypatch):
    jobs = Jobs(["train"] * 6 + ["slide1", "slide2"], cores=1)
    said = lines(jobs, [0.0], monkeypatch, [(0, 200), (1, 200), (2, 200), (6, 100), (7, 1)])
    first, *middle, one, two = said
    assert first.startswith("This takes, by a rough model: about 13 minutes on 1 core ")
    assert all("are drawn; about" in text for text in middle)
    # Three jobs of 200 s are left, and of the other kind one that took as long as was thought.
    minutes = int(re.search(r"about (\d+) minutes left", one)[1])
    assert 10 <= minutes <= 13, "a rate is not believed at once"
    assert one.startswith("1 of 2 figures is drawn, in figures (slide1); about ")
    assert two.startswith("2 of 2 figures are drawn, in figures (slide1, slide2); about ")


def test_nobody_knows_how_long_a_cluster_takes(monkeypatch):
    said = lines(Jobs(["slide1", "slide2"], nodes=4), [0.0], monkeypatch, [(0, 9)])
    assert "about 3 minutes of one core" in said[0]
    assert said[1:] == ["1 of 2 figures is drawn, in figures (slide1)."]


def test_a_fault_ends_the_lines_and_nothing_else(monkeypatch):
    def of(rule, wildcards):
        raise KeyError(rule)

    costs = SimpleNamespace(of=of)
    said = lines(Jobs(["slide1"]), [0.0], monkeypatch, [(0, 9)], costs)
    assert said == ["No more lines on progress: KeyError('slide1')"], "for --verbose alone"


def test_costs_of_jobs():
    jobs = [("cache_activations", name, Cost(60, held=n * 1e9)) for n, name in enumerate("abc")]
    jobs += [("x", None, Cost(0, kept=1.26e9, fetched=31e6))]
    assert costs_line(jobs, 1, 2, 1) == (
        "This takes, by a rough model: about 2 minutes on 2 cores without a GPU, or half or twice "
        "that; 1.3 GB of disk; up to 3 GB more for activations at a time; at least 31 MB of "
        "downloads."
    )
    assert costs_line(jobs, 1, 2, 0).endswith("are not counted.")
    long = [("train_network", "a", Cost(1e6))]
    assert costs_line(long, 1, 1, 1).endswith("takes a GPU.")
    assert costs_line([(None, None, Cost(0))], 1, 1, 1) == "", "other people's jobs, or a list"


def test_no_figure_is_asked_for():
    assert progress_line(set(), set(), "figures", 100) == "about 2 minutes left."
    assert progress_line(set(), set(), "figures", None) == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 minute"),
        (5399, "90 minutes"),
        (5401, "2 hours"),
        (4e5, "5 days"),
        (4e9, "46,296 days"),
    ],
)
def test_times_are_as_exact_as_they_are_known(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("number", "said"), [(4.51e8, "450 MB"), (1e9, "1 GB"), (1.6e11, "160 GB"), (9e5, "0.9 MB")]
)
def test_sizes_have_two_digits(number, said):
    assert size(number) == said
