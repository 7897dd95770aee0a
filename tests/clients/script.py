"""A built-in scenario, as far as a trial has to know it: who is right, and when what
happens."""

import re
import tomllib
from datetime import datetime

from box import SERVERS

# Whose clock is right, where that is not the first endpoint's.
RIGHT = {"dead-and-live": "live"}
# Endpoints that disagree: a client that asks one only cannot tell.
VOTES = {
    "falseticker", "gps-week-2019", "leap-one-of-four", "majority-false", "smear-one-of-four",
    "usno-2012",
}
RIGHT |= {"usno-2012": "other-1"}
# Nobody has to follow: a majority that lies, two of four, a server that asks to be left
# alone, one that falls back by 1024 weeks.
REFUSAL = {"gps-week-2038", "kod-deny", "majority-false", "usno-2012"}
# By how much the network makes every client wrong, in s: `timeball play` prints it.
UNAVOIDABLE = {"asymmetric-delay": 0.030}
# What is asked after a change; a leap second lasts for one.
AFTER_S = 1.0
# No trial waits longer for a change.
LONGEST_S = 180.0

_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def span(value):
    """A span of time of a scenario, in s."""
    if not isinstance(value, str):
        return float(value)
    number, unit = re.fullmatch(r"(-?[\d.]+)\s*([a-z]+)", value).groups()
    return float(number) * _UNITS["w" if unit == "weeks" else unit]


class Script:
    def __init__(self, file):
        self.name = file.stem
        self.text = file.read_text(encoding="utf-8")
        self._parsed = tomllib.loads(self.text)
        self.title = self._parsed["description"]
        endpoints = self._parsed.get("endpoints", [{}])
        self._endpoints = endpoints
        # Names and addresses of those that serve NTP.
        self.servers = {}
        for endpoint, address in zip(endpoints, SERVERS):
            protocol = endpoint.get("protocol", "ntp")
            if protocol == "ntp":
                self.servers[endpoint.get("name", protocol)] = address

    @property
    def right(self):
        """The name of an endpoint whose clock is right."""
        return RIGHT.get(self.name) or next(iter(self.servers))

    @property
    def is_vote(self):
        return self.name in VOTES

    @property
    def may_refuse(self):
        return self.name in REFUSAL

    @property
    def unavoidable_s(self):
        return UNAVOIDABLE.get(self.name, 0.0)

    @property
    def kisses(self):
        """Whether a client is asked to slow down."""
        return any("kiss" in rule for rule in self._parsed.get("rules", []))

    @property
    def judges_requests(self):
        """Whether nothing happens but that requests are looked at."""
        return not self._parsed.get("rules") and any(
            "transmit_timestamps" in expect for expect in self._parsed["expect"]
        )

    def clocks(self):
        """The names of its clocks: endpoints that have none of their own share one."""
        own, shared = [], []
        for endpoint in self._endpoints:
            name = endpoint.get("name", endpoint.get("protocol", "ntp"))
            (own if "clock" in endpoint else shared).append(name)
        return own + shared[:1]

    def at_standard_port(self):
        """The text, with each endpoint at an address of its own."""
        addresses = iter(SERVERS)
        text = self.text if "endpoints" in self._parsed else f"{self.text}\n[[endpoints]]\n"
        return re.sub(
            r"^\[\[endpoints\]\]$",
            lambda found: f'{found[0]}\naddress = "{next(addresses)}:123"',
            text,
            flags=re.MULTILINE,
        )

    def changes_s(self):
        """When something changes, by what has elapsed then, in s; in order."""
        found = set()
        start = _seconds(self._parsed.get("time", {}).get("start", "2030-01-01T00:00:00Z"))
        clocks = [each.get("clock", {}) for each in [self._parsed, *self._endpoints]]
        for event in (event for clock in clocks for event in clock.get("events", [])):
            if "elapsed" in event:
                found.add(span(event["elapsed"]))
            if "at" in event:
                found.add(_seconds(event["at"]) - start)
            if "leap" in event:
                leap = event["leap"]
                midnight = _seconds(leap["at"]) - start
                # An inserted second passes by then.
                found.add(midnight + 1)
                if leap.get("cleared", "at-once") not in ("at-once", "never"):
                    found.add(midnight + span(leap["cleared"]))
        for rule in self._parsed.get("rules", []):
            found |= {span(value) for value in rule.get("during", {}).values()}
        # A rollover is no event, and is over by then.
        found |= {span(expect.get("until", 0)) for expect in self._parsed["expect"]}
        return sorted(change for change in found if change > 0)

    def last_change_s(self):
        """When the last change is that a client has to live through, in s."""
        found = [0.0, *self.changes_s()]
        for rule in self._parsed.get("rules", []):
            found.append(span(rule.get("blackhole", 0)))
            found.append(span(rule.get("kiss", {}).get("pardon", 0)))
        for expect in self._parsed["expect"]:
            found.append(span(expect.get("silence", {}).get("lasting", 0)))
        return max(change for change in found if change <= LONGEST_S)


def _seconds(time):
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    return time.timestamp()
