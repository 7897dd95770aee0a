"""The server is killed, hangs, is told to end, hands over: what becomes of the answers."""

import contextlib
import signal
import threading
import time

from bed import SERVER, Bed, listener, until
from wire import EXTENSION, now_ns, request

HERE = f"{SERVER}:123"
#: Longer than the driver may answer after its server has done nothing more.
SILENT_AFTER_S = 1


class Load:
    """Plain requests, and others for the sockets, all the time, from a thread of its own."""

    def __init__(self, bed: Bed) -> None:
        self.client = bed.open()
        self.answered, self.failed = 0, None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        with contextlib.suppress(OSError):  # the socket is closed
            while not self.is_over.is_set():
                for asked in (request(), request(), request(), request() + EXTENSION):
                    with contextlib.suppress(ConnectionRefusedError):
                        self.client.send(asked)
                    reply = self.client.receive(asked, patience_s=0.001)
                    if reply is None:
                        continue
                    self.answered += 1
                    if abs(reply.transmit_ns - time.time_ns()) > 10**9:
                        self.failed = reply.octets.hex()

    def __enter__(self) -> "Load":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.is_over.set()
        self.thread.join()


def a_killed_server_takes_its_program_along_and_another_takes_over(bed: Bed) -> None:
    place = ("--hand-over", str(bed.folder() / "place"))
    first = bed.serve(listener(HERE), flags=place).until_in_driver(HERE)
    with Load(bed) as load:
        until(lambda: first.in_driver() > 500, "the driver answers under load")
        first.signal(signal.SIGKILL)
        first.process.wait()
        assert bed.attached() is None, f"still attached: {bed.attached()}"
        before = load.answered
        second = bed.serve(listener(HERE), xdp=None, flags=place)
        until(lambda: load.answered > before + 500, "the second server answers the load")
        assert second.in_driver() == 0
        client = bed.open()
        assert client.ask(request(), SERVER), "a plain request is not answered"
    assert load.failed is None, f"a reply of the wrong time: {load.failed}"
    # And another with a driver has the interface for itself.
    second.end()
    third = bed.serve(listener(HERE), flags=place).until_in_driver(HERE)
    assert bed.open().ask(request(), SERVER)
    assert third.in_driver() == 1


def a_server_that_hangs_answers_no_more_from_the_driver(bed: Bed) -> None:
    server = bed.serve(listener(HERE)).until_in_driver(HERE)
    client = bed.open()
    assert client.ask(request()), "it is not answered at first"
    server.stop()
    began_ns, last_ns = now_ns(), 0
    waiting = []
    while now_ns() < began_ns + (SILENT_AFTER_S + 0.5) * 10**9:
        asked = request()
        reply = client.ask(asked, patience_s=0.02)
        if reply:
            last_ns = reply.transmit_ns
        else:
            waiting.append(asked)
    late_s = (last_ns - began_ns) / 10**9
    assert late_s < SILENT_AFTER_S, f"answered {late_s:.3f} s after it hung"
    assert len(waiting) > 20
    assert bed.attached(), "the program is gone"
    server.signal(signal.SIGCONT)
    # None is lost: they waited at the socket (which drops none for its age here).
    for number, asked in enumerate(waiting):
        reply = client.receive(asked, patience_s=2)
        assert reply, f"request {number} of {len(waiting)} that waited is not answered"
    before = server.in_driver()

    def is_answered_in_driver() -> bool:
        reply = client.ask(request())
        assert reply, "it is not answered"
        assert reply.tells(), f"the time is off: {reply.offset_s()} s"
        return server.in_driver() > before

    until(is_answered_in_driver, "the driver answers again", 2)


def a_server_that_ends_takes_its_program_off(bed: Bed) -> None:
    server = bed.serve(listener(HERE)).until_in_driver(HERE)
    client = bed.open()
    for _ in range(10):
        assert client.ask(request()), "it is not answered"
    counted = server.end()
    assert bed.attached() is None, f"still attached: {bed.attached()}"
    assert counted["received"] == counted["replied"] == 10, counted
    assert client.ask(request(), patience_s=0.1) is None, "somebody answers for it"


class Asking:
    """Plain requests one after the other, each of which has to be answered, from a thread of
    its own."""

    def __init__(self, bed: Bed) -> None:
        self.client = bed.open()
        self.asked, self.answered = 0, 0
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        while not self.is_over.is_set():
            self.asked += 1
            self.answered += self.client.ask(request(), patience_s=2) is not None

    def __enter__(self) -> "Asking":
        self.thread.start()
        until(lambda: self.answered > 10, "it is answered")
        return self

    def __exit__(self, *_) -> None:
        self.is_over.set()
        self.thread.join()


def a_server_in_the_place_of_another_loses_no_request(bed: Bed) -> None:
    """The program of the second comes into the place of the first one's; until the second
    serves, requests go to the sockets that both have."""
    place = ("--hand-over", str(bed.folder() / "place"))
    server = bed.serve(listener(HERE), flags=place).until_in_driver(HERE)
    client = bed.open()
    for _ in range(3):
        first = server
        with Asking(bed) as asking:
            server = bed.serve(listener(HERE), flags=place)
            until(first.has_ended, "the first ends")
        assert first.process.returncode == 0, "the first does not end well"
        assert asking.answered == asking.asked, f"{asking.answered} of {asking.asked} answered"
        server.until_in_driver(HERE)
        before = server.in_driver()
        for _ in range(10):
            assert client.ask(request()), "the second server does not answer"
        assert server.in_driver() == before + 10, "its sockets answer"
    server.end()
    assert bed.attached() is None, f"still attached: {bed.attached()}"


def a_server_that_cannot_start_leaves_the_first_its_sockets(bed: Bed) -> None:
    """As docs/xdp.md has it: it has taken the place in the driver before it fails."""
    place = ("--hand-over", str(bed.folder() / "place"))
    first = bed.serve(listener(HERE), flags=place).until_in_driver(HERE)
    client = bed.open()
    with Asking(bed) as asking:
        # Which has no room, as it sees once all is bound.
        failed = bed.run_to_its_end(first.settings, (*place, "--ports-file", "/dev/full"))
        assert failed.returncode == 1, failed
        first.until_said("no server has taken this one's place")
        first.until_said("sockets may answer alone")
    assert asking.answered == asking.asked, f"{asking.answered} of {asking.asked} answered"
    before = first.in_driver()
    assert client.ask(request()), "it is not answered"
    assert first.in_driver() == before, "the first one's program is back: the docs say it is not"
    second = bed.serve(listener(HERE), flags=place).until_in_driver(HERE)
    before = second.in_driver()
    assert client.ask(request()) and second.in_driver() == before + 1


def another_mode_is_told_and_takes_a_start_of_its_own(bed: Bed) -> None:
    place = ("--hand-over", str(bed.folder() / "place"))
    bed.serve(listener(HERE), flags=place).until_in_driver(HERE)
    second = bed.serve(listener(HERE), flags=place, xdp="native")
    second.until_said("the mode is that of the server before.*generic")
    assert bed.attached(), "nothing is attached"
    client = bed.open()
    before = second.in_driver()
    assert client.ask(request()) and second.in_driver() == before + 1


def a_server_without_a_driver_takes_the_place_of_one_with_it(bed: Bed) -> None:
    place = ("--hand-over", str(bed.folder() / "place"))
    first = bed.serve(listener(HERE), flags=place).until_in_driver(HERE)
    client = bed.open()
    assert client.ask(request())
    bed.serve(listener(HERE), xdp=None, flags=place)
    while not first.has_ended():
        assert client.ask(request(), patience_s=1), "it is not answered"
    until(lambda: bed.attached() is None, "the program is gone with its server")
    assert client.ask(request()), "the second server does not answer"


BOTH = ("generic", "native")
CASES = (
    (a_killed_server_takes_its_program_along_and_another_takes_over, BOTH),
    (a_server_that_hangs_answers_no_more_from_the_driver, BOTH),
    (a_server_that_ends_takes_its_program_off, BOTH),
    (a_server_in_the_place_of_another_loses_no_request, BOTH),
    (a_server_that_cannot_start_leaves_the_first_its_sockets, ("generic",)),
    (another_mode_is_told_and_takes_a_start_of_its_own, ("generic",)),
    (a_server_without_a_driver_takes_the_place_of_one_with_it, ("generic",)),
)
