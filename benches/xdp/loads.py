"""The servers at the end of the wire, where their work is done, and what that costs.

Two placements. *One core*: everything is on one CPU, so that nothing is waited for and no
other CPU is woken: the cost of a reply. The server's processes go before the load there, so
a server on sockets answers what is there before more is sent; answers from the driver are
made by the very call that sends the requests. *Own core*: the load is made on another CPU,
and the server's does the rest, the look at the replies included: how many a core gives. A
thread of the kernel receives there: before all else, as what a network card interrupts for
does, where it also answers; where a process is to answer, with equal rights, without which
that process would never be heard.
"""

import json
from dataclasses import dataclass, field

from comparison.box import BoxError

from . import network

PATIENCE_SECONDS = 60
# A rate at which a server shows that it is there.
PROBE = ("--rate", "1000", "--warm-up", "0.05", "--seconds", "0.3")
# As many at a time as the kernel makes: between two CPUs more frames are under way, which
# are made anew unless so many are kept.
MANY = ("--batch", "256")
# Before whatever else the machine does on a CPU.
URGENT = ("chrt", "--rr", "1")
# What may get lost at a rate that a server keeps up with.
LOSS = 0.001
# The least and the greatest rate that sockets are tried at, and how finely.
RATES = (5_000, 1_000_000)
RATE_STEPS = 8

SOURCE = """\
threads = 1
{xdp}
[sources.wall]
kind = "system"
"""

OPEN = """
[[listeners]]
protocol = "ntp"
address = "{server}"
source = "wall"
rate_limit = false
"""

# Lists that no client is in but for one, and a limit that no client reaches, which has to
# be looked up all the same.
GUARDED = """
[admission]
clients = 524288

[admission.rate_limit]
rate = 100000
burst = 100000

[[listeners]]
protocol = "ntp"
address = "{server}"
source = "wall"
allow = ["10.0.0.0/8"]
deny = {denied}
"""
NETWORKS = [f"10.{upper}.{lower}.0/24" for upper in range(1, 5) for lower in range(0, 250)]


@dataclass(frozen=True)
class Subject:
    """One server, or what stands in for it."""

    name: str
    title: str
    # Its program and arguments; {dir} is the folder of its box.
    command: tuple
    files: dict = field(default_factory=dict)
    # A command that runs beside it.
    before: str = ""
    # Which of the figures are its replies: valid, cut, received.
    replies: str = "valid"
    # Whether it answers through sockets: the kernel leaves checksums to the card.
    is_socket: bool = False
    # How many addresses clients have.
    addresses: int = 1


def settings(xdp, listener):
    section = f'\n[xdp]\ninterface = "{{interface}}"\nmode = "{xdp}"\n' if xdp else ""
    filled = listener.format(server=network.SERVER, denied=json.dumps(NETWORKS[1::2]))
    return {"settings.toml": SOURCE.format(xdp=section) + filled}


def subjects(timeball, load):
    """All of them. timeball, load: the programs."""
    serve = (str(timeball), "serve", "--settings", "{dir}/settings.toml")
    hold = (str(load), "hold", "{interface}")
    # Frames of a driver, and not the way of a veth without a program.
    passes = " ".join((*hold, "pass"))
    sockets = {"files": settings(None, OPEN), "before": passes, "is_socket": True}
    many = 1 << 20
    return [
        Subject("baseline", "received and dropped", (*hold, "drop"), replies="received"),
        Subject("floor", "floor: a bare responder", (*hold, "floor")),
        Subject("xdp", "**timeball, XDP**", serve, settings("native", OPEN)),
        Subject(
            "xdp-guarded",
            "timeball, XDP, lists, limits, a million clients",
            serve,
            settings("native", GUARDED),
            addresses=many,
        ),
        Subject("sockets-cut", "timeball, sockets, replies cut", serve, **sockets, replies="cut"),
        Subject("sockets", "timeball, sockets, whole way", serve, **sockets),
        Subject(
            "sockets-guarded",
            "timeball, sockets, whole way, lists, limits, a million clients",
            serve,
            settings(None, GUARDED),
            passes,
            is_socket=True,
            addresses=many,
        ),
    ]


class Bench:
    """Measures subjects."""

    def __init__(self, load, options):
        """
        load: the program; options: seconds, server_cpu, load_cpu.
        """
        self.load = str(load)
        self.options = options

    def wire(self, subject, is_own_core):
        # On one core, what there is to answer is answered at once; and a program in the
        # driver is told the time, however much the driver has to do.
        is_urgent = not (is_own_core and subject.is_socket)
        first = ["chrt", "--fifo", "2"] if is_urgent else []
        return network.Wire(
            [*first, *subject.command],
            subject.files,
            self.options.server_cpu,
            before=subject.before,
            is_cut=subject.replies == "cut",
        )

    def one_core(self, subject):
        """The CPU time of a reply with everything on one CPU."""
        cpu = self.options.server_cpu
        with self.wire(subject, False) as wire:
            self.wait(wire, subject)
            watched = wire.processes() + network.softirq_threads([cpu])
            found = self.measure(wire, subject, watched, cpu)
        return self.sample(subject, found, cpu)

    def own_core(self, subject):
        """Replies a second with the server's CPU to itself: of sockets, at the highest rate
        that they keep up with; of XDP, however much more is sent."""
        with self.wire(subject, True) as wire:
            self.wait(wire, subject)
            watched = wire.receive_apart(not subject.is_socket) + network.softirq_threads([self.options.server_cpu])

            def at(rate):
                paced = MANY if rate is None else ("--rate", str(rate))
                processes = wire.processes() + watched
                load_cpu = self.options.load_cpu
                found = self.measure(wire, subject, processes, load_cpu, paced, URGENT)
                return self.sample(subject, found, self.options.server_cpu, "load")

            if not subject.is_socket:
                return at(None)
            # As many as this are answered, and too many are asked at this many.
            low, high = RATES
            best = None
            for _ in range(RATE_STEPS):
                rate = int((low * high) ** 0.5)
                sample = at(rate)
                if sample["lost"] <= LOSS * sample["sent"]:
                    best, low = sample, rate
                else:
                    high = rate
            if best is None:
                raise BoxError(f"sockets lose more than {LOSS:.1%} at {high} requests/s")
            return best

    def wait(self, wire, subject):
        """Until the server answers, and from where it is to."""
        wire.server.wait_until(wire.has_program)

        def is_there():
            found = self.measure(wire, subject, wire.processes(), self.options.load_cpu, PROBE)
            total = found["total"]
            return total[subject.replies] or (subject.is_socket and total["partial"])

        wire.server.wait_until(is_there)

    def measure(self, wire, subject, processes, cpu, more=(), prefix=()):
        seconds = ("--seconds", str(self.options.seconds))
        command = [*prefix, self.load, "measure", "--server", network.SERVER]
        command += ["--interface", network.CLIENT_END, "--server-interface", network.SERVER_END]
        command += ["--client-mac", network.CLIENT_MAC, "--server-mac", network.SERVER_MAC]
        command += ["--addresses", str(subject.addresses)]
        command += ["--pid", ",".join(map(str, processes))]
        command += ["--cpu", f"{self.options.server_cpu},{self.options.load_cpu}"]
        command += more if "--seconds" in more else [*seconds, *more]
        status, found, said = wire.clients.run(
            command, cpu, self.options.seconds + PATIENCE_SECONDS
        )
        if status != 0:
            raise BoxError(f"{said or 'the load ended without a word'}; {wire.server.why_not()}")
        return json.loads(found)

    def sample(self, subject, found, cpu, elsewhere=None):
        """What is kept of one measurement. elsewhere: a process whose time is not the
        server's CPU's."""
        counts, total = found["counts"], found["total"]
        replies, answered = counts[subject.replies], total[subject.replies]
        if subject.is_socket:
            replies += counts["partial"]
            answered += total["partial"]
        if replies == 0:
            raise BoxError(f"no replies: {found}")
        cpu_ns = {name: ns for name, ns in found["cpu_ns"].items() if name != elsewhere}
        busy_ns = found["busy_ms"][str(cpu)] * 1e6
        return {
            "cpu_ns": sum(cpu_ns.values()) / replies,
            "replies_per_second": replies / found["seconds"],
            "sent_per_second": counts["sent"] / found["seconds"],
            "sent": total["sent"],
            "received": total["received"],
            "replies": answered,
            "lost": total["sent"] - answered,
            "late": total["late"],
            "checked": total["valid"] + total["partial"] + sum(found["invalid"].values()),
            "invalid": sum(found["invalid"].values()),
            "invalid_by_rule": found["invalid"],
            # An answer from the driver has a whole checksum.
            "by_sockets": total["partial"],
            # The shares of the time that the server's CPU was busy, and with this.
            "busy": busy_ns / found["seconds"] / 1e9,
            "ours": sum(cpu_ns.values()) / found["seconds"] / 1e9,
        }
