"""What an outcome is worth: by how far off is a client, and was there a reply that it
should have taken?"""

from dataclasses import dataclass

TOLERANCE_S = 0.010
# What a client misses by so little, a busy machine may have cost it.
_SMALL_S = 0.200
# A root distance from which on a client may refuse (RFC 5905: MAXDIST).
_DISTANT_S = 1.0
_LATE_S = 1.0


@dataclass(frozen=True)
class Outcome:
    """How one client did in one scenario, or in a part of it."""

    passes: bool
    why: str = ""
    # Whether a machine that was busy may be the reason.
    is_doubtful: bool = False


def off_by(offset_s, right_s):
    """How far an offset is outside of what was right between two moments, in s."""
    low, high = min(right_s), max(right_s)
    return max(offset_s - high, 0.0) or min(offset_s - low, 0.0)


def rounded(seconds):
    """A difference for people: rounded, so that it is the same in each run."""
    for unit, name in ((86400, "d"), (3600, "h"), (1, "s")):
        if abs(seconds) >= 0.99 * unit:
            return f"{seconds / unit:+.3g} {name}"
    return f"{seconds * 1e3:+.0f} ms"


def exchanges(records, servers):
    """What became of each request to one of these servers: what is wrong
    with the reply, or an empty text."""
    asked, seen = {}, set()
    for record in records:
        if record.endpoint not in servers:
            continue
        if record.direction == "in":
            asked[record.number] = (record, "no reply")
        elif record.number in asked:
            request, wrong = asked[record.number]
            # Of several the best counts: a client has to find it.
            if wrong:
                wrong = flaw(request, record)
                transmit = (record.endpoint, record.octets[40:48])
                if not wrong and transmit in seen:
                    wrong = "the transmit timestamp of an earlier reply"
                seen.add(transmit)
                asked[record.number] = (request, wrong)
    return [wrong for _, wrong in asked.values()]


def flaw(request, reply):
    """Why a client may refuse a reply; an empty text if it has no reason to. What it must
    refuse begins with an exclamation mark."""
    octets = reply.octets
    if reply.local != request.local:
        return "!a reply from another address or port"
    if len(octets) < 48:
        return "!a reply of less than 48 octets"
    leap, version, mode = octets[0] >> 6, octets[0] >> 3 & 7, octets[0] & 7
    if mode != 4:
        return f"!a reply of mode {mode}"
    if not 1 <= version <= 4:
        return f"!a reply of version {version}"
    if octets[24:32] != request.octets[40:48]:
        return "!a reply with a foreign origin timestamp"
    if octets[1] == 0:
        return "!a kiss-o'-death or an unsynchronised server (stratum 0)"
    if leap == 3:
        return "!an unsynchronised server (leap indicator 3)"
    if octets[1] > 15:
        return "!an unsynchronised server (stratum 16)"
    receive, transmit = octets[32:40], octets[40:48]
    if transmit == bytes(8) or receive == bytes(8):
        return "!a reply with a zero timestamp"
    ahead = (int.from_bytes(transmit, "big") - int.from_bytes(receive, "big")) % 2**64
    if ahead >= 2**63:
        return "!a reply that left before its request came"
    delay, dispersion = (int.from_bytes(octets[at : at + 4], "big") / 65536 for at in (4, 8))
    if delay / 2 + dispersion >= _DISTANT_S:
        return "a root distance above 1 s"
    reference = octets[16:24]
    if reference == bytes(8) or (_since(transmit, reference) or 0) < 0:
        return "an odd reference timestamp"
    if len(octets) > 48:
        return "more than 48 octets"
    if octets[12:16] == bytes(int(part) for part in request.peer.rpartition(":")[0].split(".")):
        return "a server that says that it follows the client"
    if reply.at - request.at > _LATE_S:
        return "a late reply"
    return ""


def _since(later, earlier):
    difference = (int.from_bytes(later, "big") - int.from_bytes(earlier, "big")) % 2**64
    return difference - 2**64 if difference >= 2**63 else difference


def judge(script, offset_s, right_s, flaws):
    """One answer of a client.

    offset_s: what it said, or None.
    right_s: what was right when it was asked and when it had answered.
    flaws: of the replies that it got in between.
    """
    if offset_s is not None:
        off_s = off_by(offset_s, [right + script.unavoidable_s for right in right_s])
        if abs(off_s) > TOLERANCE_S:
            return Outcome(False, f"off by {rounded(off_s)}", abs(off_s) < _SMALL_S)
        if flaws and all(flaw.startswith("!") for flaw in flaws):
            return Outcome(False, f"took {flaws[-1][1:]}")
        return Outcome(True)
    if script.may_refuse or not flaws or any(flaws):
        return Outcome(True, "refused")
    return Outcome(False, "no time, though every reply was good")
