"""Two boxes and the wire between them: a veth pair, clients at one end, a server at the other.

The boxes are those of `comparison.box`: network namespaces that the kernel takes away with
their first process, and the wire with them, whatever happens to this program. The server
starts when the wire is there. Addresses and neighbours are fixed, so nothing but the load
is on it.
"""

import os
import subprocess
import time
from pathlib import Path

from comparison.box import Box, BoxError, descendants_of

SERVER_ADDRESS = "192.168.0.1"
SERVER = f"{SERVER_ADDRESS}:123"
# Clients are 10.16.0.1 and up; the way to them is through this one.
CLIENT_GATEWAY = "192.168.0.2"
CLIENTS = "10.0.0.0/8"
SERVER_MAC = "02:00:00:00:00:01"
CLIENT_MAC = "02:00:00:00:00:02"
# Names that no other wire of this machine has: the kernel's threads are named after them.
SERVER_END = f"xs{os.getpid() & 0xFFFF:04x}"
CLIENT_END = f"xc{os.getpid() & 0xFFFF:04x}"
STEP_SECONDS = 10

POWERLESS = "setpriv --bounding-set=-sys_time --inh-caps=-sys_time --"

# Waits for the wire, 20 s at most.
WAIT = """
tries=0
until [ -e ready ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 400 ]
    sleep 0.05
done
"""


class Wire:
    """One server in its box at the end of a wire, from `with` to its end."""

    def __init__(self, command, files, cpu, *, before="", is_cut=False):
        """
        command, files, cpu: of the server's box; {interface} stands for the server's end.
        before: a shell command that runs beside the server.
        is_cut: what the server sends through its sockets is dropped behind the network
            stack, before the wire.
        """
        files = {name: placed(text) for name, text in files.items()}
        command = [placed(argument) for argument in command]
        # Nobody here can set the clock, which the box sees to for the server only.
        beside = f"{POWERLESS} {placed(before)} &\n" if before else ""
        self.server = Box(command, files, WAIT + beside, cpu)
        self.clients = Box(["sleep", "infinity"], {}, "", cpu)
        self.cpu = cpu
        self.is_cut = is_cut

    def __enter__(self):
        self.clients.__enter__()
        try:
            self.server.__enter__()
            try:
                self._connect()
            except BaseException:
                self.server.__exit__()
                raise
        except BaseException:
            self.clients.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.server.__exit__()
        finally:
            self.clients.__exit__()

    def _connect(self):
        one, other = (first_process(box) for box in (self.clients, self.server))
        queues = ["numtxqueues", "1", "numrxqueues", "1"]
        for process in (one, other):
            # Not a frame that nobody asked for.
            quiet = "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 || true"
            inside(process, ["sh", "-c", quiet])
        inside(
            one,
            ["ip", "link", "add", "name", CLIENT_END, "address", CLIENT_MAC, *queues]
            + ["type", "veth", "peer", "name", SERVER_END, "address", SERVER_MAC, *queues]
            + ["netns", str(other)],
        )
        inside(one, ["ip", "link", "set", CLIENT_END, "up"])
        inside(other, ["ip", "link", "set", SERVER_END, "up"])
        inside(other, ["ip", "address", "add", f"{SERVER_ADDRESS}/24", "dev", SERVER_END])
        neighbour = [CLIENT_GATEWAY, "lladdr", CLIENT_MAC, "dev", SERVER_END, "nud", "permanent"]
        inside(other, ["ip", "neighbour", "replace", *neighbour])
        inside(other, ["ip", "route", "add", CLIENTS, "via", CLIENT_GATEWAY])
        if self.is_cut:
            # A queue with room for nothing: the server is told that all is well.
            inside(
                other,
                ["tc", "qdisc", "add", "dev", SERVER_END, "root", "pfifo", "limit", "0"],
            )
        (self.server.dir / "ready").touch()

    def has_program(self):
        """Whether an XDP program is at the server's end."""
        return has_program(self.server, SERVER_END)

    def receive_apart(self, is_urgent):
        """Has the server's end receive in a thread of the kernel of its own, pinned to the
        server's CPU, and not wherever a frame was sent. Returns that thread. Replies are
        looked at wherever they were sent, so there too: a second thread would be given the
        CPU only long after its queue of 256 has overflowed.

        is_urgent: before whatever else there is to do on that CPU.
        Only where there is a program.
        """
        # What is below /sys is of the network namespace in which it was mounted.
        own = "mount -t sysfs sysfs /sys"
        switch = f"{own} && echo 1 >/sys/class/net/{SERVER_END}/threaded"
        inside(first_process(self.server), ["unshare", "--mount", "sh", "-c", switch])
        found = []

        def is_there():
            start = f"napi/{SERVER_END}-"
            found[:] = [process for name, process in named() if name.startswith(start)]
            return found

        wait_until(is_there, STEP_SECONDS, "a thread that receives")
        for process in found:
            os.sched_setaffinity(process, {self.cpu})
            if is_urgent:
                os.sched_setscheduler(process, os.SCHED_FIFO, os.sched_param(1))
        return found

    def processes(self):
        """The server's processes."""
        return self.server.server_processes()


def placed(text):
    return text.replace("{interface}", SERVER_END)


def named():
    """The names and numbers of all processes, the kernel's threads among them."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                yield Path("/proc", entry, "comm").read_text().strip(), int(entry)
            except OSError:
                continue


def softirq_threads(cpus):
    """The kernel's threads that work through the network's queues of these CPUs when there
    is too much for an interrupt."""
    wanted = {f"ksoftirqd/{cpu}" for cpu in cpus}
    return [process for name, process in named() if name in wanted]


def first_process(box):
    return next(iter(descendants_of(box.outer.pid)))


def has_program(box, interface):
    """Whether an XDP program is at an interface of a box; not where the box has ended."""
    try:
        said = inside(first_process(box), ["ip", "link", "show", "dev", interface])
    except (BoxError, StopIteration):
        return False
    return "prog/xdp" in said


def inside(process, command):
    """Runs a step in the network of a process. Returns what it wrote."""
    found = subprocess.run(
        ["nsenter", f"--net=/proc/{process}/ns/net", "--", *command],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=STEP_SECONDS,
    )
    if found.returncode != 0:
        raise BoxError(f"{' '.join(command)}: {found.stderr.strip()}")
    return found.stdout


def wait_until(is_ready, seconds, what):
    until = time.monotonic() + seconds
    while not is_ready():
        if time.monotonic() > until:
            raise BoxError(f"not in {seconds} s: {what}")
        time.sleep(0.05)
