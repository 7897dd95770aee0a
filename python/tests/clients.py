"""Two NTP clients, one good and one bad, and what a reply says."""

from __future__ import annotations

import os
import socket
import struct
import time
from contextlib import closing

from timeball import Run

DEADLINE_S = 30.0
LI_0_VERSION_4_MODE_3 = b"\x23"

# The whole of a client's manners that needs no waiting.
MANNERS = """
name = "manners"
description = "After seven replies the server denies access"
time.base = "manual"

[[rules]]
name = "deny"
request = { from = 8 }
kiss = { code = "DENY" }

[[expect]]
name = "asks from random ports"
source_ports = {}

[[expect]]
name = "sends unpredictable timestamps"
transmit_timestamps = {}

[[expect]]
name = "stops when it is denied"
requests = { at_most = 8 }
"""


def opened(run: Run) -> socket.socket:
    """A socket of its own, connected to the first endpoint."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(DEADLINE_S)
    client.connect(run.address)
    return client


def exchange(client: socket.socket, transmit_timestamp: bytes) -> bytes:
    client.send(LI_0_VERSION_4_MODE_3 + bytes(39) + transmit_timestamp)
    return client.recv(1024)


def ask(run: Run) -> bytes:
    """The reply to a request from a new port, with a random timestamp."""
    with closing(opened(run)) as client:
        return exchange(client, os.urandom(8))


def reference_id(reply: bytes) -> bytes:
    return reply[12:16]


def transmit_seconds(reply: bytes) -> int:
    """Seconds of the transmit timestamp's era. RFC 5905 section 6."""
    (seconds,) = struct.unpack_from("!I", reply, 40)
    return int(seconds)


def good_client(run: Run) -> None:
    """Asks ten times, and no more once it is denied."""
    for _ in range(10):
        if reference_id(ask(run)) == b"DENY":
            return


def bad_client(run: Run) -> None:
    """Asks ten times, from one port, with its clock, whatever it is told."""
    with closing(opened(run)) as client:
        for _ in range(10):
            now = time.time_ns() + 2_208_988_800 * 10**9
            seconds, nanos = divmod(now, 10**9)
            exchange(client, struct.pack("!II", seconds % 2**32, (nanos << 32) // 10**9))
