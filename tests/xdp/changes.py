"""Other settings and other addresses while it serves."""

import signal
import threading

from bed import (CABLE, CLIENT, CLIENT_V6, OTHER, OTHER_V6, SERVER, SERVER_V6, Bed, Server,
                 listener, until)
from wire import Reply, request

HERE = f"{SERVER}:123"
#: How long an address that is gone may still be answered for.
SEEN_WITHIN_S = 2


def steady(offset_s: int = 0, leap_indicator: str = "none") -> str:
    return (f"[sources.wall]\nkind = 'monotonic-offset'\noffset = '{offset_s}s'\n"
            f"leap_indicator = '{leap_indicator}'\n")


class Asking:
    """One request after the other from a thread of its own; keeps what came of them."""

    def __init__(self, bed: Bed) -> None:
        self.client = bed.open()
        self.replies: list[Reply | None] = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        while not self.is_over.is_set():
            self.replies.append(self.client.ask(request()))

    def __enter__(self) -> "Asking":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.is_over.set()
        self.thread.join()


def changed_at_once(bed: Bed, before: str, after: str, what) -> None:
    """While somebody asks: up to the reload each reply is of the one, then of the other."""
    server = bed.serve(listener(HERE), sources=before).until_in_driver(HERE)
    with Asking(bed) as asking:
        until(lambda: server.in_driver() > 200, "the driver answers")
        server.reload(listener(HERE), after)
        count = len(asking.replies)
        until(lambda: len(asking.replies) > count + 200, "it answers after the reload")
    in_driver = server.in_driver()
    assert all(asking.replies), f"{asking.replies.count(None)} requests are not answered"
    seen = [what(reply) for reply in asking.replies]
    turns = [at for at in range(1, len(seen)) if seen[at] != seen[at - 1]]
    assert seen[0] == what.before and seen[-1] == what.after and len(turns) == 1, (
        f"{seen[0]} at first, {seen[-1]} at last, changes at replies {turns} of {len(seen)}: "
        f"{[(seen[at - 1], seen[at]) for at in turns[:9]]}")
    # One more may be on its way while the log is read.
    assert turns[0] <= count + 1, f"reply {turns[0]} is the first new one, {count} came before"
    on_sockets = len(seen) - in_driver
    assert on_sockets < 100, f"{on_sockets} of {len(seen)} were not answered in the driver"


def a_step_of_the_source_is_seen_by_all_replies_at_once(bed: Bed) -> None:
    def what(reply: Reply) -> float | str:
        for offset_s in (what.before, what.after):
            if reply.tells(offset_s):
                return offset_s
        return f"of neither: {reply.offset_s()} s"

    for what.before, what.after in ((0, 100), (0, -100)):
        changed_at_once(bed, steady(what.before), steady(what.after), what)
        bed.servers[-1].end()


def another_leap_indicator_is_seen_by_all_replies_at_once(bed: Bed) -> None:
    def what(reply: Reply) -> int:
        return reply.leap_indicator

    what.before, what.after = 0, 1
    changed_at_once(bed, steady(), steady(leap_indicator="insert"), what)
    bed.servers[-1].end()
    system = "[sources.wall]\nkind = 'system'\nleap_indicator = '{}'\n"
    what.before, what.after = 2, 1
    changed_at_once(bed, system.format("delete"), system.format("insert"), what)


def driver_answers(bed: Bed, server: Server, address: str, port: int = 123) -> bool:
    """Whether a plain request is answered in the driver."""
    client = bed.open(CLIENT_V6 if ":" in address else CLIENT)
    before = server.in_driver()
    is_answered = client.ask(request(), address, port, 0.2) is not None
    client.socket.close()
    return server.in_driver() == before + 1 and is_answered


def an_address_that_is_gone_is_not_answered_until_it_is_back(bed: Bed) -> None:
    listeners = listener("0.0.0.0:123") + listener(f"[{OTHER_V6}]:123") + listener(f"{OTHER}:1123")
    server = bed.serve(listeners)
    server.until_in_driver("0.0.0.0:123", f"[{OTHER_V6}]:123", f"{OTHER}:1123")
    for address, port, bits, more in ((OTHER, 123, 24, []), (OTHER, 1_123, 24, []),
                                      (OTHER_V6, 123, 64, ["nodad"])):
        what = f"{address} port {port}"
        own = ("address", "{}", f"{address}/{bits}", "dev", CABLE)

        def change(how: str, *more: str) -> None:
            bed.ip(bed.server, *(it.format(how) for it in own), *more)

        assert driver_answers(bed, server, address, port), f"{what} is not answered at first"
        change("del")
        until(lambda: not driver_answers(bed, server, address, port),
              f"{what} is gone, and not answered", SEEN_WITHIN_S)
        # Nor later: several rounds of the look at addresses.
        assert not driver_answers(bed, server, address, port), f"{what} is answered again"
        change("add", *more)
        until(lambda: driver_answers(bed, server, address, port),
              f"{what} is back, and answered", SEEN_WITHIN_S)
        assert driver_answers(bed, server, SERVER), "the other address is not answered"


def a_reload_changes_for_whom_the_driver_answers(bed: Bed) -> None:
    one, two, three = (f"{SERVER}:{port}" for port in (1_123, 2_123, 3_123))
    six = f"[{SERVER_V6}]:1123"
    server = bed.serve(listener(one) + listener(two) + listener(six))
    server.until_in_driver(one, two, six)
    for _ in range(10):
        for address, port in ((SERVER, 1_123), (SERVER, 2_123), (SERVER_V6, 1_123)):
            assert driver_answers(bed, server, address, port), f"{address} port {port}"
    server.reload(listener(three) + listener(one))
    server.until_in_driver(three)
    for at in (1_123, 3_123):
        assert driver_answers(bed, server, SERVER, at), f"port {at} is not answered in the driver"
    for address, port in ((SERVER, 2_123), (SERVER_V6, 1_123)):
        asks = bed.open(CLIENT_V6 if ":" in address else CLIENT)
        assert asks.ask(request(), address, port, 0.1) is None, (
            f"{address} port {port} is gone, and answered")
    for address, count in ((one, 11), (three, 1)):
        seen = server.in_driver(address)
        assert seen == count, f"{address}: {seen} replies, and not {count}"
    # One that comes back begins anew, and what it had before is not lost in all.
    server.reload(listener(three) + listener(two) + listener(one))
    server.until_said(f"answered from the network driver address={two} ", 2)
    assert driver_answers(bed, server, SERVER, 2_123), "the one that is back is not answered"
    assert server.in_driver(one) == 11 and server.in_driver(three) == 1
    assert server.in_driver(two) == 1, server.in_driver(two)
    counted = server.end()
    assert counted["replied"] == 30 + 3, counted
    assert bed.attached() is None, f"still attached: {bed.attached()}"


def a_reload_that_fails_changes_nothing(bed: Bed) -> None:
    server = bed.serve(listener(HERE)).until_in_driver(HERE)
    assert driver_answers(bed, server, SERVER)
    server.write(listener("nowhere"))
    server.signal(signal.SIGHUP)
    server.until_said("not reloaded")
    assert driver_answers(bed, server, SERVER), "it is not answered in the driver any more"
    assert server.in_driver(HERE) == 2


BOTH = ("generic", "native")
CASES = (
    (a_step_of_the_source_is_seen_by_all_replies_at_once, BOTH),
    (another_leap_indicator_is_seen_by_all_replies_at_once, BOTH),
    (an_address_that_is_gone_is_not_answered_until_it_is_back, ("generic",)),
    (a_reload_changes_for_whom_the_driver_answers, ("generic",)),
    (a_reload_that_fails_changes_nothing, ("generic",)),
)
