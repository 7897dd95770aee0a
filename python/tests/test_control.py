"""Every verb of control, and what it does on the wire."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from fractions import Fraction

import pytest
from clients import ask, reference_id, transmit_seconds
from timeball import Control, ControlError

START = datetime(2016, 12, 31, 23, 59, 50, tzinfo=timezone.utc)
NTP_EPOCH = datetime(1900, 1, 1, tzinfo=timezone.utc)
STARTS_AT = (START - NTP_EPOCH) // timedelta(seconds=1)

MANUAL = """
name = "by-hand"
description = "A clock that moves when it is told"

[time]
base = "manual"
start = "2016-12-31T23:59:50Z"

[[clock.events]]
name = "jump"
elapsed = "10s"
step = "1h"
"""

WALL = """
name = "wall"
description = "A clock on the host's"
time.base = "wall"
time.start = "2016-12-31T23:59:50Z"
"""

PAIR = """
name = "pair"
description = "Two clocks"
time.base = "manual"

[[endpoints]]
name = "one"
protocol = "ntp"

[endpoints.clock]
stratum = 1

[[endpoints]]
name = "two"
protocol = "ntp"

[endpoints.clock]
stratum = 2
"""


def test_the_status_tells_all(timeball_run):
    run = timeball_run(MANUAL)
    ask(run)
    status = run.control.status()
    assert status.mode == "test"
    assert status.scenario.name == "by-hand"
    assert status.scenario.requests == 1
    assert not status.scenario.is_over
    (clock,) = status.clocks
    assert clock.time == "2016-12-31T23:59:50.000000000Z"
    assert (clock.base, clock.elapsed_ns, clock.served) == ("manual", 0, 1)
    (listener,) = status.listeners
    assert listener.address == "{}:{}".format(*run.address)
    assert listener.test_time
    assert status.faults == ()


def test_time_advances_and_what_is_due_happens(timeball_run):
    run = timeball_run(MANUAL)
    run.control.advance(9)
    assert transmit_seconds(ask(run)) == STARTS_AT + 9
    (clock,) = run.control.advance("1s")
    assert clock.phase == "jump"
    assert transmit_seconds(ask(run)) == STARTS_AT + 10 + 3600


def test_the_clock_is_set_and_stepped(timeball_run):
    run = timeball_run(MANUAL)
    run.control.set("2036-02-07T06:28:16Z")
    assert transmit_seconds(ask(run)) == 0, "the first second of the next era"
    run.control.set(START)
    run.control.step(-1)
    assert transmit_seconds(ask(run)) == STARTS_AT - 1
    run.control.step(timedelta(minutes=1, microseconds=1))
    (clock,) = run.control.step(1e-9)
    assert clock.time == "2017-01-01T00:00:49.000001001Z"


def test_the_next_event_is_gone_to(timeball_run):
    run = timeball_run(MANUAL)
    assert run.control.next_phase() == "jump"
    assert transmit_seconds(ask(run)) == STARTS_AT + 10 + 3600
    with pytest.raises(ControlError, match="no event") as refused:
        run.control.next_phase()
    assert refused.value.status == 409


def test_a_clock_on_the_wall_is_paused_resumed_and_rated(timeball_run):
    run = timeball_run(WALL)
    (paused,) = run.control.pause()
    assert paused.paused
    assert run.control.status().clocks == (paused,), "no time elapses"
    ask(run)
    (resumed,) = run.control.resume()
    assert not resumed.paused
    for rate, told in [(60, "60"), (0.5, "1/2"), ("1/3", "1/3"), (Fraction(2, 3), "2/3")]:
        (clock,) = run.control.rate(rate)
        assert clock.rate == told
    assert run.control.status().clocks[0].elapsed_ns > paused.elapsed_ns


def test_one_clock_is_moved_or_all(timeball_run):
    run = timeball_run(PAIR)
    run.control.set(START)
    run.control.step(1, clock="two")
    shown = [it.time for it in run.control.status().clocks]
    assert shown == ["2016-12-31T23:59:50.000000000Z", "2016-12-31T23:59:51.000000000Z"]


def test_faults_come_and_go(timeball_run):
    run = timeball_run(MANUAL)
    (fault,) = run.control.add_fault({"name": "deny", "kiss": {"code": "DENY"}})
    assert (fault.name, fault.applied) == ("deny", 0)
    assert reference_id(ask(run)) == b"DENY"
    (fault,) = run.control.status().faults
    assert fault.applied == 1
    added = run.control.add_fault({"name": "lost", "lose": {"reply": {"every": 2}}})
    assert [fault.name for fault in added] == ["lost", "deny"], "it goes before the others"
    run.control.remove_fault("lost")
    assert run.control.remove_fault("deny") == ()
    assert reference_id(ask(run)) == b"XTST"


def test_a_refusal_says_what_is_accepted(timeball_run):
    control = timeball_run(PAIR).control
    with pytest.raises(ControlError) as refused:
        control.pause(clock="three")
    error = refused.value
    assert (error.status, error.key) == (404, "clock")
    assert "one" in error.accepted and "two" in error.accepted
    for ask_wrongly, status in [
        (lambda: control.advance(-1), 422),
        (lambda: control.set("noon"), 422),
        (lambda: control.rate(2), 409),
        (lambda: control.add_fault({"kis": {"code": "DENY"}}), 422),
        (lambda: control.remove_fault("absent"), 404),
    ]:
        with pytest.raises(ControlError) as refused:
            ask_wrongly()
        assert refused.value.status == status, refused.value
    with pytest.raises(ValueError, match="without a time zone"):
        control.set(datetime(2030, 1, 1))


def test_control_that_is_gone_is_an_error(timeball_run):
    run = timeball_run(MANUAL)
    run.finish()
    with pytest.raises(ControlError) as refused:
        run.control.status()
    assert refused.value.status is None


def test_no_proxy_is_asked(timeball_run, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    run = timeball_run(MANUAL)
    assert run.control.status().mode == "test"
    assert Control(run.control.url + "/").status().mode == "test"


def test_the_token_of_the_environment_is_shown(timeball_run, monkeypatch):
    monkeypatch.setenv("TIMEBALL_CONTROL_TOKEN", "0123456789abcdef")
    run = timeball_run(MANUAL)
    assert run.control.status().mode == "test"
    with pytest.raises(ControlError) as refused:
        Control(run.control.url).status()
    assert refused.value.status == 401


def test_a_run_that_control_changed_tells_its_datagrams_and_replays(timeball_run):
    run = timeball_run(MANUAL)
    ask(run)
    run.control.advance(9)
    run.control.add_fault({"name": "deny", "kiss": {"code": "DENY"}})
    ask(run)
    run.finish()
    assert [record.direction for record in run.records()] == ["in", "out", "in", "out"]
    lines = run.transcript.read_text(encoding="utf-8").splitlines()
    changes = [json.loads(line) for line in lines if line.startswith('{"control"')]
    assert [change["control"] for change in changes] == ["advance", "fault add"]
