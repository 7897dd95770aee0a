"""A run of a scenario: the ``timeball play`` process, from its start to its verdict."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Union

from .control import Control, Rate, Verdict, digits

DEADLINE_S = 30.0
"""How many seconds a start or an end may take, and an answer of control."""

_POLL_S = 0.01


class RunError(Exception):
    """The program could not be started, or did not come to a verdict."""


@dataclass(frozen=True)
class Endpoint:
    """Where a protocol of the scenario is served."""

    name: str
    protocol: str
    """``ntp``, ``text``, ``daytime`` or ``time``."""
    host: str
    port: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, as sockets take them."""
        return (self.host, self.port)


@dataclass(frozen=True)
class Record:
    """A datagram of the transcript."""

    direction: str
    """``in``: what the client sent; ``out``: what left for it, after all rules;
    ``upstream``: what the upstream server of the endpoint answered, before them;
    ``unsent``: a reply that did not leave, because it could not or the run was over."""
    number: int
    """Which request it is, or answers; counted from 1 over all endpoints."""
    at: float
    """Seconds of host time since the run began."""
    elapsed: float
    """Seconds of mock time since the run began."""
    time: str
    """Mock time, before any event of the clock bends it; RFC 3339."""
    endpoint: str
    protocol: str
    peer: str
    local: str
    octets: bytes
    fields: Mapping[str, Any]
    """What the octets say."""
    rules: tuple[str, ...]
    """The rules that matched the request, or acted on the reply."""


class Run:
    """A scenario that is served, as long as the ``with`` block lasts.

    ``scenario`` is the name of a built-in one, a file, or the text of one (which
    has more than one line). Unless told otherwise, every socket is bound to a port that
    the kernel chooses.

    - ``seed``, ``rate``, ``requests``: override those of the scenario.
    - ``duration``: seconds of host time after which the run ends by itself, so that
      it does so where this process is killed. Overrides the scenario's.
    - ``listen``: the address of the first endpoint, the others following on free
      ports; with ``None`` each is where the scenario has it.
    - ``serve_test_time``: lets it serve on port 123, and beyond the loopback and
      private addresses, where whoever asks may take the time for real.
    - ``directory``: where the transcript and the program's output are kept; without
      it they are gone at the end.
    - ``binary``: the program; without it, see ``find_binary``.
    - ``timeout``: how many seconds a start, an answer or an end may take.
    """

    endpoints: tuple[Endpoint, ...]
    """In the order of the scenario."""
    control: Control
    """What drives the run while it goes on."""

    def __init__(
        self,
        scenario: Union[str, os.PathLike[str]],
        *,
        seed: Optional[int] = None,
        rate: Optional[Rate] = None,
        requests: Optional[int] = None,
        duration: float = 600.0,
        listen: Optional[str] = "127.0.0.1:0",
        serve_test_time: bool = False,
        directory: Union[str, os.PathLike[str], None] = None,
        binary: Union[str, os.PathLike[str], None] = None,
        timeout: float = DEADLINE_S,
    ) -> None:
        program = find_binary() if binary is None else Path(binary)
        temporary = None
        if directory is None:
            temporary = tempfile.TemporaryDirectory(prefix="timeball-")
            directory = temporary.name
        self.directory = Path(directory)
        self.timeout = timeout
        self.transcript = self.directory / "transcript.jsonl"
        """The file for ``timeball replay``."""
        self._verdict: Optional[Verdict] = None

        self.directory.mkdir(parents=True, exist_ok=True)
        ports = self.directory / "ports.json"
        # Those of an earlier run in this folder would be taken for this one's.
        ports.unlink(missing_ok=True)
        command = [str(program), "play", self._named(scenario), "--json"]
        command += ["--control", "127.0.0.1:0"]
        if listen is not None:
            command += ["--listen", listen]
        if serve_test_time:
            command.append("--serve-test-time")
        command += ["--ports-file", str(ports), "--transcript", str(self.transcript)]
        command += ["--duration", digits(float(duration))]
        if seed is not None:
            command += ["--seed", str(seed)]
        if rate is not None:
            command += ["--rate", digits(rate)]
        if requests is not None:
            command += ["--requests", str(requests)]
        with open(self._stdout, "wb") as stdout, open(self._stderr, "wb") as stderr:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
            )
        # Also called when this object is forgotten, and when Python ends.
        self._close = weakref.finalize(self, _reap, self._process, timeout, temporary)
        try:
            bound = self._wait_for_ports(ports)
        except BaseException:
            self.close()
            raise
        self.endpoints = tuple(map(_endpoint, bound["listeners"]))
        # The program asks for it where the variable is set, which it has inherited.
        token = os.environ.get("TIMEBALL_CONTROL_TOKEN")
        self.control = Control(bound["control"]["url"], token=token, timeout=timeout)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the first endpoint."""
        return self.endpoints[0].address

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of this name; ``KeyError`` if there is none."""
        for endpoint in self.endpoints:
            if endpoint.name == name:
                return endpoint
        names = ", ".join(endpoint.name for endpoint in self.endpoints)
        raise KeyError(f"no endpoint {name!r}; there are: {names}")

    def records(self) -> tuple[Record, ...]:
        """The datagrams so far. While the run goes on, the reply that a client just
        got may not be among them yet. What control changed has lines of its own in the
        transcript, which are none."""
        lines = self.transcript.read_text(encoding="utf-8").split("\n")
        # The first says what was run; the last is empty, or not yet whole.
        entries = (json.loads(line) for line in lines[1:-1])
        return tuple(_record(entry) for entry in entries if "direction" in entry)

    def wait_for_requests(self, count: int, timeout: Optional[float] = None) -> None:
        """Waits until so many requests have come; ``TimeoutError`` after ``timeout``
        seconds."""
        timeout = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + timeout
        while True:
            # Not asked of control, which is gone where these were the last ones.
            requests = sum(record.direction == "in" for record in self.records())
            if requests >= count:
                return
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{requests} of {count} requests came in {timeout} s")
            time.sleep(_POLL_S)

    def wait(self, timeout: Optional[float] = None) -> Verdict:
        """Waits until the run ends by itself; ``TimeoutError`` after ``timeout``
        seconds."""
        timeout = self.timeout if timeout is None else timeout
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the run goes on after {timeout} s") from None
        return self.finish()

    def finish(self) -> Verdict:
        """Ends the run, if it has not ended, and returns its verdict."""
        if self._verdict is None:
            _stop(self._process, self.timeout)
            self._verdict = self._read_verdict()
        return self._verdict

    def assert_verdict(self) -> Verdict:
        """Ends the run; ``AssertionError`` unless the verdict passes."""
        __tracebackhide__ = True
        verdict = self.finish()
        if not verdict.passes:
            raise AssertionError(f"{verdict}\ntranscript: {self.transcript}")
        return verdict

    def close(self) -> None:
        """Ends the process, whatever it does. The verdict is not looked at."""
        self._close()

    @property
    def _stdout(self) -> Path:
        return self.directory / "stdout"

    @property
    def _stderr(self) -> Path:
        return self.directory / "stderr"

    def _named(self, scenario: Union[str, os.PathLike[str]]) -> str:
        """What the command line calls the scenario."""
        if isinstance(scenario, str) and "\n" in scenario:
            file = self.directory / "scenario.toml"
            file.write_text(scenario, encoding="utf-8")
            return str(file)
        return os.fspath(scenario)

    def _wait_for_ports(self, ports: Path) -> Mapping[str, Any]:
        deadline = time.monotonic() + self.timeout
        # The program moves the file here when it is whole.
        while not ports.exists():
            if self._process.poll() is not None and not ports.exists():
                raise self._failed()
            if time.monotonic() >= deadline:
                raise RunError(f"nothing was bound within {self.timeout} s")
            time.sleep(_POLL_S)
        bound: Mapping[str, Any] = json.loads(ports.read_text(encoding="utf-8"))
        return bound

    def _read_verdict(self) -> Verdict:
        # 1: an expectation failed, or there is no verdict.
        if self._process.returncode in (0, 1):
            text = self._stdout.read_text(encoding="utf-8")
            if text.strip():
                return Verdict.from_json(json.loads(text))
        raise self._failed()

    def _failed(self) -> RunError:
        said = self._stderr.read_text(encoding="utf-8", errors="replace").strip()
        return RunError(f"timeball ended with {self._process.returncode}: {said}")


def find_binary() -> Path:
    """The ``timeball`` program: the variable ``TIMEBALL_BINARY``, else the one in
    ``PATH``, else what was last built in the checkout that this file or the current
    directory stands in. ``FileNotFoundError`` if there is none."""
    named = os.environ.get("TIMEBALL_BINARY")
    if named:
        if shutil.which(named) is None:
            raise FileNotFoundError(f"TIMEBALL_BINARY = {named!r}: not a program")
        return Path(named).absolute()
    in_path = shutil.which("timeball")
    if in_path is not None:
        return Path(in_path)
    here = (*Path(__file__).resolve().parents, Path.cwd(), *Path.cwd().parents)
    checkouts = filter(_is_checkout, here)
    profiles = (
        checkout / "target" / name / "timeball"
        for checkout in checkouts
        for name in ("release", "debug")
    )
    built = [binary for binary in profiles if binary.is_file()]
    if not built:
        raise FileNotFoundError(
            "no timeball in PATH; set TIMEBALL_BINARY to the program, or build it with `cargo build`"
        )
    return max(built, key=lambda binary: binary.stat().st_mtime)


def _is_checkout(folder: Path) -> bool:
    """Whether ``folder`` holds the sources of the program."""
    try:
        manifest = (folder / "Cargo.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return re.search(r'(?m)^name = "timeball"$', manifest) is not None


def _stop(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Ends the process within twice ``timeout``."""
    process.terminate()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout)


def _reap(
    process: subprocess.Popen[bytes],
    timeout: float,
    temporary: Optional[tempfile.TemporaryDirectory[str]],
) -> None:
    try:
        _stop(process, timeout)
    finally:
        if temporary is not None:
            temporary.cleanup()


def _endpoint(listener: Mapping[str, Any]) -> Endpoint:
    host, _, port = listener["address"].rpartition(":")
    return Endpoint(listener["source"], listener["protocol"], host.strip("[]"), int(port))


def _record(line: Mapping[str, Any]) -> Record:
    return Record(
        direction=line["direction"],
        number=line["number"],
        at=line["at"],
        elapsed=line["elapsed"],
        time=line["time"],
        endpoint=line["endpoint"],
        protocol=line["protocol"],
        peer=line["peer"],
        local=line["local"],
        octets=bytes.fromhex(line["bytes"]),
        fields=line["fields"],
        rules=tuple(line["rule"]),
    )
