"""Which language a text is in, by script and by its commonest words; no model, no table on disk.

The source's declaration comes first; this is for those that declare nothing. It answers only when
it is sure: an empty string is better than a wrong ``dir`` or hyphenation.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

_SAMPLE = 800  # code points
_FEWEST_LETTERS = 12
_WORD = re.compile(r"[^\W\d_]+")
_NO_LETTERS = {code: " " for code in range(128) if not chr(code).isalpha()}
_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_SCRIPTS = {
    "GREEK": "el",
    "HEBREW": "he",
    "THAI": "th",
    "HANGUL": "ko",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "CJK": "zh",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "TELUGU": "te",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "SINHALA": "si",
    "ARMENIAN": "hy",
    "GEORGIAN": "ka",
    "AMHARIC": "am",
    "ETHIOPIC": "am",
    "KHMER": "km",
    "LAO": "lo",
    "MYANMAR": "my",
}
# Letters that only one of the languages of a script writes.
_LETTERS = {
    "ARABIC": (("ur", "ٹڈڑںےھہۓ"), ("ps", "ټډړښځڅ"), ("fa", "پچژگکی"), ("ar", "")),
    "CYRILLIC": (("uk", "іїєґ"), ("be", "ў"), ("sr", "ђћџљњј"), ("kk", "қңұүһәө"), ("ru", "ыэё"), ("ru", "")),
    "DEVANAGARI": (("mr", "ळ"), ("hi", "")),
}  # fmt: skip
_COMMON = {
    "en": "the of and to in is that for on with as was at by from has have it be this are will an after said",
    "de": "der die das und in den von zu mit ist des auf für im dem nicht ein eine sich auch nach bei über",
    "fr": "le la les de des et en du un une est que pour dans par sur au aux qui plus avec pas ce son sont",
    "es": "el la los las de del que y en un una por con para se su al es como más lo pero sus no ha este",
    "it": "il la di che e in un una per con del della è non si da dei le al nel sono alla più gli ha",
    "pt": "o a os as de do da que e em um uma para com por não se na no dos mais ao foi como são das",
    "nl": "de het een van en in is dat op te voor met niet zijn aan er ook die naar bij uit door heeft om",
    "sv": "och att det i en som på är av för med den till inte har om ett de var från men sig efter",
    "da": "og at det i en som på er af for med den til ikke har om et de var fra men sig efter blev også",
    "no": "og at det i en som på er av for med den til ikke har om et de var fra men seg etter ble også",
    "fi": "ja on ei se että oli hän mukaan myös ovat mutta kun sen joka vuoden voi ole ollut",
    "pl": "i w na z się nie do to że jest o jak po od za przez dla przy ale są był tym oraz",
    "cs": "a v na se že je z do o s to jako za by ale pro podle po jsou byl které také",
    "hu": "a az és hogy nem is egy volt meg azt de mint már csak még ez után szerint",
    "ro": "și în de la a cu pe din nu o să că mai care pentru un este au fost lui sau",
    "tr": "ve bir bu da de için ile olarak çok daha olan gibi kadar sonra ise en göre dedi",
    "id": "yang dan di dari dengan untuk ini pada tidak akan dalam itu juga ke oleh sebagai telah",
    "vi": "và của là các trong có được cho một không với những người này đã để khi theo tại",
    "sw": "na ya wa kwa ni katika za la cha hii kuwa hiyo baada watu alisema",
}


def declared(tag: str | None) -> str:
    """A BCP 47 tag in its usual case, or empty when what was declared is none."""
    tag = (tag or "").strip()
    if not _TAG.fullmatch(tag) or len(tag) > 35 or tag.lower() in {"und", "mul", "zxx"}:
        return ""
    first, *rest = tag.replace("_", "-").split("-")
    cased = [part.title() if len(part) == 4 else part.upper() if len(part) == 2 else part for part in rest]
    return "-".join([first.lower(), *cased])


def detect(text: str) -> str:
    """The language of ``text`` as a two-letter tag, or empty when that is not certain."""
    sample = text[:_SAMPLE]
    plain = len(sample.encode("ascii", "ignore"))
    if plain >= len(sample) * 0.8:
        return _by_words(sample) if plain >= _FEWEST_LETTERS else ""
    letters = Counter({ch: count for ch, count in Counter(sample).items() if ch.isalpha()})
    total = letters.total()
    if total < 4:
        return ""
    return _by_script(letters, total) or (_by_words(sample) if total >= _FEWEST_LETTERS else "")


def _by_script(letters: Counter[str], total: int) -> str:
    scripts: Counter[str] = Counter()
    for ch, count in letters.items():
        scripts[_script(ch)] += count
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if kana and kana + scripts["CJK"] > total * 0.5:
        return "ja"
    script, count = scripts.most_common(1)[0]
    if count < total * 0.6:
        return ""
    if script in _SCRIPTS:
        return _SCRIPTS[script]
    for language, special in _LETTERS.get(script, ()):
        if not special or sum(letters[ch] for ch in special) >= max(1, total // 200):
            return language
    return ""


@lru_cache(maxsize=8192)
def _script(ch: str) -> str:
    return unicodedata.name(ch, "").partition(" ")[0].partition("-")[0]


def _by_words(sample: str) -> str:
    if sample.isascii():
        words = sample.lower().translate(_NO_LETTERS).split()
    else:
        words = _WORD.findall(unicodedata.normalize("NFC", sample).lower())
    if not words:
        return ""
    table = _table()
    scores = Counter(language for word in words if word in table for language in table[word])
    (best, score), (_, second) = [*scores.most_common(2), ("", 0), ("", 0)][:2]
    return best if score >= 0.12 * len(words) and score - second >= 0.03 * len(words) else ""


@lru_cache(maxsize=1)
def _table() -> dict[str, list[str]]:
    """The languages in which a word is common."""
    table: dict[str, list[str]] = {}
    for language, words in _COMMON.items():
        for word in dict.fromkeys(words.split()):
            table.setdefault(word, []).append(language)
    return table
