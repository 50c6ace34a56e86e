"""Work in several processes: results in order, few of them in waiting, errors as themselves."""

import logging
import operator
import signal
from functools import partial

import pytest

from dissection.errors import InputError
from dissection.jobs.logs import log
from dissection.jobs.processes import map_in_processes


@pytest.mark.parametrize("processes", [1, 2])
def test_results_in_order_from_few_tasks_ahead(processes):
    taken = []

    def tasks():
        for number in range(30):
            taken.append(number)
            yield number

    found = []
    for result in map_in_processes(partial(operator.add, 100), tasks(), processes):
        found.append(result)
        assert len(taken) <= len(found) + 2 * processes
    assert found == list(range(100, 130))
    assert list(map_in_processes(abs, [], processes)) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_arrives_as_itself(processes):
    with pytest.raises(ValueError, match="'third'"):
        list(map_in_processes(int, ["1", "2", "third", "4"], processes))


def test_a_killed_process_ends_the_job_with_a_message():
    with pytest.raises(InputError, match=r"was killed, probably for lack of memory"):
        list(map_in_processes(signal.raise_signal, [signal.SIGKILL] * 9, 2))


@pytest.mark.parametrize("processes", [1, 2])
def test_what_processes_log_is_logged_in_order(processes, caplog):
    list(map_in_processes(partial(log.warning, "task %d"), range(9), processes))
    assert [record.getMessage() for record in caplog.records] == [f"task {n}" for n in range(9)]
    assert {(record.name, record.levelno) for record in caplog.records} == {
        ("dissection", logging.WARNING)
    }
