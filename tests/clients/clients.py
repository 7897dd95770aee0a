"""The clients: how each is started, and how it says what time it is.

Two kinds. One that ends is asked anew at each change of a scenario: `ask` returns the
offset that it printed, server minus client in s, or nothing where it refused. One that
stays lives through the scenario: `start` it, and `offset` says by how much its idea of the
time differs from the host's clock, or nothing as long as it has none.
"""

import json
import os
import re
import socket
import struct
import subprocess
import time
from pathlib import Path

from box import CLIENT

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "timeball-ci"
PYTHON = "/usr/bin/python3"
_NTP_TO_UNIX_S = 2_208_988_800
_CHRONYD_PORT = 11123


def _said(command, seconds=30):
    """What a program printed, stdout and stderr, whatever its status; all that it printed
    until then if it does not end in time."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=seconds, env={**os.environ, "LC_ALL": "C", "TZ": "UTC"}, check=False,
        )
        output = done.stdout
    except subprocess.TimeoutExpired as late:
        output = late.stdout or b""
    return output.decode(errors="replace")


def _version(command, pattern):
    try:
        found = re.search(pattern, _said(command))
    except OSError:
        return None
    return found and found[1]


class Client:
    """What all have in common."""

    name = ""
    # The package or the program to get it from, where it is missing.
    source = ""
    # How it is called, and what of its settings differs from the default.
    how = ""
    # Whether it stays, and how long after the last change it is judged, in s.
    settles_s = None
    # Whether it compares several servers.
    votes = True

    def version(self):
        """The version that the program gives, or None where it is missing."""
        raise NotImplementedError


class ChronydOnce(Client):
    name = "chronyd -Q"
    source = ".ci/peers: chronyd"
    how = "`chronyd -Q -t 20` with `server … iburst` for each; a burst of requests, one offset"
    program = CACHE / "bin/chronyd"
    tries = 2

    def version(self):
        return _version([self.program, "--version"], r"version (\S+)")

    def ask(self, servers, directory):
        command = [self.program, "-Q", "-t", "20", "-u", "root"]
        command += [f"server {server} iburst" for server in servers]
        command += [f"pidfile {directory}/pid", "cmdport 0", "bindcmdaddress /"]
        found = re.search(r"clock wrong by (\S+) seconds", _said(command, 40))
        return found and float(found[1])


class Ntpdig(Client):
    name = "ntpdig"
    source = "Debian: ntpsec-ntpdig"
    how = "`ntpdig -j -p 4 SERVER…`: four requests to each, the best answer counts"
    tries = 2

    def version(self):
        return _version(["ntpdig", "--version"], r"ntpsec-(\S+)")

    def ask(self, servers, directory):
        for line in _said(["ntpdig", "-j", "-p", "4", "-t", "2", *servers], 60).splitlines():
            if line.startswith("{"):
                return float(json.loads(line)["offset"])
        return None


class Ntplib(Client):
    name = "ntplib"
    source = "Debian: python3-ntplib"
    how = "`NTPClient().request(SERVER, version=4, timeout=2).offset`: one request to one server"
    votes = False
    tries = 6
    _ask = (
        "import ntplib, sys\n"
        "print('offset', repr(ntplib.NTPClient().request(sys.argv[1], version=4, timeout=2).offset))"
    )

    def version(self):
        show = "import ntplib, importlib.metadata as m; print('version', m.version('ntplib'))"
        return _version([PYTHON, "-c", show], r"version (\S+)")

    def ask(self, servers, directory):
        found = re.search(r"^offset (\S+)$", _said([PYTHON, "-c", self._ask, servers[0]]), re.M)
        return found and float(found[1])


class Daemon(Client):
    """One that stays."""

    # The longest interval between two requests, as a power of two of seconds: short, so
    # that it soon sees a change.
    quick = 3

    def start(self, servers, directory, slowest):
        """Starts it in this folder, and returns the process.

        slowest: the longest interval between two requests, as a power of two of seconds.
        """
        raise NotImplementedError

    def offset(self, directory):
        """What it takes for the time, minus the host's clock, in s; or None."""
        raise NotImplementedError

    def _spawn(self, command, directory, **environment):
        with open(directory / "client.log", "wb") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory,
                env={**os.environ, "LC_ALL": "C", "TZ": "UTC", **environment},
            )


class Chronyd(Daemon):
    name = "chronyd -x"
    source = ".ci/peers: chronyd"
    how = (
        "a daemon; `server … iburst minpoll 2 maxpoll 3`. With `-x` it corrects the time that "
        "it serves in place of the clock, and that is what it is asked for"
    )
    settles_s = 50
    program = CACHE / "bin/chronyd"

    version = ChronydOnce.version

    def start(self, servers, directory, slowest):
        settings = [f"server {server} iburst minpoll 2 maxpoll {slowest}" for server in servers]
        settings += [f"port {_CHRONYD_PORT}", "bindaddress 127.0.0.1", "allow 127.0.0.1"]
        settings += [f"pidfile {directory}/pid", "cmdport 0", "bindcmdaddress /"]
        (directory / "chrony.conf").write_text("\n".join(settings) + "\n")
        command = [self.program, "-4", "-x", "-d", "-u", "root", "-f", directory / "chrony.conf"]
        return self._spawn(command, directory)

    def offset(self, directory):
        return _served_offset(("127.0.0.1", _CHRONYD_PORT))


class Ntpsec(Daemon):
    name = "NTPsec ntpd"
    source = ".ci/peers: ntpsec"
    how = (
        "a daemon with `disable ntp`; `server … iburst minpoll 2 maxpoll 2`, `tos minsane 1`. The "
        "last offset in its loopstats counts"
    )
    settles_s = 60
    quick = 2
    program = CACHE / "bin/ntpsec"

    def version(self):
        return _version([self.program, "--version"], r"ntpsec-(\S+)")

    def start(self, servers, directory, slowest):
        settings = ["disable ntp", "tos minsane 1", "interface ignore wildcard"]
        settings += ["interface listen 127.0.0.1", f"interface listen {CLIENT}"]
        settings += [f"server {server} iburst minpoll 2 maxpoll {slowest}" for server in servers]
        settings += [f"statsdir {directory}/", "statistics loopstats"]
        settings += ["filegen loopstats file loopstats type none enable"]
        (directory / "ntp.conf").write_text("\n".join(settings) + "\n")
        command = [self.program, "-n", "-g", "-c", directory / "ntp.conf"]
        return self._spawn([*command, "-p", directory / "pid"], directory)

    def offset(self, directory):
        try:
            lines = (directory / "loopstats").read_text().split("\n")[:-1]
        except FileNotFoundError:
            return None
        return float(lines[-1].split()[2]) if lines else None


class OwnClock(Daemon):
    """One that sets a clock, and has one of its own for that: see own_clock.c."""

    def _spawn(self, command, directory, **environment):
        (directory / "own-clock").write_bytes(bytes(32))
        return super()._spawn(
            command, directory, OWN_CLOCK=str(directory / "own-clock"),
            LD_PRELOAD=os.environ["TIMEBALL_OWN_CLOCK"], **environment,
        )

    def offset(self, directory):
        state = (directory / "own-clock").read_bytes()
        ahead_ns, at_ns, rate_ppb, sets = struct.unpack("=4q", state)
        elapsed_ns = time.monotonic_ns() - at_ns
        return (ahead_ns + elapsed_ns * rate_ppb // 10**9) * 1e-9 if sets and ahead_ns else None


class NtpdRs(OwnClock):
    name = "ntpd-rs"
    source = ".ci/peers: ntpd-rs"
    how = (
        "a daemon; polls from 2^2 to 2^4 s, most of its servers have to agree, no limit to a step. It "
        "does not start without a clock to set, so it gets one that is nobody's; that one counts"
    )
    settles_s = 90
    quick = 4
    program = CACHE / "ntpd-rs/bin/ntp-daemon"

    def version(self):
        return _version([self.program, "--version"], r"(\d+\.\d+\.\d+)")

    def start(self, servers, directory, slowest):
        settings = f"""
[observability]
log-level = "info"

[synchronization]
minimum-agreeing-sources = {1 if len(servers) < 3 else len(servers) // 2 + 1}
single-step-panic-threshold = "inf"
startup-step-panic-threshold = "inf"

[source-defaults]
poll-interval-limits = {{ min = 2, max = {slowest} }}
initial-poll-interval = 2
"""
        for server in servers:
            settings += f'\n[[source]]\nmode = "server"\naddress = "{server}:123"\n'
        (directory / "ntp.toml").write_text(settings)
        return self._spawn([self.program, "-c", directory / "ntp.toml"], directory)


class Busybox(OwnClock):
    name = "busybox ntpd"
    source = ".ci/peers: busybox"
    how = (
        "a daemon, `busybox ntpd -n -d -d -p SERVER…`; it sets a clock that is nobody's, and that "
        "one counts"
    )
    settles_s = 110
    program = CACHE / "bin/busybox"

    def version(self):
        # Of an applet alone the program itself does not tell.
        try:
            return re.search(rb"BusyBox v(\d[\d.]*)", self.program.read_bytes())[1].decode()
        except (OSError, TypeError):
            return None

    def start(self, servers, directory, slowest):
        command = [self.program, "ntpd", "-n", "-d", "-d"]
        for server in servers:
            command += ["-p", server]
        return self._spawn(command, directory)


def _served_offset(address):
    """The offset of an NTP server from the host's clock, in s; None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(1)
        asking.connect(address)
        try:
            asking.send(b"\x23" + bytes(39) + os.urandom(8))
            before_ns = time.time_ns()
            reply = asking.recv(1024)
        except OSError:
            return None
        after_ns = time.time_ns()
    if len(reply) < 48 or reply[0] >> 6 == 3 or not 0 < reply[1] < 16:
        return None
    seconds, fraction = struct.unpack("!II", reply[40:48])
    # The era that is nearest to what every scenario is about: 1968 to 2104.
    era = 0 if seconds >> 31 else 1 << 32
    served_ns = (seconds + era - _NTP_TO_UNIX_S) * 10**9 + (fraction * 10**9 >> 32)
    return (served_ns - (before_ns + after_ns) // 2) * 1e-9


ALL = [ChronydOnce(), Ntpdig(), Ntplib(), Chronyd(), Ntpsec(), NtpdRs(), Busybox()]
