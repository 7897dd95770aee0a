"""Requests and frames: what goes over the cable, octet by octet."""

import ipaddress
import itertools
import struct
import time

ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN = 0x0800, 0x86DD, 0x8100
UDP = 17
#: From 1900 to 1970. RFC 5905 section 6.
NTP_EPOCH_S = 2_208_988_800

#: An extension field that nobody knows: RFC 7822 has them passed over.
EXTENSION = struct.pack("!HH24x", 0x2104, 28)

_marks = itertools.count(1)


def request(version: int = 4, mode: int = 3, poll: int = 6) -> bytes:
    """A plain request, unlike all others by its transmit timestamp."""
    first = version << 3 | mode
    return struct.pack("!BBbb36xQ", first, 0, poll, -20, 0xD1E5 << 48 | next(_marks))


def nanoseconds(timestamp: bytes) -> int:
    """A timestamp of NTP as nanoseconds since 1970."""
    seconds, fraction = struct.unpack("!II", timestamp)
    return (seconds - NTP_EPOCH_S) * 10**9 + (fraction * 10**9 >> 32)


class Reply:
    """What came back for a request, when that was sent, and when this came."""

    def __init__(self, octets: bytes, asked: bytes, sent_ns: int, received_ns: int) -> None:
        self.octets = octets
        self.is_for_this = octets[24:32] == asked[40:48]
        self.leap_indicator = octets[0] >> 6
        self.stratum = octets[1]
        self.reference_id = octets[12:16]
        self.root_dispersion_s = struct.unpack("!I", octets[8:12])[0] / 65_536
        self.reference_ns, _, self.receive_ns, self.transmit_ns = (
            nanoseconds(octets[at:at + 8]) for at in range(16, 48, 8)
        )
        self.sent_ns, self.received_ns = sent_ns, received_ns

    def is_time(self) -> bool:
        """Whether this tells the time, and is not a kiss-o'-death."""
        return self.stratum != 0

    def offset_s(self) -> float:
        """How far the server's clock is from this machine's."""
        there = self.receive_ns + self.transmit_ns
        return (there - self.sent_ns - self.received_ns) / 2e9

    def tells(self, offset_s: float = 0, tolerance_ns: int = 1_000_000) -> bool:
        """Whether its timestamps are of a clock that is so far ahead: in order, and
        between sending and receiving. A slow way, there or back, does not matter."""
        ahead_ns = int(offset_s * 10**9)
        return (self.sent_ns - tolerance_ns <= self.receive_ns - ahead_ns
                <= self.transmit_ns - ahead_ns <= self.received_ns + tolerance_ns)

    def without_times(self) -> bytes:
        """All but the timestamps, and the dispersion that grows with them."""
        return self.octets[:8] + self.octets[12:16] + self.octets[24:32] + self.octets[48:]

    def without_own(self) -> bytes:
        """What two servers of the same settings say alike, whatever the request: each
        measures the precision of its clock."""
        return self.octets[:3] + self.octets[4:8] + self.octets[12:16] + self.octets[48:]


def now_ns() -> int:
    return time.time_ns()


def checksum(octets: bytes) -> int:
    """The internet checksum. RFC 1071."""
    octets += bytes(len(octets) % 2)
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def pseudo_header(source: str, target: str, length: int) -> bytes:
    source, target = (ipaddress.ip_address(it) for it in (source, target))
    if source.version == 4:
        return source.packed + target.packed + struct.pack("!HH", UDP, length)
    return source.packed + target.packed + struct.pack("!II", length, UDP)


def udp(source: tuple[str, int], target: tuple[str, int], payload: bytes,
        sum_of: int | None = None) -> bytes:
    """A datagram with its whole checksum, or with that of `sum_of`."""
    length = 8 + len(payload)
    ports = struct.pack("!HHH", source[1], target[1], length)
    if sum_of is None:
        pseudo = pseudo_header(source[0], target[0], length)
        sum_of = checksum(pseudo + ports + bytes(2) + payload) or 0xFFFF
    return ports + struct.pack("!H", sum_of) + payload


def ipv4(source: str, target: str, payload: bytes, *, options: bytes = b"",
         fragment: int = 0, spoilt: bool = False) -> bytes:
    """A packet; `fragment` is the word with the flags and the offset."""
    words = 5 + len(options) // 4
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x40 | words, 0, 4 * words + len(payload), 7, fragment, 64, UDP, 0,
        ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed) + options
    summed = checksum(header) ^ spoilt
    return header[:10] + struct.pack("!H", summed) + header[12:] + payload


def ipv6(source: str, target: str, payload: bytes, next_header: int = UDP) -> bytes:
    return struct.pack(
        "!IHBB16s16s", 6 << 28, len(payload), next_header, 64,
        ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed) + payload


def ethernet(source: bytes, target: bytes, payload: bytes, vlan: int | None = None) -> bytes:
    kind = ETHERTYPE_IPV4 if payload[0] >> 4 == 4 else ETHERTYPE_IPV6
    tag = b"" if vlan is None else struct.pack("!HH", ETHERTYPE_VLAN, vlan)
    return target + source + tag + struct.pack("!H", kind) + payload


def is_whole(frame: bytes) -> bool:
    """Whether the checksums of a reply's frame, IP's and UDP's, are right."""
    packet = frame[14:]
    if packet[0] >> 4 == 4:
        source, target = (str(ipaddress.ip_address(packet[at:at + 4])) for at in (12, 16))
        if checksum(packet[:20]) != 0:
            return False
        datagram = packet[20:struct.unpack("!H", packet[2:4])[0]]
    else:
        source, target = (str(ipaddress.ip_address(packet[at:at + 16])) for at in (8, 24))
        datagram = packet[40:40 + struct.unpack("!H", packet[4:6])[0]]
    return checksum(pseudo_header(source, target, len(datagram)) + datagram) == 0
