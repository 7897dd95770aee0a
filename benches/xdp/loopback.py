"""XDP in generic mode on loopback, beside chronyd, under `timeball bench`.

What is compared is the CPU time of the whole machine, since the sender of a datagram does
most of the receiver's work on loopback: the load generator's, the server's and that of the
kernel's threads for the network. All of them are on one CPU: on two, the load generator
looks for replies without a pause while it waits for the server's CPU, and that would count.
Here it looks for 50 us in vain before the server's turn comes, for each window of requests.

What is taken off is what a request costs the load generator alone, when it sends to a
program that drops everything as many as it can.
"""

import json
import resource

from comparison import servers
from comparison.box import Box, BoxError

from . import loads, network

ADDRESS = servers.ADDRESS
PATIENCE_SECONDS = 30
# Fits into a receive buffer of the kernel's default size.
CLOSED = ("--window", "128")
# More than anybody sends.
ENDLESS = ("--rate", "5000000")


def settings(xdp):
    text = loads.settings("generic" if xdp else None, loads.OPEN)["settings.toml"]
    return text.replace("{interface}", "lo").replace(network.SERVER, ADDRESS)


def boxes(timeball, load, chronyd):
    """What is compared, by name: title, command, files."""
    serve = [str(timeball), "serve", "--settings", "{dir}/settings.toml"]
    return {
        "drop": (
            "received and dropped",
            [str(load), "hold", "lo", "drop", "--generic"],
            {},
        ),
        "xdp": ("**timeball, XDP (generic)**", serve, {"settings.toml": settings(True)}),
        "sockets": ("timeball, sockets", serve, {"settings.toml": settings(False)}),
        "chronyd": (chronyd.title, chronyd.command, chronyd.files),
    }


def measure(timeball, name, command, files, options):
    """One of them under the load: CPU time of the whole machine for each reply, and where
    there are none for each request."""
    cpu = options.server_cpu
    has_program = name in ("drop", "xdp")
    with Box(command, files, "", cpu) as box:
        if has_program:
            box.wait_until(lambda: network.has_program(box, "lo"))
        if name != "drop":
            once = ("--requests", "1", "--window", "1", "--sockets", "1")
            box.wait_until(lambda: bench(timeball, box, 0.5, cpu, once)[0]["valid"])
        processes = box.server_processes() + network.softirq_threads([cpu])
        before = cpu_time(processes)
        load = ENDLESS if name == "drop" else CLOSED
        found, own = bench(timeball, box, options.seconds, cpu, load)
        spent = cpu_time(processes) - before + own
    asked, valid = found["sent"], found["valid"]
    counted = asked if name == "drop" else valid
    if not counted:
        raise BoxError(f"{name}: no replies; {found}")
    return {
        "cpu_ns": spent / counted,
        "replies_per_second": valid / options.seconds,
        "lost": asked - valid,
        "invalid": found["invalid"],
    }


def bench(timeball, box, seconds, cpu, load):
    """What `timeball bench` found, and its CPU time."""
    command = [str(timeball), "bench", ADDRESS, "--protocol", "ntp", "--json"]
    command += ["--seconds", str(seconds), *load]
    before = children()
    status, found, said = box.run(command, cpu, seconds + PATIENCE_SECONDS)
    # 1 is that nothing was answered.
    if status not in (0, 1) or not found:
        raise BoxError(f"the load generator failed: {said}")
    return json.loads(found), children() - before


def children():
    """CPU time, in ns, of all that this program has started and that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1e9


def cpu_time(processes):
    """CPU time of processes, in ns."""
    total = 0
    for process in processes:
        for schedstat in network.Path(f"/proc/{process}/task").glob("*/schedstat"):
            total += int(schedstat.read_text().split()[0])
    return total
