"""The fixture, in tests of its own."""

from __future__ import annotations

import os


HEAD = f"""
import os, sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from clients import MANNERS, bad_client, good_client
"""


def outcome(pytester, text):
    """How a file with these tests does."""
    pytester.makepyfile(HEAD + text)
    return pytester.runpytest("-p", "timeball.pytest_plugin")


def test_a_verdict_is_asserted_at_the_end_on_demand(pytester):
    result = outcome(
        pytester,
        """
def test_good(timeball_run):
    good_client(timeball_run(MANNERS, assert_verdict=True))

def test_bad(timeball_run):
    bad_client(timeball_run(MANNERS, assert_verdict=True))

def test_not_asked(timeball_run):
    bad_client(timeball_run(MANNERS))
""",
    )
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_bad*", "*FAILED*"])


def test_every_run_ends_with_its_test(pytester):
    result = outcome(
        pytester,
        """
import pytest

pids = []

def test_fails(timeball_run):
    pids.append(timeball_run(MANNERS, assert_verdict=True).pid)
    pids.append(timeball_run(MANNERS, assert_verdict=True).pid)
    raise AssertionError("not the verdict")

def test_none_is_left():
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
""",
    )
    result.assert_outcomes(passed=1, failed=1, errors=1)
