"""What is known of mail domains: throw-away providers, and the big ones that are often mistyped.

Both lists were written by hand and are only ever the ground for a warning.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

DISPOSABLE_DOMAINS: Final = frozenset(
    """
    0-mail.com 10minutemail.com 10minutemail.net 20minutemail.com 33mail.com anonbox.net
    armyspy.com boun.cr bouncr.com burnermail.io byom.de cuvox.de dayrep.com deadaddress.com
    discard.email discardmail.com discardmail.de dispostable.com dropmail.me einrot.com
    emailondeck.com emailtemporario.com.br fakeinbox.com fakemail.net fleckens.hu getairmail.com
    getnada.com grr.la guerrillamail.biz guerrillamail.com guerrillamail.de guerrillamail.info
    guerrillamail.net guerrillamail.org guerrillamailblock.com gustr.com harakirimail.com
    inboxbear.com inboxkitten.com incognitomail.org jetable.org jourrapide.com mail-temp.com
    mailcatch.com maildrop.cc mailexpire.com mailinator.com mailinator.net mailinator2.com
    mailmetrash.com mailnesia.com mailnull.com mailpoof.com mailsac.com mailtemp.info meltmail.com
    mintemail.com minutemail.com moakt.com mohmal.com mytemp.email mytrashmail.com nada.email
    no-spam.ws nowmymail.com objectmail.com onewaymail.com pokemail.net rhyta.com sharklasers.com
    shortmail.net sneakemail.com sofort-mail.de spam4.me spambog.com spambox.us spamex.com
    spamfree24.org spamgourmet.com spamhole.com spaml.com superrito.com teleworm.us temp-mail.io
    temp-mail.org tempail.com tempinbox.com tempmail.com tempmail.dev tempmail.net tempmailo.com
    tempr.email throwam.com throwawaymail.com tmail.ws tmpmail.net tmpmail.org trash-mail.com
    trashmail.at trashmail.com trashmail.de trashmail.me trashmail.net trbvm.com wegwerfmail.de
    wegwerfmail.net wegwerfmail.org yopmail.com yopmail.fr yopmail.net zetmail.com
    """.split()
)

_OFTEN_MISTYPED: Final = (
    "gmail.com",
    "googlemail.com",
    "yahoo.com",
    "yahoo.co.uk",
    "yahoo.co.in",
    "hotmail.com",
    "hotmail.co.uk",
    "outlook.com",
    "icloud.com",
    "live.com",
    "aol.com",
    "msn.com",
    "protonmail.com",
    "rediffmail.com",
    "comcast.net",
    "gmx.de",
    "gmx.net",
    "web.de",
)
# Real domains that lie one slip from a bigger one.
_REAL_NEIGHBOURS: Final = frozenset(
    """
    ymail.com email.com mail.com gmx.com gmx.at gmx.ch gmx.us live.ca live.co.uk live.fr live.de
    live.it live.nl live.se live.no live.dk live.be live.in live.cn yahoo.co.jp yahoo.ca yahoo.co
    hotmail.co hotmail.ca hotmail.fr hotmail.de hotmail.it hotmail.es hotmail.be hotmail.ch
    outlook.fr outlook.de outlook.es outlook.it outlook.in outlook.pt outlook.co me.com mac.com
    mailo.com gmal.de aon.com aol.co.uk aol.de aol.fr aol.it msn.cn web.nl web.at web.ru ozu.es
    love.com line.com five.com life.com give.com life.de gmail.de ail.com ao.com
    """.split()
)
_SLIPPED_ENDINGS: Final = (".con", ".cmo", ".ocm", ".vom", ".comm", ".coom", ".cpm", ".xom")


@lru_cache(maxsize=65_536)
def likely_meant(domain: str) -> str | None:
    """Return the well-known domain that ``domain`` is one slip away from, or ``None``.

    A slip is a letter too many, too few, wrong, or two swapped (Damerau, 1964).
    """
    if domain in _OFTEN_MISTYPED or domain in _REAL_NEIGHBOURS:
        return None
    for known in _OFTEN_MISTYPED:
        if abs(len(known) - len(domain)) <= 1 and _one_slip(domain, known):
            return known
    for ending in _SLIPPED_ENDINGS:
        if domain.endswith(ending):
            return domain.removesuffix(ending) + ".com"
    return None


def _one_slip(one: str, other: str) -> bool:
    if len(one) > len(other):
        one, other = other, one
    start = 0
    while start < len(one) and one[start] == other[start]:
        start += 1
    if len(one) < len(other):
        return one[start:] == other[start + 1 :]
    if one[start + 1 :] == other[start + 1 :]:
        return one != other
    swapped = one[start + 1 : start + 2] + one[start : start + 1]
    return swapped == other[start : start + 2] and one[start + 2 :] == other[start + 2 :]
