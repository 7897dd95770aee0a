"""Network namespaces for tests in Python: two with a cable between them, and work in them.

Needs root and iproute2. They are removed at the end, whatever happens; no datagram
leaves them.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import subprocess
import time
import traceback

#: How long anything may take that must come.
PATIENCE_S = 20
#: The network interface at either end.
CABLE = "cable"
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def run(*command: str) -> None:
    subprocess.run(command, check=True)


@contextlib.contextmanager
def cabled():
    """Two namespaces, `server` and `client`, whose interfaces `cable` are connected,
    and down."""
    server, client = (f"timeball-{side}-{os.getpid()}" for side in ("server", "client"))
    try:
        for name in (server, client):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", server, "link", "add", CABLE, "type", "veth",
            "peer", "name", CABLE, "netns", client)
        yield server, client
    finally:
        for name in (server, client):
            subprocess.run(("ip", "netns", "delete", name), check=False)


def wait_for(condition, log: pathlib.Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)


def enter(path: str) -> None:
    """Has this thread be in the namespace of this path from now on."""
    with open(path) as handle:
        if _libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {path}")


@contextlib.contextmanager
def entered(namespace: str):
    """What this thread does here is in a namespace. Sockets that it makes stay there."""
    with open("/proc/thread-self/ns/net") as home:
        enter(f"/run/netns/{namespace}")
        try:
            yield
        finally:
            enter(f"/proc/self/fd/{home.fileno()}")


def inside(namespace: str, work):
    """Does `work` in a namespace, in a process of its own, and gives what it returns."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            enter(f"/run/netns/{namespace}")
            os.write(write, json.dumps(work()).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the work in {namespace} failed: {status}"
    return json.loads(text)
