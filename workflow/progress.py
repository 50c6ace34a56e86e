"""What a run says of itself: its costs when it begins, how far it is, and where its results lie.

A handler of Snakemake's logger: it hears of every job that starts or ends, and its own lines go
where Snakemake's go, to the terminal and to the log, unless `--quiet` asks for none. A fault in it
ends these lines, never the run.
"""

import logging
import os
import time
from collections.abc import Iterable, Sequence
from typing import Any

from costs import Cost, Costs, core_speed
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

SECONDS_BETWEEN_LINES = 120.0  # of those that no figure is the reason for
TAKES_A_GPU = 3 * 86400.0  # seconds of a core's training that nobody will wait for
# How far a rate is believed that was measured on so many seconds' worth of jobs.
PRIOR, PRIOR_OF_A_RULE = 60.0, 30.0


class Progress(logging.Handler):
    """Lines about a run, on Snakemake's own logger.

    Parameters
    ----------
    workflow
        Snakemake's.
    logger : logging.Logger
        Snakemake's.
    costs : Costs
    figures : iterable of str
        Names of the rules that draw the figures.
    folder : str
        Where the figures lie.
    """

    def __init__(
        self,
        workflow: Any,
        logger: logging.Logger,
        costs: Costs,
        figures: Iterable[str],
        folder: str,
    ) -> None:
        super().__init__()
        self._workflow, self._logger, self._costs = workflow, logger, costs
        self._figures, self._folder = set(figures), folder
        self._speed = 1.0
        self._begun: dict[int, float] = {}
        self._done: set[int] = set()
        self._measured: dict[str | None, list[float]] = {}  # by rule: seconds expected, and taken
        self._said = time.monotonic()
        self._cost = ""
        self._broken = False

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record of Snakemake's; say something if it is the time."""
        if self._broken:
            return
        try:
            event = getattr(record, "event", None)
            if event == LogEvent.RUN_INFO:
                # A dry run says it again at its end, when no job is left.
                self._cost = self._cost or self._costs_line()
                if self._cost:
                    self._say(self._cost)
            elif event == LogEvent.JOB_STARTED:
                self._begun |= dict.fromkeys(record.jobs, time.monotonic())
            elif event == LogEvent.JOB_FINISHED:
                self._finish(record.job_id)
        except Exception as error:  # of whatever kind: the run is more than these lines
            self._broken = True
            self._logger.debug("No more lines on progress: %r", error)

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        self._logger.info(text, extra={"quietness": Quietness.PROGRESS})

    def _costs_line(self) -> str:
        self._speed = core_speed()
        costs = [
            (
                self._rule(job),
                getattr(job.wildcards, "network", None),
                self._costs.of(job.rule.name, job.wildcards),
            )
            for job in self._left()
        ]
        return costs_line(costs, self._speed, self._cores(), self._costs.images)

    def _rule(self, job: Any) -> str | None:
        return self._costs.rule(job.rule.name)

    def _cores(self) -> int | None:
        """Cores of this machine that jobs run on; None on a cluster, where nobody knows."""
        settings = self._workflow.resource_settings
        if settings.nodes is not None:
            return None
        here = len(os.sched_getaffinity(0))
        return here if self._workflow.dryrun else min(settings.cores, here)

    def say_results(self, report: str) -> None:
        """Say where the results of a run lie, when all of it is done."""
        if "make_report" in self._measured:
            self._say(f"Done. Start at {report}; figures are in {self._folder}.")
        elif self._figures & self._measured.keys():
            self._say(f"Done. Figures are in {self._folder}.")

    # ---- progress --------------------------------------------------------------------------

    def _left(self) -> list[Any]:
        dag = self._workflow.dag
        jobs = dag.needrun_jobs()
        return [job for job in jobs if job.jobid not in self._done and not dag.finished(job)]

    def _expected(self, job: Any) -> float:
        return self._costs.of(job.rule.name, job.wildcards).seconds / self._speed / self._width(job)

    def _width(self, job: Any) -> int:
        return 1 if self._cores() is None else max(job.threads, 1)

    def _finish(self, job_id: int) -> None:
        jobs = self._left()
        self._done.add(job_id)
        job = next((job for job in jobs if job.jobid == job_id), None)
        if job is None:
            return
        if job_id in self._begun:
            measured = self._measured.setdefault(self._rule(job), [0.0, 0.0])
            measured[0] += self._expected(job)
            measured[1] += time.monotonic() - self._begun.pop(job_id)
        drawn = self._rule(job) in self._figures
        if drawn or time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._say_progress([other for other in jobs if other is not job])

    def _say_progress(self, left: list[Any]) -> None:
        planned = {self._rule(job) for job in self._workflow.dag.jobs} & self._figures
        missing = planned & {self._rule(job) for job in left}
        if text := progress_line(planned, missing, self._folder, self._seconds(left)):
            self._say(text)

    def _seconds(self, left: list[Any]) -> float | None:
        """How long the jobs that are left take, by what others took; None if nobody knows."""
        cores = self._cores()
        if cores is None:
            return None
        now = time.monotonic()
        expected, taken = (sum(column) for column in zip(*self._measured.values(), strict=True))
        rate = (taken + PRIOR) / (expected + PRIOR)
        rests = [0.0]
        work = 0.0
        for job in left:
            expected, taken = self._measured.get(self._rule(job), (0.0, 0.0))
            own = (taken + rate * PRIOR_OF_A_RULE) / (expected + PRIOR_OF_A_RULE)
            rest = own * self._expected(job)
            if job.jobid in self._begun:
                rest = max(rest - (now - self._begun[job.jobid]), 0)
            rests.append(rest)
            work += rest * self._width(job)
        return max(work / cores, *rests)


# ---- what is said ------------------------------------------------------------------------------


def costs_line(
    jobs: Sequence[tuple[str | None, str | None, Cost]],
    speed: float,
    cores: int | None,
    images: int,
) -> str:
    """Say what jobs cost: each with its rule, and the network that it belongs to, if to one.

    Nothing is said of jobs that are none of the workflow's, or that print a list.
    """
    if not any(cost.seconds or cost.fetched for *_, cost in jobs):
        return ""
    held: dict[str | None, float] = {}
    for _, network, cost in jobs:
        held[network] = held.get(network, 0) + cost.held
    # One is kept for its rotation while others come and go.
    largest = sum(sorted(held.values())[-2:])
    kept, fetched = (sum(getattr(cost, of) for *_, cost in jobs) for of in ("kept", "fetched"))
    seconds = sum(cost.seconds for *_, cost in jobs) / speed
    training = sum(cost.seconds for rule, _, cost in jobs if rule == "train_network") / speed
    on = f" on {cores} {'core' if cores == 1 else 'cores'}" if cores else " of one core"
    parts = [f"about {duration(seconds / (cores or 1))}{on} without a GPU, or half or twice that"]
    parts += [f"{size(kept)} of disk"] if kept else []
    parts += [f"up to {size(largest)} more for activations at a time"] if largest else []
    parts += [f"at least {size(fetched)} of downloads"] if fetched else []
    text = f"This takes, by a rough model: {'; '.join(parts)}."
    if training > max(TAKES_A_GPU, seconds / 2):
        text += " Most of it is training, which takes a GPU."
    return text if images else f"{text} Images, which are not there yet, are not counted."


def progress_line(planned: set[str], missing: set[str], folder: str, seconds: float | None) -> str:
    """Say which figures are drawn, where they are, and how long the rest takes."""
    drawn = sorted(planned - missing)
    left = "" if seconds is None else f"about {duration(seconds)} left"
    count = f"{len(drawn)} of {len(planned)} {'figure' if len(planned) == 1 else 'figures'}"
    where = f", in {folder} ({', '.join(drawn)})" if drawn else ""
    said = f"{count} {'is' if len(drawn) == 1 else 'are'} drawn{where}" if planned else ""
    return "; ".join(filter(None, (said, left))) + "." * bool(said or left)


def duration(seconds: float) -> str:
    """Return a time for people, as exact as it is known."""
    for limit, unit, name in ((90 * 60, 60, "minute"), (48 * 3600, 3600, "hour")):
        if seconds < limit:
            count = max(round(seconds / unit), 1)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{round(seconds / 86400):,} days"


def size(number: float) -> str:
    """Return a number of bytes for people, with two digits."""
    unit, name = (1e9, "GB") if number >= 1e9 else (1e6, "MB")
    return f"{float(f'{number / unit:.2g}'):g} {name}"
