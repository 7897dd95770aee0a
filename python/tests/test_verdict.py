"""A good client passes, a bad one does not."""

from __future__ import annotations

import pytest
from clients import MANNERS, bad_client, good_client


def test_a_good_client_passes(timeball_run):
    run = timeball_run(MANNERS)
    good_client(run)
    verdict = run.assert_verdict()
    assert verdict.passes
    assert [finding.outcome for finding in verdict.expectations] == ["held"] * 3


def test_a_bad_client_fails_every_expectation(timeball_run):
    run = timeball_run(MANNERS)
    bad_client(run)
    assert not run.control.verdict().passes, "it is known before the end"
    with pytest.raises(AssertionError, match="failed: stops when it is denied") as raised:
        run.assert_verdict()
    assert str(run.transcript) in str(raised.value)
    verdict = run.finish()
    assert not verdict.passes
    assert [finding.outcome for finding in verdict.expectations] == ["failed"] * 3


def test_what_was_not_seen_is_not_tested(timeball_run):
    verdict = timeball_run(MANNERS).finish()
    assert not verdict.passes
    outcomes = [finding.outcome for finding in verdict.expectations]
    assert outcomes[0] == "not-tested"
