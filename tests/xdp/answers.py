"""What the driver answers, what it leaves to the sockets, and that both say the same."""

import contextlib
import ipaddress
import os
import select
import struct

from bed import (CLIENT, CLIENT_V6, INNER, INNER_V6, OTHER, OTHER_V6, SERVER, SERVER_V6, Bed,
                 listener, until)
from wire import EXTENSION, UDP, ethernet, ipv4, ipv6, is_whole, request, udp

#: How far the two ways may be apart.
CLOSE_NS = 1_000_000
#: The port of a server without a driver.
ON_SOCKETS = 1_123


def two_ways(bed: Bed):
    """Two servers of the same: one in the driver, the other on sockets alone."""
    def listeners(port: int) -> str:
        return listener(f"{SERVER}:{port}") + listener(f"[{SERVER_V6}]:{port}")

    sockets = bed.serve(listeners(ON_SOCKETS), xdp=None)
    driver = bed.serve(listeners(123))
    driver.until_in_driver(f"{SERVER}:123", f"[{SERVER_V6}]:123")
    return driver, sockets


def plain_requests_are_answered_in_the_driver_as_on_sockets(bed: Bed) -> None:
    driver = bed.serve(listener("0.0.0.0:123") + listener("[::]:1123"))
    driver.until_in_driver("0.0.0.0:123", "[::]:1123")
    seen = bed.raw()
    asked = 0
    for own, address, inner, port in ((CLIENT, SERVER, INNER, 123),
                                      (CLIENT_V6, SERVER_V6, INNER_V6, 1_123)):
        client = bed.open(own)
        for version in (1, 2, 3, 4):
            for poll in (-6, 0, 6, 17):
                octets = request(version, poll=poll)
                one, other = (client.ask(octets, it, port) for it in (address, inner))
                what = f"version {version}, poll {poll}, {address}"
                assert one and other, f"{what}: {one} in the driver, {other} on sockets"
                assert one.without_times() == other.without_times(), (
                    f"{what}: {one.octets.hex()} and {other.octets.hex()}")
                for reply in (one, other):
                    assert reply.tells(tolerance_ns=CLOSE_NS), (
                        f"{what}: sent {reply.sent_ns}, received there {reply.receive_ns}, "
                        f"sent there {reply.transmit_ns}, received {reply.received_ns}")
                asked += 1
                assert driver.in_driver() == asked, f"{what}: not answered in the driver alone"
        # What the kernel says of its clock is looked at once a second, and the driver is
        # told of it a moment later.
        def agree() -> bool:
            one, other = (client.ask(request(), it, port) for it in (address, inner))
            assert one and other, f"{address} is not answered"
            nonlocal asked
            asked += 1
            return (abs(one.root_dispersion_s - other.root_dispersion_s) < 0.001
                    and abs(one.reference_ns - other.reference_ns) < CLOSE_NS)

        until(agree, "driver and sockets say the same of the source", 2)
    counted = driver.metrics()
    for name in ("received", "replied"):
        count = counted[f"timeball_{name}_total"]
        assert count == 2 * asked, f"{count} of {2 * asked} are in timeball_{name}_total"
    own = (ipaddress.ip_address(it).packed for it in (SERVER, SERVER_V6))
    frames = frames_from(seen, tuple(own))
    assert len(frames) == asked, f"{len(frames)} frames of {asked} replies were seen"
    for frame in frames:
        assert is_whole(frame), f"a checksum is wrong: {frame.hex()}"


def frames_from(raw, addresses: tuple[bytes, bytes]) -> list[bytes]:
    """The frames of datagrams from these addresses that have come so far."""
    found = []
    while select.select([raw], [], [], 0)[0]:
        frame = raw.recv(2_048)
        family = {b"\x08\x00": 23, b"\x86\xdd": 20}.get(frame[12:14])
        if family and frame[family] == UDP and (
                frame[26:30] == addresses[0] or frame[22:38] == addresses[1]):
            found.append(frame)
    return found


def requests(port: int):
    """Unusual ones, as they are said and as they are made: for a client at `source`, each
    gives the frames without their Ethernet headers; and whether the driver answers."""
    nops = bytes([1, 1, 1, 1])

    def v4(change=lambda octets: octets, *, to=SERVER, source=CLIENT, **how):
        def made(own: int):
            octets = change(request())
            return [ipv4(source, to, udp((source, own), (to, port), octets), **how)], octets
        return made

    def v6(change=lambda octets: octets):
        def made(own: int):
            octets = change(request())
            datagram = udp((CLIENT_V6, own), (SERVER_V6, port), octets)
            return [ipv6(CLIENT_V6, SERVER_V6, datagram)], octets
        return made

    def first(value: int):
        return lambda octets: bytes([value]) + octets[1:]

    def fragments(own: int):
        octets = request()
        whole = udp((CLIENT, own), (SERVER, port), octets)
        return [ipv4(CLIENT, SERVER, whole[:32], fragment=0x2000),
                ipv4(CLIENT, SERVER, whole[32:], fragment=4)], octets

    def fragments_v6(own: int):
        octets = request()
        whole = udp((CLIENT_V6, own), (SERVER_V6, port), octets)
        return [ipv6(CLIENT_V6, SERVER_V6, struct.pack("!BBHI", UDP, 0, at, 9) + part, 44)
                for at, part in ((1, whole[:32]), (32, whole[32:]))], octets

    def options_v6(own: int):
        octets = request()
        whole = udp((CLIENT_V6, own), (SERVER_V6, port), octets)
        return [ipv6(CLIENT_V6, SERVER_V6, bytes([UDP, 0, 1, 4, 0, 0, 0, 0]) + whole, 60)], octets

    def summed(value: int):
        def made(own: int):
            octets = request()
            datagram = udp((CLIENT, own), (SERVER, port), octets, sum_of=value)
            return [ipv4(CLIENT, SERVER, datagram)], octets
        return made

    def no_sum_v6(own: int):
        octets = request()
        datagram = udp((CLIENT_V6, own), (SERVER_V6, port), octets, sum_of=0)
        return [ipv6(CLIENT_V6, SERVER_V6, datagram)], octets

    def padded(own: int):
        packets, octets = v4()(own)
        return [packets[0] + bytes(20)], octets

    mac = struct.pack("!I16x", 7)
    yield "plain", v4(), True
    yield "plain, IPv6", v6(), True
    yield "no checksum", summed(0), True
    yield "no checksum, IPv6", no_sum_v6, False
    yield "a wrong checksum", summed(0x1234), False
    yield "a wrong checksum of the IP header", v4(spoilt=True), False
    yield "a MAC", v4(lambda octets: octets + mac), False
    yield "a MAC, IPv6", v6(lambda octets: octets + mac), False
    yield "an extension field", v4(lambda octets: octets + EXTENSION), False
    yield "an extension field, IPv6", v6(lambda octets: octets + EXTENSION), False
    yield "too short", v4(lambda octets: octets[:47]), False
    yield "an octet too long", v4(lambda octets: octets + b"\0"), False
    yield "long", v4(lambda octets: octets + bytes(1_400)), False
    yield "empty", v4(lambda octets: b""), False
    for mode in (0, 1, 2, 4, 5, 6, 7):
        yield f"mode {mode}", v4(first(4 << 3 | mode)), False
        yield f"mode {mode}, IPv6", v6(first(4 << 3 | mode)), False
    for version in (0, 5, 6, 7):
        yield f"version {version}", v4(first(version << 3 | 3)), False
    yield "fragments", fragments, False
    yield "fragments, IPv6", fragments_v6, False
    yield "IP options", v4(options=nops), False
    yield "destination options, IPv6", options_v6, False
    yield "padding behind the packet", padded, False
    yield "another address of the host", v4(to=OTHER), False
    yield "from loopback", v4(source="127.0.0.1"), False
    yield "from the server's own address", v4(source=SERVER), False


@contextlib.contextmanager
def on_one_processor():
    """Frames that this process sends come in the order in which they are sent."""
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, processors)


def what_is_unusual_is_done_by_the_sockets(bed: Bed) -> None:
    driver, _ = two_ways(bed)
    raw = bed.raw()
    source, target = (bytes.fromhex(bed.hardware[it].replace(":", ""))
                      for it in (bed.client, bed.server))
    fence = bed.open()

    def outcome(port: int, make, to: bytes, vlan: int | None):
        """The reply to a request that came in these frames, if there is one."""
        client = bed.open(CLIENT)
        client_v6 = bed.open(CLIENT_V6, client.port)
        packets, asked = make(client.port)
        for packet in packets:
            raw.send(ethernet(source, to, packet, vlan))
        # By sockets, so behind whatever the sockets got before.
        assert fence.ask(request() + EXTENSION, SERVER, port), "the server hangs"
        reply = client.receive(asked) or client_v6.receive(asked)
        for it in (client, client_v6):
            it.socket.close()
        return reply

    kinds = [(*each, target, None) for each in zip(requests(123), requests(ON_SOCKETS))]
    frames = (("a tag of VLAN 0", target, 0), ("a tag of VLAN 5", target, 5),
              ("to all by Ethernet", b"\xff" * 6, None),
              ("to a group by Ethernet", b"\x01\x00\x5e\x00\x00\x01", None),
              ("to another host by Ethernet", b"\x02\x00\x00\x00\x00\x09", None))
    for what, to, vlan in frames:
        for plain in list(zip(requests(123), requests(ON_SOCKETS)))[:2]:
            here, there = ((f"{what}: {it[0]}", it[1], False) for it in plain)
            kinds.append((here, there, to, vlan))
    answered = 0
    with on_one_processor():
        for (what, here, is_in_driver), (_, there, _), to, vlan in kinds:
            before = driver.in_driver()
            one, other = outcome(123, here, to, vlan), outcome(ON_SOCKETS, there, to, vlan)
            assert (one is None) == (other is None), (
                f"{what}: {'not ' * (one is None)}answered with the driver, "
                f"{'not ' * (other is None)}without")
            if one and other:
                answered += 1
                assert one.without_own() == other.without_own(), (
                    f"{what}: {one.octets.hex()} and {other.octets.hex()}")
                assert abs(one.transmit_ns - other.transmit_ns) < 10**9, what
            by_driver = driver.in_driver() - before
            assert by_driver == is_in_driver, f"{what}: {by_driver} answered in the driver"
    assert answered >= 8, f"only {answered} kinds of requests are answered at all"
    counted = driver.metrics()
    assert counted.get("timeball_xdp_dropped_total", 0) == 0, counted


def other_ports_and_addresses_are_not_the_drivers(bed: Bed) -> None:
    """Another server's address at the same port, another port of the same address, an
    address that the interface has not; and one listener for all addresses."""
    driver = bed.serve(listener(f"{SERVER}:123") + listener("0.0.0.0:2123") + listener("[::]:3123"))
    driver.until_in_driver(f"{SERVER}:123", "0.0.0.0:2123", "[::]:3123")
    sockets = bed.serve(listener(f"{OTHER}:123") + listener(f"{SERVER}:124"), xdp=None)
    client, client_v6 = bed.open(), bed.open(CLIENT_V6)
    for address, port, by in (
        (SERVER, 123, driver), (OTHER, 123, sockets), (SERVER, 124, sockets),
        (SERVER, 2_123, driver), (OTHER, 2_123, driver), (INNER, 2_123, None),
        (SERVER_V6, 3_123, driver), (OTHER_V6, 3_123, driver), (OTHER, 3_123, driver),
    ):
        before = driver.in_driver(), sockets.metrics()["timeball_replied_total"]
        asks = client_v6 if ":" in address else client
        what = f"{address} port {port}"
        assert asks.ask(request(), address, port), f"{what} is not answered"
        in_driver = driver.in_driver() - before[0]
        assert in_driver == (by is driver), f"{what}: {in_driver} replies in the driver"
        if by is sockets:
            until(lambda: sockets.metrics()["timeball_replied_total"] == before[1] + 1,
                  f"{what} is answered by the other server")


BOTH = ("generic", "native")
CASES = (
    (plain_requests_are_answered_in_the_driver_as_on_sockets, BOTH),
    (what_is_unusual_is_done_by_the_sockets, BOTH),
    (other_ports_and_addresses_are_not_the_drivers, BOTH),
)
