"""The rounds: every server under the same loads, in turn, again and again.

A machine drifts by more than the servers differ, over minutes. So a round has
each server once, in an order of its own, and servers are compared within a round.
"""

import json
import random
import sys
from dataclasses import dataclass

from . import accuracy
from .box import Box, BoxError
from .servers import ADDRESS

# Where `timeball bench --json --pid` has the server's CPU time for each reply, in ns.
CPU_TIME = ("server", "cpu_ns_per_reply")

# What `timeball bench` exits with when no reply was valid, or nothing could be sent.
NOTHING_ANSWERED = 1

WARM_UP_SECONDS = 0.5
# How much longer than it was asked to the generator may take, time-outs included.
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Load:
    """What is asked of each server."""

    name: str
    options: tuple


@dataclass(frozen=True)
class Options:
    """How to measure."""

    rounds: int
    seconds: float
    window: int
    rate: int
    sockets: int
    server_cpu: int
    load_cpu: int

    def loads(self):
        return [
            Load("saturated", ("--window", str(self.window))),
            Load("rate", ("--rate", str(self.rate))),
        ]


class Generator:
    """`timeball bench`, run beside a server in its box."""

    def __init__(self, program, options):
        self.program = str(program)
        self.options = options

    def run(self, box, arguments, seconds):
        """What it found, or None where no valid reply came."""
        command = [self.program, "bench", ADDRESS, "--protocol", "ntp", "--json"]
        command += ["--seconds", str(seconds), *arguments]
        status, found, said = box.run(command, self.options.load_cpu, seconds + PATIENCE_SECONDS)
        if status not in (0, NOTHING_ANSWERED):
            raise BoxError(f"the load generator failed: {said or 'without a word'}")
        return json.loads(found) if status == 0 else None

    def is_answered(self, box):
        once = ["--requests", "1", "--window", "1", "--sockets", "1"]
        return self.run(box, once, 0.5) is not None

    def measure(self, box, load):
        """One server under one load."""
        processes = box.server_processes()
        spread = str(self.options.sockets)
        found = self.run(
            box,
            [*load.options, "--sockets", spread, "--addresses", spread]
            + ["--pid", ",".join(map(str, processes))],
            self.options.seconds,
        )
        if found is None:
            raise BoxError(f"no valid reply under load; {box.why_not()}")
        return sample(found)


def sample(found):
    """What is kept of one measurement."""
    cpu_ns = found
    for key in CPU_TIME:
        cpu_ns = cpu_ns[key]
    generator = found["generator"]
    behind = generator["unsent"] + generator["delayed"]
    return {
        "is_open": found["loop"] == "open",
        "cpu_ns": cpu_ns,
        "replies_per_second": found["replies_per_second"],
        "sent": found["sent"],
        "valid": found["valid"],
        "invalid": found["invalid"],
        "lost": found["lost"],
        "unsynchronised": found["unsynchronised"],
        "resident_kib": found["server"]["resident_kib"],
        "p50_us": found["latency_us"]["p50"],
        "p99_us": found["latency_us"]["p99"],
        "generator_behind": behind,
        "generator_dropped": generator["dropped_replies"],
    }


def visit(server, generator, tap, options):
    """Starts one server, loads it and ends it. Returns a sample for each load.

    tap: the program that looks at its transmit timestamps.
    """
    with Box(server.command, server.files, server.setup, options.server_cpu) as box:
        box.wait_until(lambda: generator.is_answered(box))
        generator.run(box, ["--window", str(options.window)], WARM_UP_SECONDS)
        samples = {load.name: generator.measure(box, load) for load in options.loads()}
        if not server.takes_timestamps:
            samples |= accuracy.measure(tap, box, options)
        return samples


def run_rounds(servers, generator, tap, options):
    """All rounds. Returns what was measured and, by server, what went wrong.

    A server that failed is not asked again: it fails the whole run anyway.
    """
    rounds, errors = [], {}
    for number in range(options.rounds):
        order = [server for server in servers if server.name not in errors]
        # The same orders in every run, and no server always after the same one.
        random.Random(number).shuffle(order)
        measured = {}
        for server in order:
            progress(f"round {number + 1} of {options.rounds}: {server.name}")
            try:
                measured[server.name] = visit(server, generator, tap, options)
            except (BoxError, OSError) as error:
                errors[server.name] = str(error)
                progress(f"{server.name} FAILED: {error}")
            else:
                progress(f"    {summary(measured[server.name])}")
        rounds.append(measured)
    return rounds, errors


def summary(samples):
    return ", ".join(
        f"{load}: {each['cpu_ns']:.0f} ns/reply, {each['replies_per_second']:.0f} replies/s"
        for load, each in samples.items()
        if "cpu_ns" in each
    )


def progress(text):
    print(text, file=sys.stderr, flush=True)
