"""Files to fetch, and what tests of `fetch` ask of it and of the server."""

import hashlib
import os
import random
import subprocess
import sys
import time

import pytest
from repository import ROOT

from dissection.errors import InputError

BODY = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Host &amp; gone</title></head><body>Sorry</body></html>"
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refusal(get, *urls, **options):
    with pytest.raises(InputError) as caught:
        get(*urls, **options)
    return str(caught.value)


def asked(server):
    """The status and the Range of every request."""
    return [(request.status, request.headers.get("Range")) for request in server.requests]


FETCH = """
import sys
from dissection.downloads.fetch import fetch
fetch([sys.argv[1]], sys.argv[2], sha256=sys.argv[3])
"""


def start_process(url, target, limit=None):
    """Fetch in a process of its own; ``limit``: bytes that a file may have."""

    def restrict():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-c", FETCH, url, str(target), SHA256],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=None if limit is None else restrict,
    )


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
