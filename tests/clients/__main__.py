#!/usr/bin/env python3
"""Lets time clients of others ask timeball's built-in scenarios, and writes down which
passes which.

    python3 tests/clients --write docs/clients.md     every cell of the table anew
    python3 tests/clients --check docs/clients.md     the cells in bold come out as written

Debian 12, as root, with the programs of `.ci/packages` and `.ci/peers`. Each trial runs in
a network of its own, and nothing in it can set the machine's clock.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "python" / "src")]

import box  # noqa: E402
import table  # noqa: E402
from clients import ALL, CACHE, PYTHON  # noqa: E402
from held import is_held  # noqa: E402
from judge import Outcome  # noqa: E402
from script import Script  # noqa: E402
from timeball import find_binary  # noqa: E402
from trial import Trial  # noqa: E402

# No trial takes longer, in s.
LONGEST_S = 900
# How often a client is tried that is off by little.
TRIES = 3


def arguments():
    parser = argparse.ArgumentParser(
        prog="tests/clients", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="FILE", help="write the whole table")
    what.add_argument("--check", type=Path, metavar="FILE", help="compare the cells in bold")
    what.add_argument("--show", action="store_true", help="print outcomes; see --only")
    what.add_argument("--trial", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument(
        "--only", metavar="NAME,...", help="with --show: scenarios and clients to be tried"
    )
    parser.add_argument(
        "--jobs", type=int, default=16, metavar="N",
        help="trials at a time, most of which wait [default: %(default)s]",
    )
    return parser.parse_args()


def scripts():
    """Every built-in scenario, by name, in the order of `timeball play --list`."""
    found = [Script(file) for file in sorted((ROOT / "scenarios").glob("*.toml"))]
    listed = subprocess.run(
        [find_binary(), "play", "--list"], stdout=subprocess.PIPE, text=True, check=True
    )
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    if sorted(names) != sorted(script.name for script in found):
        sys.exit("scenarios/ and `timeball play --list` differ: build timeball anew")
    return {script.name: script for script in found}


def versions():
    missing = [tool for tool in [*box.TOOLS, "cc", PYTHON] if shutil.which(tool) is None]
    found = {}
    for client in ALL:
        found[client.name] = client.version()
        if found[client.name] is None:
            missing.append(f"{client.name} ({client.source}, into {CACHE})")
    if missing:
        sys.exit("missing: " + "; ".join(missing))
    return found


def compile_own_clock(directory):
    library = Path(directory) / "own_clock.so"
    command = ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", library, HERE / "own_clock.c"], check=True)
    os.environ["TIMEBALL_OWN_CLOCK"] = str(library)


def try_one(cell):
    """The outcome of a client in a scenario."""
    client, script = cell
    command = [PYTHON, str(HERE), "--trial", client.name, script.name]
    for _ in range(TRIES):
        try:
            outcome = Outcome(**box.run(command, LONGEST_S))
        except box.BoxError as error:
            raise box.BoxError(f"{client.name} in {script.name}: {error}") from error
        said = "passes" if outcome.passes else "fails"
        print(f"{said:6} {script.name:24} {client.name:14} {outcome.why}", flush=True)
        if not outcome.is_doubtful:
            break
    return outcome


def try_all(cells, jobs):
    """The outcomes of these cells, the longest trials first."""
    def seconds(cell):
        client, script = cell
        return -(script.last_change_s() + (client.settles_s or 0))

    cells = sorted(cells, key=seconds)
    # Those that stay do little but wait; those that ask and end need more.
    busy = 5 * (os.cpu_count() or 1)
    with ThreadPoolExecutor(jobs) as waiting, ThreadPoolExecutor(busy) as asking:
        found = [
            (waiting if cell[0].settles_s else asking).submit(try_one, cell) for cell in cells
        ]
        try:
            outcomes = [each.result() for each in found]
        except BaseException:
            for each in found:
                each.cancel()
            raise
    return {(client.name, script.name): outcome
            for (client, script), outcome in zip(cells, outcomes)}


def can_be_put(client, script):
    return bool(script.servers) and (client.votes or not script.is_vote)


def check(file, all_scripts, jobs):
    """Whether the cells in bold come out as they are written."""
    written = table.read(file)
    clients = {client.name: client for client in ALL}
    held = {
        (client, script)
        for client in clients for script in all_scripts
        if can_be_put(clients[client], all_scripts[script]) and is_held(client, all_scripts[script])
    }
    if held != {cell for cell, (_, bold) in written.items() if bold}:
        sys.exit(f"{file}: the cells in bold are not those of held.py; use --write")

    def differing(cells, jobs):
        pairs = [(clients[client], all_scripts[script]) for client, script in cells]
        found = try_all(pairs, jobs)
        return {cell: found[cell] for cell in cells if found[cell].passes != written[cell][0]}

    differ = differing(sorted(held), jobs)
    if differ:
        # A machine that is busy may be the reason: once more, with less at a time.
        print(f"{len(differ)} differ; once more", flush=True)
        differ = differing(sorted(differ), 2)
    for (client, script), outcome in sorted(differ.items()):
        print(f"{file}: {client} in {script} is written otherwise: "
              f"it {'passes' if outcome.passes else 'fails'} {outcome.why}")
    if differ:
        sys.exit("if that is right, write the table anew: python3 tests/clients --write")
    print(f"{len(held)} cells as written")


def main():
    given = arguments()
    if given.trial:
        name, script, directory = given.trial
        client = next(client for client in ALL if client.name == name)
        trial = Trial(Script(ROOT / "scenarios" / f"{script}.toml"), directory, find_binary())
        with trial.run:
            outcome = trial.of(client)
        print(json.dumps(vars(outcome)))
        return
    os.environ["TIMEBALL_BINARY"] = str(find_binary())
    all_scripts, of = scripts(), versions()
    with tempfile.TemporaryDirectory(prefix="timeball-clients-") as directory:
        compile_own_clock(directory)
        if given.check:
            check(given.check, all_scripts, given.jobs)
            return
        cells = [
            (client, script) for script in all_scripts.values() for client in ALL
            if can_be_put(client, script)
        ]
        if given.only:
            names = given.only.split(",")
            cells = [
                (client, script) for client, script in cells
                if script.name in names or client.name in names
                if not set(names) & {client.name for client in ALL} or client.name in names
                if not set(names) & set(all_scripts) or script.name in names
            ]
        outcomes = try_all(cells, given.jobs)
    if given.write:
        given.write.write_text(table.written(ALL, of, all_scripts, outcomes, is_held))


if __name__ == "__main__":
    try:
        main()
    except (box.BoxError, FileNotFoundError) as error:
        sys.exit(str(error))
