"""Which cells of the table CI holds to what is written: those that came out the same each
time the table was made, and that take no more than a minute and a half."""

from clients import ALL

# The last change of a scenario that a client which stays lives through, in s.
_SOON_S = 11
# Clients that stay and are quick to settle.
_STAY = {"chronyd -x", "NTPsec ntpd"}
# More changes than that, and `chronyd -Q` takes too long: it needs seconds for each answer.
_FEW = 2

# Which of several servers is wrong by chance, or which replies of a burst are.
_BY_CHANCE = {
    "bit-flips", "jitter", "late-reply", "loss-burst", "loss-first", "loss-random", "step",
}
# So few replies are good that a client which stays needs minutes.
_FEW_GOOD = {"wrong-mode", "zero-timestamps"}
# It believes a forged reply or not, whichever of those to its four requests is best.
_TAKES_FORGED = {("ntpdig", "reply-from-elsewhere")}
# It takes one of several servers, whichever answered best.
_TAKES_ONE = {"ntpdig"}


def is_held(client, script):
    """Whether this client (its name) is held to its outcome in this scenario."""
    settles_s = next(each.settles_s for each in ALL if each.name == client)
    if (client, script.name) in _TAKES_FORGED or script.name in _BY_CHANCE:
        return False
    if client in _TAKES_ONE and script.is_vote:
        return False
    if settles_s is not None:
        is_quick = script.last_change_s() <= _SOON_S and not script.kisses
        return client in _STAY and is_quick and script.name not in _FEW_GOOD
    return client != "chronyd -Q" or len(script.changes_s()) <= _FEW
