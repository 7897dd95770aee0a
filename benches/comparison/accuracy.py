"""How far the transmit timestamps of a server lie from the kernel's own.

`benches/accuracy` compares them, on the server's own socket. It runs after the
loads that the table of costs is made of, so that it cannot touch their figures.
"""

import json

from .box import BoxError
from .servers import ADDRESS

LOADS = ("idle", "saturated")
IDLE_REQUESTS = 200
SATURATED_REQUESTS = 50_000
# Twice what both loads may take.
MOST_SECONDS = 60
# A server that takes some of the kernel's timestamps itself would leave a selection.
LEAST_STAMPED = 0.99


def sample_name(load):
    """The name of these figures among the samples of a server."""
    return f"{load} timestamps"


def measure(program, box, options):
    """The figures of one server, by sample name."""
    command = [str(program), ADDRESS, "--json", "--window", str(options.window)]
    command += ["--idle", str(IDLE_REQUESTS), "--saturated", str(SATURATED_REQUESTS)]
    command += ["--pid", ",".join(map(str, box.server_processes()))]
    status, found, said = box.run(command, options.load_cpu, MOST_SECONDS)
    if status != 0:
        raise BoxError(said or "benches/accuracy failed without a word")
    found = json.loads(found)
    return {sample_name(load): sample(load, found[load]) for load in LOADS}


def sample(load, found):
    """What is kept of one load."""
    if found["stamped"] < LEAST_STAMPED * found["replies"]:
        counts = f"{found['stamped']:,} of {found['replies']:,} replies"
        raise BoxError(f"{load}: the kernel's timestamps came of {counts}")
    return {"stamped": found["stamped"], **found["error_ns"]}
