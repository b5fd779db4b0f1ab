"""Which headlines tell the same story: an inverted index over their words, and shingles of the texts.

Scored on 999 labelled pairs of headlines, TF-IDF cosine beats Jaccard, token_set_ratio, MinHash and
simhash; a veto when both have numbers and share none lifts precision from .86 to .90 at the same
recall. Titles are compared with a cluster's representative only, so that no chains form. Linked at
``LINK``; merged only where measured precision is at least .97 (``MERGE``), because a wrong merge hides
a story.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Generic, TypeVar

LINK = 0.62
MERGE = 0.86
SAME_TEXT = 0.5  # share of a text's opening shingles found in the other
WINDOW = timedelta(hours=72)
SKETCH = 4  # the smallest hashes of a text's shingles, kept to find the same text again
_OPENING = 600  # code points
_SHINGLE = 4  # words
_FEWEST_SHINGLES = 12  # a shorter text is a formula that many stories share
_FEWEST_WORDS = 3  # a title of fewer words says too little to merge on
_LOOKING = 10  # times the cost of counting one posting
_FINE = 1_000_000  # steps of a weight of one
_FEWEST_TITLES = 1024  # below this many titles rarity says nothing yet

Key = TypeVar("Key", bound=Hashable)

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:[’'][^\W\d_]{2,})?")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_ASCII_WORDS = bytes(code if chr(code).isalnum() or code == ord("_") else ord(" ") for code in range(128)) * 2
_WORDS_OF_FORM = frozenset(
    """
    the a an of and to in is that for on with as was at by from has have it be this are will after over not
    new says say said its his her their he she they we you i but or if than into about up out no more der
    die das und den von zu mit ist des auf für im dem nicht ein eine sich auch nach bei le la les de du et
    un une est que pour dans par sur au aux qui en se ne pas el los las del y una con su al o os do da e em
    um uma com na il di che per non si
    """.split()
)
_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        """
        zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen twenty
        """.split()
    )
}


def title_words(title: str) -> tuple[str, ...]:
    """The words by which a title is compared, each once, in their order; bigrams of characters for CJK."""
    text = unicodedata.normalize("NFKD", title).casefold()
    text = "".join(ch for ch in text if not unicodedata.combining(ch)) if not text.isascii() else text
    found: dict[str, None] = {}
    if not text.isascii() and _CJK.search(text):
        for run in _CJK.findall(text):
            found.update(dict.fromkeys(run[at : at + 2] for at in range(max(1, len(run) - 1))))
        text = _CJK.sub(" ", text)
    for token in _TOKEN.findall(text):
        found[_stem(token)] = None
    return tuple(found)


def text_sketch(text: str) -> tuple[str, ...]:
    """The smallest hashes of the 4-word shingles that open a text: equal texts have equal sketches."""
    words = _opening_words(text)
    if len(words) < _FEWEST_SHINGLES + _SHINGLE - 1:
        return ()
    joined = b" ".join(words)
    starts = [0, *accumulate([len(word) + 1 for word in words])]
    hashes = {
        zlib.crc32(joined[start : end - 1]) for start, end in zip(starts, starts[_SHINGLE:], strict=False)
    }
    if len(hashes) < _FEWEST_SHINGLES:
        return ()
    return tuple(f"#{number:08x}" for number in sorted(hashes)[:SKETCH])


def text_likeness(one: str, other: str) -> float:
    """The share of the shorter opening's shingles that the other has, 0 to 1; 0 when one is too short."""
    first, second = _shingles(one), _shingles(other)
    if min(len(first), len(second)) < _FEWEST_SHINGLES:
        return 0.0
    return len(first & second) / min(len(first), len(second))


@dataclass(frozen=True, slots=True)
class Match(Generic[Key]):
    """A stored title like the asked one; ``likeness`` is the cosine, 0 to 1."""

    key: Key
    likeness: float
    merges: bool


class TitleIndex(Generic[Key]):
    """Titles of cluster representatives, found again by the words that they share."""

    def __init__(self) -> None:
        self._titles: dict[Key, tuple[Key, str, datetime, *tuple[Any, ...]]] = {}
        self._postings: defaultdict[str, list[Key]] = defaultdict(list)
        # The number of titles, rounded up to a power of two, so that weights can be kept by frequency.
        self._total = _FEWEST_TITLES
        self._weights: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._titles)

    def add(self, key: Key, words: Sequence[str], at: datetime) -> None:
        """Add a representative's title (its ``title_words``), told at ``at``."""
        self.fill([(key, " ".join(words), at)])

    def fill(self, titles: Iterable[tuple[Key, str, datetime, *tuple[Any, ...]]]) -> None:
        """Add many: key, the title's words joined by spaces (they are taken apart when needed), time, and
        whatever else is to be had back by ``held``."""
        known, postings = self._titles, self._postings
        for title in titles:
            key = title[0]
            if key in known:
                self.discard(key)
            known[key] = title
            for word in title[1].split():
                postings[word].append(key)
        while len(known) > self._total:
            self._total *= 2
            self._weights.clear()

    def held(self, key: Key) -> tuple[Key, str, datetime, *tuple[Any, ...]]:
        """What was added under ``key``."""
        return self._titles[key]

    def discard(self, key: Key) -> None:
        """Forget a title."""
        if key in self._titles:
            for word in self._titles.pop(key)[1].split():
                self._postings[word].remove(key)

    def matches(self, words: Sequence[str], at: datetime, *, threshold: float = LINK) -> list[Match[Key]]:
        """Titles within 72 hours whose cosine is at least ``threshold``, the likest first."""
        weights = {word: self._weight(word) for word in words}
        norm = sum(weights.values())
        if not norm:
            return []
        asked, weight_of, titles = weights.keys(), weights.__getitem__, self._titles
        numbers = {word for word in asked if word[0].isdigit()}
        found: list[Match[Key]] = []
        wanted = math.ceil(norm * threshold * threshold)
        for key in self._candidates(weights, wanted):
            title = titles[key]
            told, told_at = title[1], title[2]
            theirs = told.split()
            shared = asked & theirs
            dot = sum(map(weight_of, shared))
            if dot < wanted or abs(told_at - at) > WINDOW:
                continue
            their_norm = dot + sum(self._weight(word) for word in theirs if word not in weights)
            cosine = dot / math.sqrt(norm * their_norm)
            if cosine < threshold:
                continue
            their_numbers = {word for word in theirs if word[0].isdigit()}
            if numbers and their_numbers and not numbers & their_numbers:
                continue
            found.append(Match(key, cosine, _merges(cosine, len(asked), len(theirs), numbers, their_numbers)))
        return sorted(found, key=lambda match: -match.likeness)

    def _candidates(self, weights: Mapping[str, int], wanted: int) -> Iterable[Key]:
        """Titles that may share words of at least ``wanted`` weight (a norm is never below the dot product,
        so less cannot reach the threshold).

        The commonest words, with the longest lists, are not looked up: what they could add is granted to
        everybody. Either so many are left out that one shared word of the rest is a reason to look, or so
        few that it takes two; counting is some ten times cheaper than looking.
        """
        ordered = sorted(weights, key=weights.__getitem__, reverse=True)
        one = _without_commonest(ordered, weights, wanted)
        two = _without_commonest(ordered, weights, wanted - weights[ordered[0]])
        lists = [self._postings[word] for word in one if word in self._postings]
        more = [self._postings[word] for word in two if word in self._postings]
        if weights[ordered[0]] >= wanted or sum(map(len, more)) > _LOOKING * sum(map(len, lists)):
            return set().union(*lists)
        seen: set[Key] = set()
        twice: set[Key] = set()
        for held in more:
            twice.update(seen.intersection(held))
            seen.update(held)
        return twice

    def _weight(self, word: str) -> int:
        """The squared inverse frequency of a word: rare words tell stories apart.

        A whole number, so that a sum is the same in whatever order its words come.
        """
        held = len(self._postings.get(word, ())) + 1
        if word in _WORDS_OF_FORM:
            held += self._total // 12
        weight = self._weights.get(held)
        if weight is None:
            weight = self._weights[held] = round(_FINE * math.log(1 + self._total / held) ** 2)
        return weight


def _without_commonest(ordered: Sequence[str], weights: Mapping[str, int], room: int) -> Sequence[str]:
    """``ordered`` (the heaviest first) without as many of its lightest words as weigh less than ``room``."""
    granted, end = 0, len(ordered)
    while end > 1 and granted + weights[ordered[end - 1]] < room:
        end -= 1
        granted += weights[ordered[end]]
    return ordered[:end]


def _merges(cosine: float, asked: int, theirs: int, numbers: set[str], their_numbers: set[str]) -> bool:
    return cosine >= MERGE and numbers == their_numbers and min(asked, theirs) >= _FEWEST_WORDS


@dataclass(frozen=True, slots=True)
class Headline(Generic[Key]):
    """A title to be clustered."""

    key: Key
    title: str
    at: datetime


def cluster(headlines: Iterable[Headline[Key]], *, threshold: float = LINK) -> dict[Key, Key]:
    """For each headline its cluster's representative (itself, when it is the first to tell the story)."""
    index: TitleIndex[Key] = TitleIndex()
    representative: dict[Key, Key] = {}
    for headline in headlines:
        words = title_words(headline.title)
        like = index.matches(words, headline.at, threshold=threshold)
        representative[headline.key] = like[0].key if like else headline.key
        if not like:
            index.add(headline.key, words, headline.at)
    return representative


def _stem(token: str) -> str:
    """Number words as digits; possessives and plurals without their ending."""
    token = token.replace("’", "'")
    if token[0].isdigit():
        return token.replace(",", "")
    token = token.removesuffix("'s")
    if token in _NUMBER_WORDS:
        return _NUMBER_WORDS[token]
    if len(token) > 4 and token.endswith("s") and not token.endswith(("ss", "us", "is")):
        return token[:-3] + "y" if token.endswith("ies") else token[:-1]
    return token


def _shingles(text: str) -> set[tuple[bytes, ...]]:
    words = _opening_words(text)
    return {tuple(words[at : at + _SHINGLE]) for at in range(len(words) - _SHINGLE + 1)}


def _opening_words(text: str) -> list[bytes]:
    """The words of a text's first 600 characters, in UTF-8; characters where there are no spaces."""
    opening = text[:_OPENING]
    if opening.isascii():
        return opening.lower().encode().translate(_ASCII_WORDS).split()
    opening = unicodedata.normalize("NFKC", opening).casefold()
    words = re.findall(r"\w+", opening)
    if len(words) < 20 and _CJK.search(opening):
        words = [ch for ch in opening if ch.isalnum()]
    return [word.encode() for word in words]
