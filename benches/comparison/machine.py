"""What the machine is, for the reader of the figures."""

import os
import platform
from pathlib import Path

BUSY_LOAD = 0.5


def describe():
    """The machine as names and values."""
    processors = Path("/proc/cpuinfo").read_text().split("\n\n")
    first = dict(
        (part.strip() for part in line.split(":", 1))
        for line in processors[0].splitlines()
        if ":" in line
    )
    virtual = "hypervisor" in first.get("flags", "").split()
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    return {
        "CPU": first.get("model name", platform.machine()),
        "CPUs": f"{os.cpu_count()}" + (", of a virtual machine" if virtual else ""),
        "kernel": f"Linux {platform.release()}, {platform.machine()}",
        "system": system,
        "clock source": read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "load before": f"{os.getloadavg()[0]:.2f} (average of a minute)",
    }


def is_busy():
    return os.getloadavg()[0] > BUSY_LOAD


def read(path):
    try:
        return Path(path).read_text().strip()
    except OSError:
        return "unknown"
