"""A box: where one server and one client are alone, and cannot touch the clock.

A network namespace, so that each server can have port 123, and a process namespace, so
that all of it ends with its first process. CAP_SYS_TIME is out of the bounding set of
everything in it. The servers are at 10.123.0.1 and on, the client at 10.123.1.1: some
clients refuse the addresses of the loopback, or servers that have their own address.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

CLIENT = "10.123.1.1"
SERVERS = [f"10.123.0.{number}" for number in range(1, 6)]
TOOLS = ["ip", "setpriv", "unshare"]

_CAP_SYS_TIME = 25
_NETWORK = f"""
set -e
ip link set lo up
ip address add {CLIENT}/32 dev lo
for server in {" ".join(SERVERS)}; do
    ip address add "$server/32" dev lo
    ip route replace local "$server" dev lo src {CLIENT} table local
done
exec "$@"
"""


class BoxError(Exception):
    """A trial came to no outcome: the script's fault, or the machine's."""


def run(command, seconds):
    """Runs a command in a box and returns the JSON that it prints.

    seconds: the longest that it may take.
    """
    with tempfile.TemporaryDirectory(prefix="timeball-clients-") as directory:
        boxed = ["setpriv", "--pdeathsig", "KILL", "--"]
        boxed += ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL"]
        boxed += ["--mount-proc", "--", "setpriv", "--bounding-set=-sys_time"]
        boxed += ["--inh-caps=-sys_time", "--no-new-privs", "--"]
        boxed += ["sh", "-c", _NETWORK, "sh", *command, directory]
        # In files, since a pipe would be held open by whoever outlives the command.
        with open(Path(directory, "out"), "w+b") as out, open(Path(directory, "err"), "w+b") as err:
            process = subprocess.Popen(
                boxed, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                raise BoxError(f"no outcome within {seconds:.0f} s") from None
            finally:
                process.kill()
                process.wait()
            out.seek(0)
            err.seek(0)
            said = err.read().decode(errors="replace").strip()
            if status != 0:
                raise BoxError(f"ended with status {status}: {said[-2000:]}")
            return json.load(out)


def assert_no_clock():
    """Ends this process unless it, and all that it starts, cannot set the clock."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Cap") and int(line.split()[1], 16) >> _CAP_SYS_TIME & 1:
            sys.exit(f"this process may have CAP_SYS_TIME: {line}")
