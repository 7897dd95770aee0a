"""The servers: where each comes from and how it is started.

Each answers any client on 127.0.0.1 port 123, disciplines no clock, and is
otherwise as it comes. What a server is spared, if anything, is in its `note`.
"""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ADDRESS = "127.0.0.1:123"
NTPD_RS = "1.9.0"
# What the unpacked programs are linked with, where a small Debian lacks it.
LIBRARIES = ["libbsd0", "libcap2", "libgnutls30", "libnettle8", "libseccomp2", "libssl3"]


@dataclass(frozen=True)
class Server:
    """One server of the comparison."""

    name: str
    title: str
    # The program and its arguments; {dir} is the folder of the run.
    command: list
    # What gives the version, called when the programs are there.
    version: object
    # What `.ci/peers` or cargo is to make, and which of the two.
    made_by: str = "cargo build"
    # Files in the folder of the run, and shell commands before the start.
    files: dict = field(default_factory=dict)
    setup: str = ""
    note: str = ""
    # Whether it takes the kernel's transmit timestamps itself: nobody else sees them.
    takes_timestamps: bool = False


CHRONY = """\
# Serves the time of the host's clock, to anybody.
local stratum 10
allow all
bindaddress 127.0.0.1
# Neither commands nor a file outside of this folder.
cmdport 0
bindcmdaddress /
pidfile {dir}/chronyd.pid
"""

NTPSEC = """\
# Serves the time of the host's clock without a source.
disable ntp
tos orphan 10 orphanwait 0
# To anybody, however often: by default it limits each client.
unrestrict default kod limited
interface ignore wildcard
interface listen 127.0.0.1
"""

OPENNTPD = "listen on 127.0.0.1\n"

# Debian's build drops to the user `ntpd` and keeps its state below /var/lib. The
# mounts are the box's own.
OPENNTPD_SETUP = """
mount --bind passwd /etc/passwd
mount --bind group /etc/group
mount -t tmpfs -o mode=755 tmpfs /var/lib
mkdir -p /var/lib/openntpd/run /var/lib/openntpd/db
"""
OPENNTPD_USERS = {
    "passwd": "root:x:0:0::/root:/bin/sh\nntpd:x:64001:64001::/var/lib/openntpd/run:/bin/false\n",
    "group": "root:x:0:\nntpd:x:64001:\n",
}

NTPD_RS_SETTINGS = """\
[observability]
log-level = "warn"

[synchronization]
local-stratum = 10

[[server]]
listen = "127.0.0.1:123"
"""

TIMEBALL = """\
[sources.wall]
kind = "system"

[[listeners]]
protocol = "ntp"
address = "127.0.0.1:123"
source = "wall"
"""


def servers(root, target, cache):
    """All servers, in the order of the table.

    root: the project; target: the folder of its release build; cache: where the
    programs of others are kept.
    """

    def commit():
        return said(["git", "-C", str(root), "describe", "--always", "--dirty"]).strip()

    def package(name):
        return lambda: (cache / f"{name}.version").read_text().strip()

    floor = str(target / "examples/floor")
    return [
        Server(
            name="timeball",
            title="timeball",
            command=[str(target / "timeball"), "serve", "--settings", "{dir}/settings.toml"],
            files={"settings.toml": TIMEBALL},
            version=commit,
        ),
        Server(
            name="floor-batch",
            title="floor, batches",
            command=[floor, "batch", ADDRESS],
            version=commit,
            note="no server: `benches/floor.rs`, a bare loop of `recvmmsg` and `sendmmsg` "
            "with kernel timestamps",
        ),
        Server(
            name="floor-single",
            title="floor, one by one",
            command=[floor, "single", ADDRESS],
            version=commit,
            note="no server: `benches/floor.rs`, a bare loop of `recvfrom` and `sendto`",
        ),
        Server(
            name="chronyd",
            title="chronyd",
            command=[str(cache / "bin/chronyd"), "-4", "-d", "-x", "-u", "root"]
            + ["-f", "{dir}/chrony.conf"],
            files={"chrony.conf": CHRONY},
            version=package("chronyd"),
            made_by="debian",
            note="without the system call filter that Debian's unit turns on (`-F 1`)",
            takes_timestamps=True,
        ),
        Server(
            name="ntpsec",
            title="NTPsec",
            command=[str(cache / "bin/ntpsec"), "-n", "-c", "{dir}/ntp.conf"]
            + ["-p", "{dir}/ntpd.pid", "-l", "{dir}/ntpd.log"],
            files={"ntp.conf": NTPSEC},
            version=package("ntpsec"),
            made_by="debian",
            note="without its limit on how often a client may ask",
        ),
        Server(
            name="openntpd",
            title="OpenNTPD",
            command=[str(cache / "bin/openntpd"), "-d", "-f", "{dir}/ntpd.conf"]
            + ["-p", "{dir}/ntpd.pid"],
            files={"ntpd.conf": OPENNTPD, **OPENNTPD_USERS},
            setup=OPENNTPD_SETUP,
            version=package("openntpd"),
            made_by="debian",
            note="three processes, counted together; one of them answers",
        ),
        Server(
            name="ntpd-rs",
            title="ntpd-rs",
            command=[str(cache / "ntpd-rs/bin/ntp-daemon"), "-c", "{dir}/ntp.toml"],
            files={"ntp.toml": NTPD_RS_SETTINGS},
            version=lambda: NTPD_RS,
            made_by="ntpd-rs",
        ),
    ]


def obtain(wanted, root, cache):
    """Builds, unpacks and installs what the wanted servers need."""
    ours = ["--bin", "timeball", "--example", "floor", "--example", "accuracy"]
    run(["cargo", "build", "--release", "--locked", *ours], root)
    unpacked = [server.name for server in wanted if server.made_by == "debian"]
    if unpacked:
        run([str(root / ".ci/peers"), str(cache), *unpacked], root)
        if any(lacks_a_library(cache / "bin" / name) for name in unpacked):
            run(["apt-get", "update", "--quiet"], root)
            run(["apt-get", "install", "--yes", "--no-install-recommends", *LIBRARIES], root)
    if any(server.made_by == "ntpd-rs" for server in wanted):
        # Does nothing where that version is there already.
        run(
            ["cargo", "install", "--locked", "--version", NTPD_RS]
            + ["--root", str(cache / "ntpd-rs"), "ntpd"],
            root,
        )


def lacks_a_library(program):
    return "not found" in said(["ldd", str(program)])


def said(command):
    """What a program writes, or nothing where it fails."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout if result.returncode == 0 else ""


def run(command, root):
    """Runs a step, its output on stderr: stdout is for the result."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, cwd=Path(root), env=environment, stdout=2, check=True)
