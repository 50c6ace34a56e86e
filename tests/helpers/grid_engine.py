"""A real Grid Engine of one node on this machine: a cell of its own, reached over loopback.

Its programs listen on all addresses, as they cannot do otherwise, and serve `localhost` alone.
"""

import os
import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemons import PATH, absent, end, free_ports, kill, launch, processes_with, wait_until

PROGRAMS = ("sge_qmaster", "sge_execd", "qsub", "qstat", "qdel", "qconf")
# Debian's, where programs and templates of objects lie.
LIBRARY, SHARED = Path("/usr/lib/gridengine"), Path("/usr/share/gridengine")
CELL, HOST = "test", "localhost"


def missing() -> str:
    """Return why Grid Engine cannot run here, or nothing if it can."""
    if names := absent(PROGRAMS):
        return f"Grid Engine is not installed: {names} not found (see .ci/run)"
    if not (LIBRARY / "spooldefaults").exists():
        return f"Grid Engine is not Debian's: {LIBRARY}/spooldefaults not found"
    return "" if os.geteuid() == 0 else "Grid Engine's daemons need root here"


class GridEngine:
    """The daemons sge_qmaster and sge_execd, a queue and a parallel environment.

    Parameters
    ----------
    folder : Path
        Empty.
    slots, memory : int
        What the node has to give: jobs that run at a time, MB of `mem_free`.
    """

    def __init__(self, folder: Path, slots: int = 2, memory: int = 8000) -> None:
        self.folder = folder
        self._slots, self._memory = slots, memory
        self._cell = {"SGE_ROOT": str(folder), "SGE_CELL": CELL}
        qmaster, execd = map(str, free_ports(2))
        self.variables = self._cell | {
            "SGE_QMASTER_PORT": qmaster,
            "SGE_EXECD_PORT": execd,
            "PATH": PATH,
        }

    def start(self) -> None:
        """Return when the node takes jobs."""
        self._write_cell()
        self._qmaster = self._launch("sge_qmaster")
        wait_until(lambda: "submit host" in self._answer("qconf", "-ss"), "an answer of qmaster")
        self._configure()
        self._execd = self._launch("sge_execd")
        wait_until(lambda: "mem_total" in self._answer("qconf", "-se", HOST), "the node's load")

    def stop(self) -> None:
        """End every process that was started here, jobs included."""
        for daemon in ("_execd", "_qmaster"):
            if hasattr(self, daemon):
                end(getattr(self, daemon), signal.SIGKILL)  # in order they take ten seconds
        for _ in range(2):  # a process may start another one meanwhile
            kill(processes_with(**self._cell))

    def _write_cell(self) -> None:
        folder, common = self.folder, self.folder / CELL / "common"
        for name in ("qmaster", "execd", "spool", "bin", "utilbin"):
            (folder / name).mkdir()
        common.mkdir(parents=True)
        (folder / "util").symlink_to(SHARED / "util")
        architecture = self.run(str(SHARED / "util/arch")).strip()
        for name in ("bin", "utilbin"):
            (folder / name / architecture).symlink_to(LIBRARY)
        # Whatever this machine is called, its addresses are those of one host.
        (common / "host_aliases").write_text(f"{HOST} {socket.gethostname()}\n")
        (common / "act_qmaster").write_text(f"{HOST}\n")
        (common / "bootstrap").write_text(f"""\
admin_user none
default_domain none
ignore_fqdn false
spooling_method berkeleydb
spooling_lib libspoolb
spooling_params {folder}/spool
binary_path {LIBRARY}
qmaster_spool_dir {folder}/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
""")
        # Jobs of root are allowed, and all of a job's processes are killed.
        configuration = changed(
            (SHARED / "default-configuration").read_text(),
            execd_spool_dir=f"{folder}/execd",
            min_uid="0",
            min_gid="0",
            execd_params="ENABLE_ADDGRP_KILL=true",
        )
        (folder / "configuration").write_text(configuration)
        resources = SHARED / "util/resources"
        self.run(str(LIBRARY / "spoolinit"), "berkeleydb", "libspoolb", f"{folder}/spool", "init")
        for kind, source in (
            ("configuration", folder / "configuration"),
            ("complexes", resources / "centry"),
            ("usersets", resources / "usersets"),
            ("managers", "root"),
        ):
            self.run(str(LIBRARY / "spooldefaults"), kind, str(source))

    def _configure(self) -> None:
        """Describe the node, whose memory is given to jobs, and schedule jobs at once."""
        self.run("qconf", "-as", HOST)
        complexes = self.run("qconf", "-sc")
        memory = re.sub(r"^(mem_free .*) NO +", r"\1 YES ", complexes, flags=re.MULTILINE)
        self._put("-Mc", memory + "gpu gpu INT <= YES YES 0 0\n")
        self._put(
            "-Ae",
            f"hostname {HOST}\n"
            # What else runs on this machine must not count.
            "load_scaling mem_free=1000\n"
            f"complex_values slots={self._slots},mem_free={self._memory}m,gpu=1\n"
            "user_lists NONE\nxuser_lists NONE\nprojects NONE\nxprojects NONE\n"
            "usage_scaling NONE\nreport_variables NONE\n",
        )
        self.run("qconf", "-Ap", str(SHARED / "util/resources/pe/smp"))
        queue = changed(
            self.run("qconf", "-sq"),
            qname="all.q",
            hostlist=HOST,
            slots=str(self._slots),
            pe_list="smp",
            load_thresholds="NONE",
        )
        self._put("-Aq", queue)
        schedule = changed(
            self.run("qconf", "-ssconf"),
            schedule_interval="0:0:1",
            flush_submit_sec="1",
            flush_finish_sec="1",
            job_load_adjustments="NONE",
        )
        self._put("-Msconf", schedule)

    def _put(self, option: str, text: str) -> None:
        """Let qconf read an object from a file."""
        file = self.folder / "object"
        file.write_text(text)
        self.run("qconf", option, str(file))

    def run(self, *command: str) -> str:
        """Run one of Grid Engine's commands and return what it prints."""
        result = self._ask(*command)
        assert result.returncode == 0, f"{command}: {result.stdout}"
        return result.stdout

    def _answer(self, *command: str) -> str:
        return self._ask(*command).stdout

    def _ask(self, *command: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command,
            env=os.environ | self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )

    def jobs(self) -> list[dict[str, str]]:
        """Return the number, name and state (r: running, qw: waiting) of the jobs in the queue."""
        lines = [line.split() for line in self.run("qstat").splitlines()[2:]]
        return [{"id": line[0], "name": line[2], "state": line[4]} for line in lines]

    def messages(self) -> str:
        """Return the queue and the ends of the daemons' logs."""
        logs = sorted(self.folder.glob("*/messages")) + sorted(self.folder.glob("execd/*/messages"))
        texts = [f"{log}:\n{log.read_text()[-3000:]}" for log in logs]
        return "\n".join([self._answer("qstat", "-j", "*"), *texts])

    def _launch(self, name: str) -> subprocess.Popen:
        variables = os.environ | self.variables | {"SGE_ND": "1"}  # in the foreground
        return launch([name], variables, self.folder / f"{name}.out")


def changed(text: str, **values: str) -> str:
    """Return Grid Engine's description of an object with other values of some keys."""
    for key, value in values.items():
        text, found = re.subn(rf"^{key} .*", f"{key} {value}", text, flags=re.MULTILINE)
        assert found == 1, f"{key}: {found} times in\n{text}"
    return text


@contextmanager
def grid_engine(**options: int) -> Iterator[GridEngine]:
    """Boot a cell, and stop everything at the end."""
    with tempfile.TemporaryDirectory(prefix="sge", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        cluster = GridEngine(Path(folder), **options)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
