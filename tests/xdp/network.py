#!/usr/bin/env python3
"""Answers from the network driver, end to end: real servers, real frames.

    sudo tests/xdp/network.py PROGRAM [WORD...]

With words, only the cases whose names have one of them. Needs root, iproute2 and a kernel
with XDP. Each case has two network namespaces of its own with a cable between them, which
are removed at the end; no datagram leaves them, and no program is attached elsewhere. The
servers have no right to set the clock.
"""

import contextlib
import os
import signal
import sys
import time
import traceback

import admission
import answers
import changes
import ends
import refusals
from bed import Bed, Stop

CASES = (*answers.CASES, *ends.CASES, *changes.CASES, *admission.CASES, *refusals.CASES)
#: How long a case may take at most.
LIMIT_S = 60


class TooLong(Exception):
    """A case takes too long. Nothing in a case waits for this one."""


def stopped(number: int, _frame) -> None:
    is_late = number == signal.SIGALRM
    Stop.now_or_later(TooLong(f"it takes more than {LIMIT_S} s") if is_late
                      else SystemExit(128 + number))


def tried(case, mode: str, program: str) -> bool:
    """Does a case; says how it went, and why if not well."""
    name = f"{case.__name__.replace('_', ' ')} ({mode})"
    began = time.monotonic()
    bed = None
    with contextlib.ExitStack() as stack:
        try:
            signal.alarm(LIMIT_S)
            bed = Bed(program, mode, stack)
            case(bed)
        except Exception as error:  # whatever it is: the other cases are tried
            signal.alarm(0)
            print(f"FAILED  {name}: {error}")
            traceback.print_exc(file=sys.stdout)
            for server in bed.servers if bed else ():
                print(f"-- the server in {server.namespace}, process {server.process.pid}:")
                print(server.said().rstrip())
            return False
        finally:
            signal.alarm(0)
    print(f"ok      {name}, {time.monotonic() - began:.1f} s", flush=True)
    return True


def main() -> None:
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stopped)
    program, words = os.path.abspath(sys.argv[1]), sys.argv[2:]
    outcomes = [
        tried(case, mode, program)
        for case, modes in CASES
        for mode in modes
        if not words or any(word in case.__name__ for word in words)
    ]
    failed = outcomes.count(False)
    print(f"{outcomes.count(True)} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
