"""Who is not served, and who asks too often: one decision for driver and sockets."""

import re

from bed import CLIENTS, CLIENTS_V6, SERVER, SERVER_V6, Bed, Client, entered, listener, until
from wire import EXTENSION, request

HERE, HERE_V6 = f"{SERVER}:123", f"[{SERVER_V6}]:123"
BURST = 16
#: So seldom that nobody is let in again while the test lasts.
RATE = 0.001
#: How many requests are too much: of these, shares by chance.
MANY = 800


def limits(kod_share: float, leak: float) -> str:
    return (f"[admission.rate_limit]\nrate = {RATE}\nburst = {BURST}\n"
            f"kod_share = {kod_share}\nleak = {leak}\n")


def those_not_let_in_get_nothing_from_the_driver(bed: Bed) -> None:
    denied, denied_v6 = CLIENTS[0], CLIENTS_V6[0]
    on_deny = "on_deny = 'kod'\nrate_limit = false"
    head = f"admission.deny = ['{denied}/32', '{denied_v6}/128']"
    server = bed.serve(
        listener(HERE) + listener(HERE_V6) + listener(f"{SERVER}:1123", on_deny), head=head)
    server.until_in_driver(HERE, HERE_V6, f"{SERVER}:1123")
    for own, allowed, address, here in ((denied, CLIENTS[1], SERVER, HERE),
                                        (denied_v6, CLIENTS_V6[1], SERVER_V6, HERE_V6)):
        enemy, friend = bed.open(own), bed.open(allowed)
        asked = [request() for _ in range(20)]
        for octets in asked:
            enemy.send(octets, address)
        assert friend.ask(request(), address), f"{allowed} is not answered"
        until(lambda: server.metrics().get(
            f"timeball_xdp_dropped_total@{here}:denied", 0) >= len(asked), "all are counted")
        assert not any(enemy.receive(octets) for octets in asked), f"{own} is answered"
        counted = server.metrics()
        for key, count in ((f"timeball_xdp_dropped_total@{here}:denied", len(asked)),
                           (f"timeball_dropped_total@{here}:denied", len(asked)),
                           (f"timeball_xdp_replies_total@{here}", 1),
                           (f"timeball_received_total@{here}", len(asked) + 1)):
            assert counted[key] == count, f"{key} is {counted[key]}, and not {count}"
        # What is unusual the sockets drop.
        enemy.send(request() + EXTENSION, address)
        until(lambda: server.metrics()[f"timeball_dropped_total@{here}:denied"]
              == len(asked) + 1, "the sockets drop it too")
        assert server.metrics()[f"timeball_xdp_dropped_total@{here}:denied"] == len(asked)
    kiss = bed.open(denied).ask(request(), SERVER, 1_123)
    assert kiss and kiss.stratum == 0 and kiss.reference_id == b"DENY", (
        f"no kiss-o'-death: {kiss and kiss.octets.hex()}")


def a_burst_is_answered_then_only_shares_are(bed: Bed) -> None:
    server = bed.serve(listener(HERE, "") + listener(HERE_V6, ""), head=limits(0.25, 0.25))
    server.until_in_driver(HERE, HERE_V6)
    for own, address, here in ((CLIENTS[0], SERVER, HERE), (CLIENTS_V6[0], SERVER_V6, HERE_V6)):
        client = bed.open(own)
        for number in range(BURST):
            reply = client.ask(request(), address)
            assert reply and reply.is_time(), f"request {number} of the burst is not answered"
        assert server.in_driver(here) == BURST
        asked = [request() for _ in range(MANY)]
        replies = []
        for octets in asked:
            client.send(octets, address)
            replies.append(client.receive(octets))

        def counted(what: str) -> int:
            return server.metrics().get(f"timeball_xdp_{what}", 0)

        def total() -> int:
            return (counted(f"replies_total@{here}") + counted(f"kissed_total@{here}")
                    + counted(f"dropped_total@{here}:rate_limited"))

        until(lambda: total() == BURST + MANY, "each request is counted once")
        replies += [client.receive(octets) for octets in asked]
        replies = [reply for reply in replies if reply]
        times = [reply for reply in replies if reply.is_time()]
        kisses = [reply for reply in replies if not reply.is_time()]
        # Six standard deviations, of 12.2 each.
        for what, count in (("answered", len(times)), ("kissed", len(kisses))):
            assert abs(count - MANY / 4) < 74, f"{count} of {MANY} were {what} over the limit"
        assert all(reply.reference_id == b"RATE" for reply in kisses)
        assert counted(f"replies_total@{here}") == BURST + len(times)
        assert counted(f"kissed_total@{here}") == len(kisses)


def loopback_is_limited_only_by_what_is_written(bed: Bed) -> None:
    for head, answered in (("", MANY), (limits(0, 0), BURST)):
        for server_address in ("127.0.0.1", "::1"):
            here = f"[{server_address}]:123" if ":" in server_address else "127.0.0.1:123"
            server = bed.serve(listener(here, ""), interface="lo", head=head)
            server.until_said(f"answered from the network driver address={re.escape(here)} ")
            with entered(bed.server):
                client = Client(server_address)
            got = 0
            for _ in range(MANY):
                asked = request()
                client.send(asked, server_address)
                got += client.receive(asked) is not None
            client.socket.close()
            in_driver = server.in_driver()
            counted = server.end()
            assert got == in_driver == answered, f"{here}, {head!r}: {got}, {in_driver}"
            assert counted["received"] == MANY, counted


def driver_and_sockets_count_a_client_once(bed: Bed) -> None:
    """Plain requests in the driver, requests with an extension field on sockets."""
    server = bed.serve(listener(HERE, "") + listener(HERE_V6, ""), head=limits(0, 0))
    server.until_in_driver(HERE, HERE_V6)
    count = 0
    for clients, address in ((CLIENTS[:2], SERVER), (CLIENTS_V6[:1], SERVER_V6)):
        for own in clients:
            client = bed.open(own)
            before = server.in_driver()
            for number in range(BURST):
                more = EXTENSION if number % 2 else b""
                assert client.ask(request() + more, address), (
                    f"{own}: request {number} of the burst is not answered")
            assert server.in_driver() - before == BURST // 2
            for more, what in ((b"", "plain"), (EXTENSION, "with an extension field")):
                assert client.ask(request() + more, address, patience_s=0.1) is None, (
                    f"{own}: a request {what} is answered over the limit")

            def is_counted() -> bool:
                counted = server.metrics()
                dropped = counted.get("timeball_dropped_total:rate_limited", 0)
                in_driver = counted.get("timeball_xdp_dropped_total:rate_limited", 0)
                return (dropped, in_driver) == (2 * count, count)

            count += 1
            until(is_counted, "one is dropped in the driver, and one behind it")


def a_client_stays_limited_after_a_reload(bed: Bed) -> None:
    server = bed.serve(listener(HERE, ""), head=limits(0, 0)).until_in_driver(HERE)
    client = bed.open(CLIENTS[0])
    for number in range(BURST):
        assert client.ask(request()), f"request {number} of the burst is not answered"
    more = f"[{SERVER_V6}]:1123"
    server.reload(listener(HERE, "") + listener(more, ""))
    server.until_in_driver(more)
    assert client.ask(request(), patience_s=0.1) is None, "it is answered over the limit"
    assert bed.open(CLIENTS[1]).ask(request()), "another client is not answered"
    assert server.metrics()["timeball_xdp_dropped_total:rate_limited"] == 1


BOTH = ("generic", "native")
CASES = (
    (loopback_is_limited_only_by_what_is_written, ("generic",)),
    (those_not_let_in_get_nothing_from_the_driver, BOTH),
    (a_burst_is_answered_then_only_shares_are, BOTH),
    (driver_and_sockets_count_a_client_once, BOTH),
    (a_client_stays_limited_after_a_reload, ("generic",)),
)
