"""Many files at once: what cannot be had is named, a defect is not hidden."""

import threading

import pytest

from dissection.downloads.missing import AT_ONCE, missing_files
from dissection.errors import InputError


def test_reasons_in_the_order_of_the_names():
    names, seen = [f"n{i}" for i in range(5 * AT_ONCE)], []

    def fetch(name):
        seen.append(name)
        if int(name[1:]) % 3 == 0:
            raise InputError(f"no {name}")

    found = missing_files([*names, *names], fetch)
    assert list(found) == names[::3]
    assert all(reason == f"no {name}" for name, reason in found.items())
    assert sorted(seen) == sorted(names)
    assert missing_files([], fetch) == {}


def test_hosts_that_do_not_answer_are_waited_for_at_the_same_time():
    together = threading.Barrier(AT_ONCE, timeout=20)
    assert missing_files(map(str, range(AT_ONCE)), lambda name: together.wait()) == {}


def test_a_defect_is_no_missing_file():
    def fetch(name):
        if name == "b":
            raise ZeroDivisionError
        raise InputError(name)

    with pytest.raises(ZeroDivisionError):
        missing_files("abc", fetch)
