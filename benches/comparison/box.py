"""A box: where one server runs, alone, with nothing of the machine to break.

A box is a network namespace with a loopback and nothing else, so that every
server can have port 123; a mount namespace, so that a server which insists on its
own folders and its own user finds them; and a process namespace, so that all of
it ends when its first process does. Whatever happens to this program, the kernel
kills that one (`--pdeathsig`, `--kill-child`), and the namespaces go with it.

In a box nobody can set the clock: CAP_SYS_TIME is out of the bounding set of all
that is started there, and a box whose server has it nevertheless is an error.
"""

import os
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

CAP_SYS_TIME = 25
# How long the kernel may take to end a box, and a server to start.
END_SECONDS = 10
START_SECONDS = 20

# The first process of a box: "$1" is the server's CPU, the rest its command.
FIRST_PROCESS = """
ip link set lo up
{setup}
cpu="$1"
shift
setpriv --bounding-set=-sys_time --inh-caps=-sys_time -- taskset --cpu-list "$cpu" "$@" &
wait "$!"
"""


class BoxError(Exception):
    """What is wrong with a server or its box, for the reader of the table."""


class Box:
    """One server in its box, from `with` to its end."""

    def __init__(self, command, files, setup, cpu):
        """
        command: the server's program and arguments; {dir} stands for its folder.
        files: what to put into that folder beforehand, by name.
        setup: shell commands that run in the box before the server, in that folder.
        cpu: the CPU that the server is pinned to.
        """
        self.dir = Path(tempfile.mkdtemp(prefix="timeball-peers-"))
        self.command = [self._placed(argument) for argument in command]
        self.files = files
        self.setup = setup
        self.cpu = cpu
        self.outer = None

    def _placed(self, text):
        return text.replace("{dir}", str(self.dir))

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        self._end()

    def _start(self):
        for name, text in self.files.items():
            (self.dir / name).write_text(self._placed(text))
        script = "set -e\n" + FIRST_PROCESS.format(setup=self.setup)
        with open(self.dir / "output.log", "wb") as log:
            self.outer = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--"]
                + ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL"]
                + ["--mount-proc", "--", "sh", "-c", script, "sh", str(self.cpu)]
                + self.command,
                cwd=self.dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for this program, which ends the box itself.
                start_new_session=True,
            )
        self.wait_until(lambda: self._first_process() is not None)

    def _end(self):
        if self.outer is not None:
            first = self._first_process()
            watched = None if first is None else watch(first)
            self.outer.kill()
            self.outer.wait()
            if watched is not None:
                # The first process ends last, after all others in the box.
                select.select([watched], [], [], END_SECONDS)
                os.close(watched)
            self.outer = None
        shutil.rmtree(self.dir, ignore_errors=True)

    def _first_process(self):
        """The number, out here, of the box's first process."""
        return next(iter(children_of(self.outer.pid)), None)

    def run(self, command, cpu, seconds):
        """Runs `command` on `cpu` in this box's network, to its end.

        seconds: the longest that it may take.
        Returns its exit status and what it wrote to stdout and stderr.
        """
        first = self._first_process()
        if first is None:
            raise BoxError(self.why_not())
        enter = ["nsenter", f"--target={first}", "--net", "--"]
        # Not in the foreground, where Ctrl-C would end it before this program.
        process = subprocess.Popen(
            enter + ["taskset", "--cpu-list", str(cpu)] + command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            found, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as late:
            raise BoxError(f"{Path(command[0]).name} did not end") from late
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return process.returncode, found, said.strip()

    def server_processes(self):
        """The numbers, out here, of the server's processes: all but the box's first."""
        first = self._first_process()
        found = [] if first is None else descendants_of(first)
        if not found:
            raise BoxError(self.why_not())
        for process in found:
            if can_set_the_clock(process):
                raise BoxError(f"process {process} has CAP_SYS_TIME")
        return found

    def wait_until(self, is_ready):
        """Asks until `is_ready` says yes, the box has ended or the time is up."""
        until = time.monotonic() + START_SECONDS
        while not is_ready():
            if self.outer.poll() is not None:
                raise BoxError(self.why_not())
            if time.monotonic() > until:
                raise BoxError(f"not ready in {START_SECONDS} s; {self.why_not()}")
            time.sleep(0.02)

    def why_not(self):
        """The end of what the server said, on one line."""
        said = []
        for log in sorted(self.dir.glob("*.log")):
            said += log.read_text(errors="replace").splitlines()
        said = [line.strip() for line in said if line.strip()]
        status = self.outer.poll()
        ended = "it runs" if status is None else f"it ended with status {status}"
        return f"{ended} and said: " + (" | ".join(said[-3:]) or "nothing")

    def __str__(self):
        return shlex.join(self.command)


def watch(process):
    """A descriptor that becomes readable when the process ends."""
    try:
        return os.pidfd_open(process)
    except ProcessLookupError:
        return None


def parents():
    """The parent of every process."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_text(errors="replace")
            except OSError:
                continue
            # The name before it is in parentheses and may hold anything.
            found[int(entry)] = int(stat.rpartition(")")[2].split()[1])
    return found


def children_of(process):
    return sorted(child for child, parent in parents().items() if parent == process)


def descendants_of(process):
    family, found = parents(), [process]
    for ancestor in found:
        found += sorted(child for child, parent in family.items() if parent == ancestor)
    return found[1:]


def can_set_the_clock(process):
    """Whether the process has CAP_SYS_TIME, or could get it."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    sets = [line.split()[1] for line in status.splitlines() if line.startswith("Cap")]
    return any(int(each, 16) >> CAP_SYS_TIME & 1 for each in sets)


def end_by_signal(*_):
    raise KeyboardInterrupt


def end_on_signals():
    """Lets SIGTERM and SIGHUP end this program as Ctrl-C does: in order."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_by_signal)
