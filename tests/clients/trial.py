"""One client against one scenario, inside a box."""

import calendar
import re
import time
from pathlib import Path

from box import assert_no_clock
from clients import Daemon
from judge import Outcome, exchanges, judge
from script import AFTER_S
from timeball import Run

# Of several looks at the server's clock the quickest counts, or the first quick one.
_LOOKS = 20
_QUICK_NS = 2_000_000
_POLL_S = 0.5
# By how much a client that has no time yet is waited for longer, and how long in all.
_MORE_S = 20.0
_PATIENCE_S = 120.0
# The longest interval of a client that is asked to slow down, as a power of two of seconds.
SLOW = 7
# One that slowed down is looked at no sooner, in s.
SLOW_UNTIL_S = 200.0
# More than any client asks: a run ends with its trial.
_REQUESTS = 1_000_000


class Trial:
    """The served scenario and what is right in it."""

    def __init__(self, script, directory, binary):
        assert_no_clock()
        self.script = script
        self.directory = Path(directory)
        # The box is a network of its own, so the standard port is no risk in it.
        self.run = Run(
            script.at_standard_port(), binary=binary, requests=_REQUESTS, listen=None,
            serve_test_time=True, directory=self.directory / "run",
        )

    def right_s(self, name):
        """By how much the server's clock is ahead of the host's, in s."""
        looks = []
        while len(looks) < _LOOKS and (not looks or min(looks)[0] > _QUICK_NS):
            before_ns = time.time_ns()
            status = self.run.control.status()
            after_ns = time.time_ns()
            clocks = {clock.name: clock for clock in status.clocks}
            shown_ns = _nanoseconds(clocks.get(name, status.clocks[0]).time)
            looks.append((after_ns - before_ns, shown_ns - (before_ns + after_ns) // 2))
        return min(looks)[1] * 1e-9

    def go_to(self, elapsed_s):
        """Lets time pass at once, until so much has elapsed; for all clocks the same."""
        by_s = elapsed_s - self.run.control.status().clocks[0].elapsed_ns * 1e-9
        if by_s > 0:
            for clock in self.script.clocks():
                self.run.control.advance(round(by_s, 6), clock=clock)

    def records(self):
        return self.run.records()

    def of(self, client):
        """The outcome for this client."""
        if isinstance(client, Daemon):
            return self._of_daemon(client)
        servers = self.script.servers
        if client.votes or len(servers) == 1:
            return self._of_asking(client, self.script.right, servers)
        each = [self.script.right] if self.script.right != next(iter(servers)) else servers
        for name in each:
            outcome = self._of_asking(client, name, {name: servers[name]})
            if not outcome.passes:
                return outcome
        return outcome

    def _of_asking(self, client, name, servers):
        """Asks at the start and after each change."""
        tries = client.tries * (4 if self.script.judges_requests else 1)
        for change_s in [None, *self.script.changes_s()]:
            if change_s is not None:
                self.go_to(change_s + AFTER_S)
            for _ in range(tries):
                outcome = self._of_answer(client, name, servers)
                if not outcome.passes:
                    when = f"{change_s + AFTER_S:g} s after the start" if change_s else "at the start"
                    several = bool(self.script.changes_s())
                    why = f"{outcome.why}, {when}" if several else outcome.why
                    return Outcome(False, why, outcome.is_doubtful)
        return self._of_verdict() if self.script.judges_requests else outcome

    def _of_answer(self, client, name, servers):
        seen = len(self.records())
        # The clock does not run before the first request.
        before = [self.right_s(name)] if seen else []
        offset_s = client.ask(list(servers.values()), self.directory)
        right = [*before, self.right_s(name)]
        records = self.records()[seen:]
        judged = [name] if self.script.name == "dead-and-live" else servers
        return judge(self.script, offset_s, right, exchanges(records, judged))

    def _of_daemon(self, client):
        """Lets it live through the scenario; then it has to be right."""
        script, name = self.script, self.script.right
        until_s = script.last_change_s() + client.settles_s
        if script.kisses:
            until_s = max(until_s, SLOW_UNTIL_S)
        latest_s = until_s + (0.0 if script.may_refuse else _PATIENCE_S)
        process = client.start(
            list(script.servers.values()), self.directory, SLOW if script.kisses else client.quick
        )
        earlier = []
        began = time.monotonic()
        while (lasted_s := time.monotonic() - began) < until_s:
            if process.poll() is not None:
                return Outcome(False, f"ended: {self._last_words()}")
            if script.may_refuse and self.records():
                earlier.append(self.right_s(name))
            time.sleep(_POLL_S)
            if lasted_s + 2 * _POLL_S > until_s and client.offset(self.directory) is None:
                # Few replies are good: it may wait for more of them, and then settle.
                until_s = min(until_s + _MORE_S, latest_s)
        offset_s = client.offset(self.directory)
        right = [self.right_s(name)]
        # As long as it runs, its clock may be looked at; its requests are judged then.
        flaws = exchanges(self.records(), script.servers)
        process.kill()
        process.wait()
        if offset_s is None and not script.may_refuse:
            good = sum(not flaw for flaw in flaws)
            return Outcome(False, f"no time after {until_s:.0f} s and {good} good replies")
        outcome = judge(script, offset_s, right, flaws)
        if script.may_refuse and not outcome.passes:
            # One that does not follow keeps the time that it had.
            kept = any(judge(script, offset_s, [one], flaws).passes for one in earlier)
            outcome = Outcome(True, "refused") if kept else outcome
        return self._of_verdict() if outcome.passes else outcome

    def _of_verdict(self):
        """What the wire shows of its manners."""
        failed = [each for each in self.run.finish().expectations if each.outcome == "failed"]
        return Outcome(not failed, "; ".join(f"not so: {each.name}" for each in failed))

    def _last_words(self):
        lines = (self.directory / "client.log").read_text(errors="replace").splitlines()
        last = re.sub(r"\x1b\[[0-9;]*m", "", lines[-1]) if lines else "without a word"
        return re.sub(r"^\S+Z\s+", "", last)


def _nanoseconds(text):
    """Nanoseconds since 1970 of a time as control tells it."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    whole = calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S"))
    return whole * 10**9 + int(fraction.ljust(9, "0"))
