"""A real SLURM cluster of two nodes on this machine, reached over loopback only."""

import os
import secrets
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemons import PATH, absent, end, free_ports, kill, launch, processes_with, wait_until

NODES = ("n1", "n2")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
# Jobs look here: SLURM takes SLURM_CONF out of their environment.
CONFIGURATION = Path("/etc/slurm/slurm.conf")
GPUS = CONFIGURATION.with_name("gres.conf")


def missing() -> str:
    """Return why SLURM cannot run here, or nothing if it can."""
    if names := absent(PROGRAMS):
        return f"SLURM is not installed: {names} not found (see .ci/run)"
    if os.geteuid() != 0:
        return "SLURM's daemons need root here"
    for file in (CONFIGURATION, GPUS):
        if file.exists() and not _is_left_behind(file):
            return f"{file} exists: this machine belongs to a cluster, or to another test"
    return ""


def _is_left_behind(configuration: Path) -> bool:
    """Return whether it belongs to a test that was killed; see `slurm_cluster`."""
    if not configuration.is_symlink():
        return False
    prefix, _, process = configuration.readlink().parent.suffix.rpartition("-")
    return prefix == ".test" and not Path("/proc", process).exists()


class SlurmCluster:
    """The daemons munged, slurmctld and a slurmd for each node.

    There is no accounting, as on many small clusters.

    Parameters
    ----------
    folder : Path
        Short (it holds sockets) and empty.
    memory : int
        MB that each node has to give.
    """

    def __init__(self, folder: Path, memory: int = 8000) -> None:
        self.folder = folder
        # Jobs carry it in SLURM_CLUSTER_NAME, so that only this cluster's processes are killed.
        self.name = f"test{os.getpid()}"
        self.variables = {"PATH": PATH}
        self._daemons: dict[str, subprocess.Popen] = {}
        self._write_configuration(memory)

    def _write_configuration(self, memory: int) -> None:
        host = socket.gethostname()
        control, *ports = free_ports(1 + len(NODES))
        nodes = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
            f"CPUs=2 RealMemory={memory} Gres=gpu:1"
            for node, port in zip(NODES, ports, strict=True)
        ]
        for name in ("state", *NODES):
            (self.folder / name).mkdir()
        text = f"""\
ClusterName={self.name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={self.folder}/munge.socket,cred_expire=10
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2
GresTypes=gpu
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
MinJobAge=3600
SlurmdTimeout=60
KillWait=2
UnkillableStepTimeout=10
AccountingStorageType=accounting_storage/none
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/%n
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/%n.pid
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/%n.log
{os.linesep.join(nodes)}
PartitionName=all Nodes={",".join(NODES)} Default=YES MaxTime=INFINITE State=UP
"""
        (self.folder / CONFIGURATION.name).write_text(text)
        # There is no device, but a GPU without a file does not count.
        gpus = f"AutoDetect=off\nNodeName={','.join(NODES)} Name=gpu File=/dev/null\n"
        (self.folder / GPUS.name).write_text(gpus)

    def start(self) -> None:
        """Return when both nodes take jobs."""
        self.folder.chmod(0o711)  # or munged refuses to put its socket there
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(1024))
        CONFIGURATION.parent.mkdir(exist_ok=True)
        for file in (CONFIGURATION, GPUS):
            file.unlink(missing_ok=True)
            file.symlink_to(self.folder / file.name)
        files = {
            option: f"{self.folder}/munge.{option}" for option in ("socket", "pid", "log", "seed")
        }
        self._launch(
            *("munged", "--foreground", f"--socket={files['socket']}", f"--key-file={key}"),
            *(f"--pid-file={files['pid']}", f"--log-file={files['log']}"),
            f"--seed-file={files['seed']}",
        )
        wait_until((self.folder / "munge.socket").exists, "munged's socket")
        self._launch("slurmctld", "-D")
        for node in NODES:
            self.start_node(node)
        wait_until(lambda: self._states() == {"idle"}, "idle nodes")

    def start_node(self, node: str) -> None:
        self._launch("slurmd", "-D", "-N", node, name=node)

    def stop(self) -> None:
        """End every process that was started here, jobs included."""
        try:
            for node in NODES:
                self.kill_node(node)
            for daemon in reversed(self._daemons.values()):
                end(daemon)
        finally:
            for file in (CONFIGURATION, GPUS):
                file.unlink(missing_ok=True)

    def kill_node(self, node: str) -> None:
        """Let a node go down as if its power failed: its daemon and everything that it runs."""
        if node in self._daemons:
            end(self._daemons.pop(node), signal.SIGKILL)
        # Twice: a process may start another one meanwhile.
        for _ in range(2):
            jobs = processes_with(SLURM_CLUSTER_NAME=self.name, SLURMD_NODENAME=node)
            watchers = {parent for parent in map(_parent, jobs) if _name(parent) == "slurmstepd"}
            # Those that watch jobs first, or they report a failed job rather than fall silent.
            kill([*watchers, *jobs])

    def lose_node(self, node: str) -> None:
        """Let a node go down, and say so at once: SLURM takes half a minute to notice."""
        self.kill_node(node)
        self.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")

    def run(self, *command: str) -> str:
        """Run one of SLURM's commands and return what it prints."""
        return subprocess.run(
            command,
            env=os.environ | self.variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout

    def jobs(self, state: str = "all") -> list[dict[str, str]]:
        """Return id, state, node and comment (rule and wildcards) of the jobs in this state."""
        lines = self.run("squeue", "--noheader", f"--states={state}", "--format=%i|%T|%N|%k")
        keys = ("id", "state", "node", "comment")
        return [dict(zip(keys, line.split("|"), strict=True)) for line in lines.splitlines()]

    def details(self, job: str) -> dict[str, str]:
        """Return what SLURM knows of a job: TimeLimit, TresPerJob and others."""
        words = self.run("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def messages(self) -> str:
        """Return the queue and the ends of the daemons' logs."""
        logs = sorted(self.folder.glob("*.log"))
        texts = [f"{log.name}:\n{log.read_text()[-3000:]}" for log in logs]
        return "\n".join([self.run("squeue"), *texts])

    def _states(self) -> set[str]:
        try:
            return set(self.run("sinfo", "--noheader", "--Node", "--format=%T").split())
        except subprocess.CalledProcessError:
            return {"no answer yet"}

    def _launch(self, *command: str, name: str = "") -> None:
        name = name or command[0]
        self._daemons[name] = launch(
            command, os.environ | self.variables, self.folder / f"{name}.out"
        )


def _status(process: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:  # it has ended
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _parent(process: int) -> int:
    return int(_status(process).get("PPid", 0))


def _name(process: int) -> str:
    return _status(process).get("Name", "")


@contextmanager
def slurm_cluster(**options: int) -> Iterator[SlurmCluster]:
    """Boot a cluster, and stop everything at the end."""
    # Not pytest's folder: paths of sockets may have 107 characters at most.
    with tempfile.TemporaryDirectory(suffix=f".test-{os.getpid()}", prefix="slurm") as folder:
        cluster = SlurmCluster(Path(folder), **options)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
