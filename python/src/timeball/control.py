"""Control of a run over HTTP with JSON: its clocks, faults and verdict.

The same verbs, keys and answers as in ``docs/control.md``. Answers may have grown
by keys that this version does not know; those are left out.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Mapping, Optional, Type, TypeVar, Union

Span = Union[int, float, str, timedelta]
"""A span of time: seconds, or text with a unit such as ``"10ms"`` or ``"2h"``."""

Rate = Union[int, float, str, Fraction]
"""Mock time per host time: ``60``, ``0.5`` or ``"1/3"``."""

T = TypeVar("T")


class ControlError(Exception):
    """Control did not do what it was asked; nothing was changed.

    ``status`` is HTTP's status code (RFC 9110 section 15.5), ``None`` where there
    was no answer. ``key`` and ``accepted`` say, where it is about one, which value
    was wrong and what would be right.
    """

    def __init__(
        self,
        error: str,
        status: Optional[int] = None,
        key: Optional[str] = None,
        accepted: Optional[str] = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.key = key
        self.accepted = accepted


@dataclass(frozen=True)
class ScenarioStatus:
    """The scenario that is played."""

    name: str
    seed: int
    requests: int
    """Requests that have come so far, answered or not."""
    is_over: bool


@dataclass(frozen=True)
class ClockStatus:
    """The clock of an endpoint."""

    name: str
    """The endpoint's."""
    time: str
    """What it shows: RFC 3339 with nanoseconds."""
    base: str
    """What moves it: ``manual``, ``per-request`` or ``wall``."""
    paused: bool
    elapsed_ns: int
    """Nanoseconds of mock time since the start."""
    served: int
    """Requests that it answered."""
    leap_indicator: int
    """0 to 3. RFC 5905 section 7.3."""
    stratum: int
    """Hops from a reference clock; 16 is unsynchronised."""
    rate: Optional[str] = None
    """Seconds of mock time in one of the host's, with the base ``wall``."""
    phase: Optional[str] = None
    """The latest named event that has happened."""


@dataclass(frozen=True)
class ListenerStatus:
    """The socket of an endpoint, and the datagrams that it counted."""

    protocol: str
    address: str
    source: str
    """The endpoint's name."""
    test_time: bool
    received: int
    replied: int
    dropped: int


@dataclass(frozen=True)
class FaultStatus:
    """A fault rule."""

    name: str
    applied: int
    """To how many requests it was applied."""


@dataclass(frozen=True)
class Status:
    """All there is to know of a run at one moment."""

    mode: str
    """``test``: the time is made up."""
    version: str
    clocks: tuple[ClockStatus, ...]
    listeners: tuple[ListenerStatus, ...]
    faults: tuple[FaultStatus, ...]
    """In the order in which they match."""
    scenario: Optional[ScenarioStatus] = None


@dataclass(frozen=True)
class Finding:
    """One expectation, judged."""

    name: str
    what: str
    """What was expected."""
    outcome: str
    """``held``, ``failed`` or ``not-tested``."""
    optional: bool
    """Whether it may go untested."""
    why: str
    """What was seen that says so."""
    record: Optional[int] = None
    """The number of the request at which it first failed."""


@dataclass(frozen=True)
class Verdict:
    """How the client did."""

    passes: bool
    """Every expectation held, or was optional and not tested."""
    expectations: tuple[Finding, ...]
    """In the order of the scenario."""

    def __str__(self) -> str:
        lines = ["PASSED" if self.passes else "FAILED"]
        for finding in self.expectations:
            lines.append(f"{finding.outcome}: {finding.name}: {finding.why}")
            if finding.outcome != "held":
                lines.append(f"    expected: {finding.what}")
        return "\n".join(lines)

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> Verdict:
        """The verdict as control, or ``timeball play --json``, writes it."""
        return cls(answer["passes"], _all_of(Finding, answer["expectations"]))


class Control:
    """Drives a run.

    ``url`` is where it is controlled, ``timeout`` how many seconds an answer may
    take. A clock is named by its endpoint; without a name all clocks are meant.
    Every method raises ``ControlError`` where it was refused or not answered.
    """

    def __init__(
        self, url: str, *, token: Optional[str] = None, timeout: float = 30.0
    ) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout
        self._token = token
        # What is on this host is not asked by way of a proxy.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def status(self) -> Status:
        """How the run and its clocks stand."""
        answer = self._ask("/status")
        scenario = answer.get("scenario")
        return Status(
            mode=answer["mode"],
            version=answer["version"],
            clocks=_all_of(ClockStatus, answer["clocks"]),
            listeners=_all_of(ListenerStatus, answer["listeners"]),
            faults=_all_of(FaultStatus, answer["faults"]),
            scenario=scenario and _of(ScenarioStatus, scenario),
        )

    def verdict(self) -> Verdict:
        """How the client has done so far."""
        return Verdict.from_json(self._ask("/verdict"))

    def pause(self, clock: Optional[str] = None) -> tuple[ClockStatus, ...]:
        """No time elapses until it is resumed."""
        return self._move("/pause", clock)

    def resume(self, clock: Optional[str] = None) -> tuple[ClockStatus, ...]:
        """Time elapses again."""
        return self._move("/resume", clock)

    def advance(self, by: Span, clock: Optional[str] = None) -> tuple[ClockStatus, ...]:
        """Time passes at once, and whatever is due happens. Not below 0."""
        return self._move("/advance", clock, by=_span(by))

    def set(
        self, time: Union[str, datetime], clock: Optional[str] = None
    ) -> tuple[ClockStatus, ...]:
        """The clock shows this time from now on: RFC 3339, or an aware datetime."""
        return self._move("/set", clock, time=_time(time))

    def step(self, by: Span, clock: Optional[str] = None) -> tuple[ClockStatus, ...]:
        """The clock shows more from now on; less, if it is below 0."""
        return self._move("/step", clock, by=_span(by))

    def rate(self, rate: Rate, clock: Optional[str] = None) -> tuple[ClockStatus, ...]:
        """How much time elapses in a second of the host's, on the base ``wall``."""
        return self._move("/rate", clock, rate=digits(rate))

    def next_phase(self, clock: Optional[str] = None) -> Optional[str]:
        """Goes to the next event of the scenario; its name, if it has one."""
        event: Optional[str] = self._ask("/next", _arguments(clock))["event"]
        return event

    def add_fault(self, rule: Mapping[str, Any]) -> tuple[FaultStatus, ...]:
        """Adds a rule before all others: the keys of one ``[[rules]]``."""
        return _all_of(FaultStatus, self._ask("/fault/add", rule)["faults"])

    def remove_fault(self, name: str) -> tuple[FaultStatus, ...]:
        """Removes the rule of this name."""
        answer = self._ask("/fault/remove", {"name": name})
        return _all_of(FaultStatus, answer["faults"])

    def _move(
        self, path: str, clock: Optional[str], **arguments: str
    ) -> tuple[ClockStatus, ...]:
        answer = self._ask(path, _arguments(clock, **arguments))
        return _all_of(ClockStatus, answer["clocks"])

    def _ask(self, path: str, body: Optional[Mapping[str, Any]] = None) -> Any:
        """The answer at ``path``; with a body it is asked by POST."""
        request = urllib.request.Request(self.url + path)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self._token is not None:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=self.timeout) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ControlError(f"{self.url}{path}: {error}") from error


def _refusal(error: urllib.error.HTTPError) -> ControlError:
    text = error.read().decode(errors="replace")
    try:
        answer = json.loads(text)
        said = answer["error"]
    except (ValueError, KeyError, TypeError):
        return ControlError(f"{error.code} {error.reason}: {text}", error.code)
    return ControlError(said, error.code, answer.get("key"), answer.get("accepted"))


def _of(kind: Type[T], answer: Mapping[str, Any]) -> T:
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in answer.items() if name in names})


def _all_of(kind: Type[T], answers: list[Mapping[str, Any]]) -> tuple[T, ...]:
    return tuple(_of(kind, answer) for answer in answers)


def _arguments(clock: Optional[str], **arguments: str) -> dict[str, str]:
    return arguments if clock is None else {"clock": clock, **arguments}


def digits(number: Union[int, float, str, Fraction]) -> str:
    """The number as the program reads one: exactly, and without an exponent."""
    if isinstance(number, float):
        return format(Decimal(repr(number)), "f")
    return str(number)


def _span(span: Span) -> str:
    if isinstance(span, timedelta):
        return f"{span // timedelta(microseconds=1)}us"
    return digits(span)


def _time(time: Union[str, datetime]) -> str:
    if isinstance(time, str):
        return time
    if time.utcoffset() is None:
        raise ValueError(f"time = {time!r}: without a time zone; accepted: an aware datetime")
    return time.isoformat()
