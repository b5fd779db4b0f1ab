"""What is wrong with a teaser as it stands: rests of "read more", capitals, cut-off quotations."""

from __future__ import annotations

from dataclasses import dataclass

from digest.picking.folding import fold
from digest.picking.teasers.cleaning import READ_MORE

_PAIRS = (("“", "”"), ("«", "»"), ("「", "」"), ("『", "』"), ("(", ")"), ("（", "）"), ("《", "》"))
LEAST_CAPITALS = 12  # letters


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that an editor would change; ``rule`` is a stable name, ``message`` a sentence."""

    rule: str
    message: str


def lint(teaser: str, headline: str) -> tuple[Flaw, ...]:
    """The flaws of a teaser under its headline; none for a good one. An empty teaser is no flaw."""
    if not teaser:
        return ()
    flaws = []
    if READ_MORE.search(teaser):
        flaws.append(Flaw("teaser-read-more", 'the teaser ends in a rest of "read more"'))
    letters = [ch for ch in teaser if ch.isalpha() and ch.lower() != ch.upper()]
    if len(letters) >= LEAST_CAPITALS and all(ch.isupper() for ch in letters):
        flaws.append(Flaw("teaser-all-caps", "the teaser is all capitals"))
    if _quotation_is_open(teaser):
        flaws.append(Flaw("teaser-quotation", "a quotation or bracket in the teaser is cut off"))
    if fold(teaser).rstrip(".…") == fold(headline).rstrip(".…"):
        flaws.append(Flaw("teaser-is-headline", "the teaser only repeats the headline"))
    return tuple(flaws)


def _quotation_is_open(text: str) -> bool:
    if text.count('"') % 2:
        return True
    if "„" in text:  # German and Polish open below and close with what opens in English
        return text.count("„") > text.count("“") + text.count("”")
    return any(text.count(opening) > text.count(closing) for opening, closing in _PAIRS)
