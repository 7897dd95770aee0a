"""A run: how it starts, what it tells, and that it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from clients import MANNERS, ask, reference_id
from timeball import Run, RunError, find_binary

POOL = """
name = "pool"
description = "Three endpoints"
time.base = "manual"
time.start = "2030-01-01T00:00:00Z"

[[endpoints]]
name = "one"
protocol = "ntp"

[[endpoints]]
name = "two"
protocol = "daytime"
address = "127.0.0.1:13"

[[endpoints]]
name = "three"
protocol = "ntp"
address = "[::1]:123"
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def program(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "program"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_every_endpoint_has_a_name_and_a_port_of_its_own(timeball_run):
    run = timeball_run(POOL)
    told = [(it.name, it.protocol, it.host) for it in run.endpoints]
    assert told == [
        ("one", "ntp", "127.0.0.1"),
        ("two", "daytime", "127.0.0.1"),
        ("three", "ntp", "::1"),
    ]
    assert len({it.port for it in run.endpoints} - {0, 13, 123}) == 3, "whatever the scenario says"
    assert run.endpoint("two") is run.endpoints[1]
    assert run.address == run.endpoint("one").address
    with pytest.raises(KeyError, match="there are: one, two, three"):
        run.endpoint("four")


def test_a_scenario_is_a_built_in_one_a_file_or_text(timeball_run, tmp_path):
    file = tmp_path / "pool.toml"
    file.write_text(POOL)
    for scenario, name in [("leap-2016", "leap-2016"), (file, "pool"), (POOL, "pool")]:
        assert timeball_run(scenario).control.status().scenario.name == name


def test_options_override_the_scenario(timeball_run):
    run = timeball_run("leap-2016", seed=7, rate="1/2", requests=3)
    status = run.control.status()
    assert status.scenario.seed == 7
    assert status.clocks[0].rate == "1/2"
    for _ in range(3):
        ask(run)
    run.wait()
    run.wait_for_requests(3)
    assert len(run.records()) == 6


def test_endpoints_may_stay_where_the_scenario_has_them(timeball_run):
    scenario = POOL.replace('"one"', '"one"\naddress = "127.77.0.1:0"')
    scenario = scenario.replace("127.0.0.1:13", "127.77.0.2:0").replace("[::1]:123", "[::1]:0")
    run = timeball_run(scenario, listen=None)
    assert [each.host for each in run.endpoints] == ["127.77.0.1", "127.77.0.2", "::1"]


def test_beyond_private_addresses_it_serves_only_if_told_so(timeball_run):
    with pytest.raises(RunError, match="--serve-test-time"):
        Run("leap-2016", listen="0.0.0.0:0")
    run = timeball_run("leap-2016", listen="0.0.0.0:0", serve_test_time=True)
    assert run.endpoints[0].host == "0.0.0.0"


def test_the_transcript_has_every_datagram(timeball_run):
    run = timeball_run(MANNERS)
    replies = [ask(run) for _ in range(8)]
    run.finish()
    records = run.records()
    assert [it.direction for it in records] == ["in", "out"] * 8
    assert [it.octets for it in records[1::2]] == replies
    assert [it.number for it in records[::2]] == list(range(1, 9))
    assert records[1].fields["reference_id"] == "XTST"
    assert records[1].rules == ()
    assert records[15].rules == ("deny",)
    assert reference_id(records[15].octets) == b"DENY"


def test_a_transcript_replays(timeball_run):
    run = timeball_run(MANNERS)
    ask(run)
    run.finish()
    replay = [str(find_binary()), "replay", str(run.transcript)]
    subprocess.run(replay, check=True, timeout=60, stdout=subprocess.DEVNULL)


def test_requests_are_waited_for_up_to_a_deadline(timeball_run):
    run = timeball_run(MANNERS)
    ask(run)
    run.wait_for_requests(1)
    with pytest.raises(TimeoutError, match="1 of 2 requests came"):
        run.wait_for_requests(2, timeout=0.05)


def test_a_run_ends_by_itself_after_its_duration(timeball_run):
    assert timeball_run(POOL, duration=0.05).wait().passes


def test_the_end_of_a_run_is_waited_for_up_to_a_deadline(timeball_run):
    with pytest.raises(TimeoutError, match="goes on"):
        timeball_run(POOL).wait(timeout=0.05)


def test_a_finished_run_keeps_its_verdict(timeball_run):
    run = timeball_run(POOL)
    assert run.finish() is run.finish()
    assert not is_alive(run.pid)


def test_no_process_is_left_after_the_block():
    with pytest.raises(ZeroDivisionError), Run(POOL) as run:
        1 / 0
    assert not is_alive(run.pid)
    assert not run.directory.exists()


def test_no_process_is_left_when_python_ends():
    script = f"import timeball; run = timeball.Run('''{POOL}'''); print(run.pid)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        check=True,
        timeout=60,
        stdout=subprocess.PIPE,
    )
    assert not is_alive(int(done.stdout))


@pytest.mark.parametrize(
    "text", ["exec sleep 600", "trap '' TERM; while :; do sleep 0.1; done"]
)
def test_a_program_that_binds_nothing_is_ended_at_the_deadline(tmp_path, text):
    binary = program(tmp_path, f"echo $$ >{tmp_path}/pid\n{text}")
    with pytest.raises(RunError, match="nothing was bound within 1.0 s"):
        Run(POOL, binary=binary, timeout=1.0)
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_what_is_wrong_with_a_scenario_is_told():
    with pytest.raises(RunError, match=r"scenario.toml:4: sede: unknown key"):
        Run("name = 'x'\ndescription = 'x'\n\nsede = 1\n")
    with pytest.raises(RunError, match="leap-2061"):
        Run("leap-2061")


def test_a_program_that_ends_without_a_verdict_is_told(timeball_run):
    run = timeball_run(POOL)
    (run.directory / "stdout").write_text("")
    os.kill(run.pid, 9)
    with pytest.raises(RunError, match="timeball ended with -9"):
        run.wait()


def test_the_program_is_named_or_found_in_path(monkeypatch, tmp_path):
    binary = program(tmp_path, "exit 1").rename(tmp_path / "timeball")
    monkeypatch.delenv("TIMEBALL_BINARY", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binary() == binary
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("TIMEBALL_BINARY", str(binary))
    assert find_binary() == binary
    monkeypatch.setenv("TIMEBALL_BINARY", str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match="TIMEBALL_BINARY"):
        find_binary()


def test_the_program_is_found_in_the_checkout_of_the_current_directory(monkeypatch, tmp_path):
    # As installed: this file stands in no checkout.
    monkeypatch.setattr("timeball.run.__file__", str(tmp_path / "venv/timeball/run.py"))
    monkeypatch.delenv("TIMEBALL_BINARY", raising=False)
    monkeypatch.setenv("PATH", "")
    checkout = tmp_path / "checkout"
    for folder in (checkout / "python", checkout / "target/debug", tmp_path / "other"):
        folder.mkdir(parents=True)
    binary = program(tmp_path, "exit 1").rename(checkout / "target/debug/timeball")
    (checkout / "Cargo.toml").write_text('[package]\nname = "timeball"\n')
    for folder in (checkout, checkout / "python"):
        monkeypatch.chdir(folder)
        assert find_binary() == binary
    monkeypatch.chdir(tmp_path / "other")
    with pytest.raises(FileNotFoundError, match="cargo build"):
        find_binary()
