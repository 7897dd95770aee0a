#!/usr/bin/env python3
"""Ten minutes at half load: does anything grow, is anything lost?

    cargo build --release
    tests/soak/soak.py target/release/timeball

Finds the rate that the server keeps up with here (`timeball bench --ramp`), asks at half of
it for ten minutes over loopback, from many addresses, and has the settings read anew every
ten seconds. Looks once a second at the server's resident memory, descriptors and threads,
and prints what docs/reliability.md shows. Exit code 1 if a request was lost, a reply was
wrong, or anything grew.
"""

import argparse
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

#: Memory may grow by this much after the first minute, in KiB: what a thread's first use
#: of a page costs.
ALLOWED_KIB = 512
#: What comes before is start-up.
WARM_S = 60
RELOAD_S = 10

SETTINGS = """
[sources.wall]
kind = 'system'
[admission.rate_limit]
rate = 100000
burst = 100000
[[listeners]]
protocol = 'ntp'
address = '127.0.0.1:0'
source = 'wall'
{more}
"""


def status(pid: int) -> dict[str, int]:
    process = pathlib.Path(f"/proc/{pid}")
    text = (process / "status").read_text()
    return {
        "resident_kib": int(re.search(r"VmRSS:\s+(\d+)", text)[1]),
        "threads": int(re.search(r"Threads:\s+(\d+)", text)[1]),
        "descriptors": sum(1 for _ in (process / "fd").iterdir()),
    }


def bench(program: str, address: str, *options: str) -> dict:
    command = [program, "bench", address, "--json", "--addresses", "250", *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def wait_for(file: pathlib.Path) -> dict:
    deadline = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} does not come"
        time.sleep(0.05)
    return json.loads(file.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="a release build of timeball")
    parser.add_argument("--minutes", type=float, default=10, help="[default: 10]")
    parser.add_argument("--rate", type=int, help="requests a second, in the place of half of "
                        "what it keeps up with")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        settings = folder / "settings.toml"
        settings.write_text(SETTINGS.format(more=""))
        ports = folder / "ports.json"
        log = folder / "log"
        with log.open("w") as stderr:
            server = subprocess.Popen(
                [given.program, "serve", "--settings", settings, "--ports-file", ports],
                stderr=stderr,
            )
        try:
            return soak(given, server, settings, wait_for(ports), log)
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()


def soak(given, server, settings, ports, log) -> int:
    address = ports["listeners"][0]["address"]
    rate = given.rate
    if rate is None:
        ramp = bench(given.program, address, "--ramp")
        rate = int(ramp["ramp"]["highest_rate"] / 2)
    seconds = int(given.minutes * 60)
    load = subprocess.Popen(
        [given.program, "bench", address, "--json", "--addresses", "250", "--rate", str(rate),
         "--seconds", str(seconds)],
        stdout=subprocess.PIPE,
    )
    began = time.monotonic()
    looks, reloads = [], 0
    while load.poll() is None:
        time.sleep(1)
        looks.append((time.monotonic() - began, status(server.pid)))
        if len(looks) % RELOAD_S == 0:
            # Another responder each time, so that the listener is made anew.
            reloads += 1
            settings.write_text(SETTINGS.format(more=f"responders = {1 + reloads % 2}"))
            server.send_signal(signal.SIGHUP)
    said = json.loads(load.stdout.read())
    server.send_signal(signal.SIGTERM)
    code = server.wait(20)
    summary = [line for line in log.read_text().splitlines() if " stopped " in line][-1]

    warm = [look for at, look in looks if at > min(WARM_S, seconds / 2)]
    problems = []
    print(f"{seconds} s at {rate} requests/s, {reloads} reloads\n")
    print("| | after the start | least | most | at the end |\n|---|---|---|---|---|")
    for key in ("resident_kib", "threads", "descriptors"):
        values = [look[key] for look in warm]
        print(f"| {key} | {values[0]} | {min(values)} | {max(values)} | {values[-1]} |")
        allowed = ALLOWED_KIB if key == "resident_kib" else 0
        if values[-1] > values[0] + allowed:
            problems.append(f"{key} grew")
    print(f"\nsent {said['sent']}, valid {said['valid']}, invalid {said['invalid']}, "
          f"lost {said['lost']}; latency p50 {said['latency_us']['p50']} us, "
          f"p99 {said['latency_us']['p99']} us")
    print(summary.split(" stopped ")[1])
    if said["invalid"] or said["lost"]:
        problems.append("requests were lost, or replies were wrong")
    if code != 0:
        problems.append(f"exit code {code}")
    print("\n".join(problems) or "nothing grew, nothing was lost")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
