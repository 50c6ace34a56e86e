"""Many starts of Snakemake: imported once, which takes longer than a dry run, then forked."""

import atexit
import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from job_starts import stand_in

PROGRAM = """
import json, os, signal, sys
import snakemake.cli
# What it imports as it goes on, and torchvision, whose names of networks are checked.
import charset_normalizer, docutils.core, jinja2, jsonschema, nbformat, requests, smart_open
import snakemake.profiles, snakemake.report.html_reporter, torchvision, yte
snakemake.cli.get_argument_parser()  # the first takes longest
for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for stream in (1, 2):
            os.dup2(os.open(request["output"], os.O_WRONLY | os.O_APPEND), stream)
        signal.alarm(request["seconds"])
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        sys.executable = request["python"]
        sys.argv = ["snakemake", *request["arguments"]]
        snakemake.cli.main()
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@functools.cache
def _prepared() -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(process.wait)
    atexit.register(process.stdin.close)  # before the other: it ends then
    return process


def start(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: int = 1800
) -> subprocess.CompletedProcess:
    """Run Snakemake in a folder, with these variables alone, and return what it printed.

    One that takes longer than so many seconds is killed: its code is negative.
    """
    process = _prepared()
    with tempfile.NamedTemporaryFile("r", errors="replace") as output:
        request = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": dict(environment),
            "output": output.name,
            "seconds": seconds,
            "python": stand_in(),
        }
        print(json.dumps(request), file=process.stdin, flush=True)
        code = int(process.stdout.readline())
        return subprocess.CompletedProcess(["snakemake", *arguments], code, output.read())
