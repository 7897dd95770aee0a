"""Where the tests are done: two network namespaces with a cable between them, servers at
one end, clients at the other."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).parent.parent / "support"))
from namespaces import CABLE, PATIENCE_S, cabled, entered, run  # noqa: E402
from wire import Reply, now_ns  # noqa: E402

SERVER, SERVER_V6 = "192.168.77.1", "fd77::1"
#: A second address of the server's interface.
OTHER, OTHER_V6 = "192.168.77.3", "fd77::3"
#: Of the server's host, but not of that interface: no program answers there for a
#: listener that has all addresses.
INNER, INNER_V6 = "10.99.0.1", "fd99::1"
CLIENT, CLIENT_V6 = "192.168.77.2", "fd77::2"
#: More clients, from ...10 on.
CLIENTS = [f"192.168.77.{host}" for host in range(10, 20)]
CLIENTS_V6 = [f"fd77::{host}" for host in range(10, 20)]
#: Whose interface has the program: `ip -details -json link`.
ATTACHED_AS = {"native": 1, "generic": 2}


def until(condition, what: str, patience_s: float = PATIENCE_S):
    """Waits for something true, and gives it."""
    deadline = time.monotonic() + patience_s
    while not (seen := condition()):
        assert time.monotonic() < deadline, f"not within {patience_s} s: {what}"
        time.sleep(0.005)
    return seen


class Stop:
    """What ends a case before its time, but not between the start of a process and the
    moment from which it is known that it has to be ended."""

    is_held, held = False, None

    @classmethod
    def now_or_later(cls, error: BaseException) -> None:
        if not cls.is_held:
            raise error
        cls.held = error

    @classmethod
    @contextlib.contextmanager
    def later(cls):
        cls.is_held = True
        try:
            yield
        finally:
            cls.is_held, (error, cls.held) = False, (cls.held, None)
            if error:
                raise error


class Bed:
    """The two namespaces, and all that is started and opened in them until the end."""

    def __init__(self, program: str, mode: str, stack: contextlib.ExitStack) -> None:
        self.program, self.mode, self.stack = program, mode, stack
        self.server, self.client = stack.enter_context(cabled())
        self.servers: list[Server] = []
        for name, own in (
            (self.server, (f"{SERVER}/24", f"{OTHER}/24", f"{SERVER_V6}/64", f"{OTHER_V6}/64")),
            (self.client, (*(f"{it}/24" for it in (CLIENT, *CLIENTS)),
                           *(f"{it}/64" for it in (CLIENT_V6, *CLIENTS_V6)))),
        ):
            for address in own:
                self.ip(name, "address", "add", address, "dev", CABLE,
                        *(["nodad"] if ":" in address else []))
            self.ip(name, "link", "set", CABLE, "up")
        for inner, by in ((f"{INNER}/32", SERVER), (f"{INNER_V6}/128", SERVER_V6)):
            self.ip(self.server, "address", "add", inner, "dev", "lo")
            self.ip(self.client, "route", "add", inner, "via", by)
        self.hardware = {name: self.link(name)["address"] for name in (self.server, self.client)}
        # Nobody has to be asked who has an address, also while nobody has it.
        for address in (SERVER, OTHER, SERVER_V6, OTHER_V6):
            self.ip(self.client, "neighbour", "replace", address, "dev", CABLE,
                    "lladdr", self.hardware[self.server], "nud", "permanent")
        for address in (CLIENT, CLIENT_V6, *CLIENTS, *CLIENTS_V6):
            self.ip(self.server, "neighbour", "replace", address, "dev", CABLE,
                    "lladdr", self.hardware[self.client], "nud", "permanent")
        if mode == "native":
            # What a driver sends back reaches the other end of such a cable only where
            # that has a program too. This one passes on everything.
            self.serve(listener("127.0.0.1:123"), xdp="native", namespace=self.client)

    @staticmethod
    def ip(namespace: str, *command: str) -> None:
        run("ip", "-n", namespace, *command)

    def link(self, namespace: str | None = None) -> dict:
        command = ("ip", "-n", namespace or self.server, "-details", "-json",
                   "link", "show", "dev", CABLE)
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[0]

    def attached(self) -> dict | None:
        """The program at the server's end of the cable."""
        return self.link().get("xdp")

    def folder(self) -> pathlib.Path:
        """A folder that an ordinary user may read."""
        folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        return folder

    def serve(self, settings: str, **how) -> "Server":
        return Server(self, settings, **how)

    def run_to_its_end(self, settings: pathlib.Path,
                       flags: tuple[str, ...]) -> subprocess.CompletedProcess:
        """`timeball serve`, which cannot start, on these settings."""
        return subprocess.run(
            ("ip", "netns", "exec", self.server,
             "setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time",
             self.program, "serve", "--settings", str(settings), *flags),
            capture_output=True, timeout=PATIENCE_S, check=False,
        )

    def open(self, address: str = CLIENT, port: int = 0) -> "Client":
        with entered(self.client):
            client = Client(address, port)
        self.stack.callback(client.socket.close)
        return client

    def raw(self) -> socket.socket:
        """For frames, at the client's end of the cable."""
        with entered(self.client):
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.stack.callback(raw.close)
            raw.bind((CABLE, 0))
        return raw


def listener(address: str, more: str = "rate_limit = false", source: str = "wall") -> str:
    """A listener of the settings, by default for as many requests as come."""
    return (f"[[listeners]]\nprotocol = 'ntp'\naddress = '{address}'\nsource = '{source}'\n"
            f"{more}\n")


class Server:
    """`timeball serve`, without the right to set the clock."""

    def __init__(self, bed: Bed, settings: str, *, xdp: str | None = "",
                 interface: str = CABLE, head: str = "", sources: str = "",
                 without: tuple[str, ...] = (), namespace: str | None = None,
                 flags: tuple[str, ...] = ()) -> None:
        """`xdp` is a mode, "" for that of the test, `None` for sockets alone."""
        self.bed, self.namespace = bed, namespace or bed.server
        # The server reads its settings anew as an ordinary user.
        folder = bed.folder()
        self.settings, self.log = folder / "settings.toml", folder / "log"
        self.mode = bed.mode if xdp == "" else xdp
        self.http_port = 8_088 + len(bed.servers)
        self.head = "max_queue_delay = 0\nthreads = 1\n"
        self.head += f"http.address = '127.0.0.1:{self.http_port}'\n{head}\n"
        if self.mode is not None:
            self.head += f"[xdp]\ninterface = '{interface}'\nmode = '{self.mode}'\n"
        self.write(settings, sources)
        ports = folder / "ports.json"
        minus = ",".join(f"-{it}" for it in ("sys_time", *without))
        with self.log.open("w") as log, Stop.later():
            self.process = subprocess.Popen(
                ("ip", "netns", "exec", self.namespace,
                 "setpriv", f"--bounding-set={minus}", f"--inh-caps={minus}",
                 bed.program, "serve", "--settings", str(self.settings),
                 "--ports-file", str(ports), *flags),
                stderr=log, env={**os.environ, "NO_COLOR": "1", "RUST_LOG": "info"},
            )
            bed.servers.append(self)
            bed.stack.callback(self.kill)
        until(lambda: ports.exists() and ports.read_text() or self.has_ended(), "it listens")
        assert not self.has_ended(), f"the server ended: {self.said()}"

    def write(self, settings: str, sources: str = "") -> None:
        sources = sources or "[sources.wall]\nkind = 'system'\n"
        self.settings.write_text(self.head + sources + settings)

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def said(self) -> str:
        return self.log.read_text()

    def until_said(self, what: str, times: int = 1) -> None:
        until(lambda: len(re.findall(what, self.said())) >= times or self.has_ended(),
              f"the log says {what!r}")
        assert re.search(what, self.said()), f"the log never says {what!r}"

    def until_in_driver(self, *addresses: str) -> "Server":
        """Waits until the driver answers for these listeners, and for the server."""
        for address in addresses:
            self.until_said(rf"answered from the network driver address={re.escape(address)} ")
        link = self.bed.link(self.namespace).get("xdp")
        assert link and link["mode"] == ATTACHED_AS[self.mode], f"attached: {link}"
        return self

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def reload(self, settings: str, sources: str = "") -> None:
        before = self.said().count("reloaded")
        self.write(settings, sources)
        self.signal(signal.SIGHUP)
        until(lambda: self.said().count("reloaded") > before, "the settings are read anew")
        assert "not reloaded" not in self.said(), self.said()

    def metrics(self) -> dict[str, int]:
        """All of a kind together, and each with its labels."""
        with entered(self.namespace):
            asked = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=PATIENCE_S)
            asked.request("GET", "/metrics")
            text = asked.getresponse().read().decode()
            asked.close()
        found: dict[str, int] = {}
        for name, labels, value in re.findall(r"^(timeball_\w+){(.*)} (\d+)$", text, re.M):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            keys = [name]
            keys += [f"{name}@{labels['listener']}"] if "listener" in labels else []
            keys += [f"{key}:{labels['reason']}" for key in keys if "reason" in labels]
            for key in keys:
                found[key] = found.get(key, 0) + int(value)
        return found

    def in_driver(self, address: str = "") -> int:
        """How many replies told the time from the driver."""
        key = "timeball_xdp_replies_total" + (f"@{address}" if address else "")
        return self.metrics().get(key, 0)

    def end(self) -> dict[str, int]:
        """Ends it, and gives what it counted."""
        self.signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0, "it does not end well"
        line = [line for line in self.said().splitlines() if " stopped " in line][-1]
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}

    def stop(self) -> None:
        """Stops it, until SIGCONT; waits until each of its threads stands still."""
        self.signal(signal.SIGSTOP)
        threads = pathlib.Path(f"/proc/{self.process.pid}/task")

        def stand_still() -> bool:
            states = [(it / "stat").read_text().rpartition(") ")[2][0] for it in threads.iterdir()]
            return set(states) == {"T"}

        until(stand_still, "it stands still")

    def kill(self) -> None:
        """Ends it if it has not ended, also while it is stopped."""
        if not self.has_ended():
            self.process.kill()
        self.process.wait()


class Client:
    """A socket in the present network namespace."""

    def __init__(self, address: str, port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        self.port = self.socket.getsockname()[1]

    def send(self, octets: bytes, address: str = SERVER, port: int = 123) -> None:
        self.socket.sendto(octets, (address, port))

    def receive(self, asked: bytes, sent_ns: int = 0, patience_s: float = 0) -> Reply | None:
        """The reply to this request, if it comes; others are passed over."""
        deadline = time.monotonic() + patience_s
        while True:
            self.socket.settimeout(max(0, deadline - time.monotonic()))
            try:
                octets = self.socket.recv(2_048)
            except (BlockingIOError, TimeoutError):
                return None
            except ConnectionRefusedError:
                continue
            reply = Reply(octets, asked, sent_ns, now_ns())
            if reply.is_for_this:
                return reply

    def ask(self, octets: bytes, address: str = SERVER, port: int = 123,
            patience_s: float = 2) -> Reply | None:
        sent_ns = now_ns()
        try:
            self.send(octets, address, port)
        except ConnectionRefusedError:  # that of an earlier request
            self.send(octets, address, port)
        return self.receive(octets, sent_ns, patience_s)
