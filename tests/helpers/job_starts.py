"""Jobs of runs in the tests: forked from an interpreter that has imported what takes seconds.

A job of a small run takes less time than the start of its interpreter. Snakemake is told that a
stand-in is its Python: that has a job's script run by a fork of the prepared interpreter, with the
arguments, variables, folder and streams that it was started with, and whatever else by Python.
So are Snakemake's own starts, of which a cluster's job has two. The fork is killed, with what it
started, when the stand-in is, which is what a cluster sees and kills.
None of this project's modules is imported beforehand: each run has its own copy.
"""

import atexit
import functools
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

PREPARED = """
import atexit, io, json, os, signal, socket, sys, threading, traceback
listening = socket.socket(fileno=int(sys.argv[1]))  # jobs may wait there already
import snakemake.cli, snakemake.script
import cv2, jinja2, jsonschema, matplotlib.figure, numba, numpy, pandas, PIL.Image, requests
import scipy.ndimage, scipy.stats, sklearn.svm, torch, torchvision
# The first of a kind takes longest.
numba.njit(lambda number: number)(1)
figure = matplotlib.figure.Figure()
figure.text(0, 0, "text")
for form in ("pdf", "png"):
    figure.savefig(io.BytesIO(), format=form)

def die_with(connection):
    try:
        connection.recv(1)
    except OSError:
        pass
    os.killpg(0, signal.SIGKILL)

def run_script(arguments):
    sys.argv = arguments
    script = os.path.abspath(sys.argv[0])
    sys.path[0] = os.path.dirname(script)
    module = type(sys)("__main__")
    module.__dict__["__file__"] = script
    sys.modules["__main__"] = module
    with open(script) as file:
        exec(compile(file.read(), script, "exec"), module.__dict__)

def run_snakemake(arguments, python):
    sys.argv = ["snakemake", *arguments]
    sys.executable = python
    snakemake.cli.main()

def run(request, streams):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for stream, file in enumerate(streams):
        os.dup2(file, stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    arguments = request["arguments"]
    try:
        if arguments[:2] == ["-m", "snakemake"]:
            run_snakemake(arguments[2:], request["python"])
        else:
            run_script(arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    connection, _ = listening.accept()
    message, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    while not message.endswith(b"\\0"):
        message += connection.recv(1 << 20)
    if os.fork() == 0:
        listening.close()
        os.setsid()
        threading.Thread(target=die_with, args=[connection], daemon=True).start()
        code = run(json.loads(message[:-1]), streams)
        connection.sendall(bytes([code]))
        os._exit(code)
    connection.close()
    for file in streams:
        os.close(file)
"""

# Without the site's packages: it starts in a fiftieth of a second.
STAND_IN = """#!{python} -IS
import json, os, socket, sys
script = "/.snakemake/scripts/" in "".join(sys.argv[1:2])
if not script and sys.argv[1:3] != ["-m", "snakemake"]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
request = dict(
    arguments=sys.argv[1:], folder=os.getcwd(), environment=dict(os.environ), python=sys.argv[0]
)
socket.send_fds(connection, [json.dumps(request).encode() + b"\\0"], [0, 1, 2])
code = connection.recv(1)
os._exit(code[0] if code else 1)
"""


@functools.cache
def stand_in() -> str:
    """Return the path of a program that runs jobs' scripts in the place of Python."""
    folder = Path(tempfile.mkdtemp(prefix="jobs-"))
    address = folder / "socket"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(address))
        listening.listen(64)
        prepared = subprocess.Popen(
            [sys.executable, "-c", PREPARED, str(listening.fileno())], pass_fds=[listening.fileno()]
        )
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(prepared.wait)
    atexit.register(prepared.terminate)  # before the others
    program = folder / "python"
    program.write_text(STAND_IN.format(python=sys.executable, address=str(address)))
    program.chmod(0o755)
    return str(program)
