"""Dates as they stand in feeds and pages, read strictly: a wrong date is worse than none.

feedparser gives None for German and French months, ``24:00:00`` and "December 27, 2021", and *wrong*
dates for Unix timestamps, ``2021年12月27日``, ``0000-00-00``, ``IST``
and ``UTC+5``; so all dates are read here.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
TOLERANCE = timedelta(days=2)  # how far in the future a date may be

# English, German, French, Spanish, Italian, Portuguese, Dutch, Turkish, Indonesian, Polish, Swedish,
# Danish, Russian, Hungarian, Greek, Hindi, Arabic: by the letters that tell them apart.
_MONTHS = (
    "jan januar january janvier janv enero ene gennaio gen janeiro januari ocak januará januari stycznia sty "
    "января янв január ιαν ιανουαριου जनवरी يناير jänner",
    "feb februar february fevrier fevr febrero febbraio fevereiro fev februari subat lutego lut "
    "февраля фев φεβ φεβρουαριου फरवरी फ़रवरी فبراير",
    "mar march marz mars marzo marco maart mart maret marca mrt mrz "
    "марта мар marcius μαρ μαρτιου μάρτ मार्च مارس μαϊ",
    "apr april avril avr abril abr aprile nisan kwietnia kwi апреля апр aprilis απρ απριλιου "
    "अप्रैल ابريل أبريل",
    "may mai mayo maggio mag maio mei mayis maja maj мая май majus μαι μαιου मई مايو",
    "jun june juni juin junio giugno giu junho haziran czerwca cze июня июн junius ιουν ιουνιου जून يونيو",
    "jul july juli juillet juil julio luglio lug julho temmuz lipca lip июля июл julius ιουλ ιουλιου "
    "जुलाई يوليو",
    "aug august aout agosto ago augustus agustus agustos sierpnia sie августа авг augusztus αυγ αυγουστου "
    "अगस्त أغسطس اغسطس",
    "sep sept september septembre septiembre setiembre settembre set setembro eylul wrzesnia wrz сентября "
    "сен сент szeptember σεπ σεπτ σεπτεμβριου सितंबर सितम्बर سبتمبر",
    "oct okt october oktober octobre octubre ottobre ott outubro out ekim pazdziernika paz октября окт "
    "οκτ οκτωβριου अक्टूबर अक्तूबर أكتوبر اكتوبر",
    "nov november novembre noviembre novembro kasim listopada lis ноября ноя νοε νοεμβριου नवंबर नवम्बर نوفمبر",
    "dec dez december dezember decembre diciembre dic dicembre dezembro aralik des desember grudnia gru "
    "декабря дек δεκ δεκεμβριου दिसंबर दिसम्बर ديسمبر",
)
# Names of zones, in minutes from UTC. Left out: those that mean several zones (IST, BST of Bangladesh,
# CST of China) unless RFC 822 or the field's use settles them; "IST" is refused rather than guessed.
_ZONES = {
    "ut": 0, "utc": 0, "gmt": 0, "z": 0, "wet": 0, "west": 60, "bst": 60, "cet": 60, "mez": 60, "met": 60,
    "cest": 120, "mesz": 120, "mest": 120, "eet": 120, "eest": 180, "msk": 180, "trt": 180, "gst": 240,
    "pkt": 300, "npt": 345, "wib": 420, "ict": 420, "hkt": 480, "sgt": 480, "pht": 480, "myt": 480,
    "awst": 480, "jst": 540, "kst": 540, "acst": 570, "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780,
    "est": -300, "edt": -240, "et": -300, "cst": -360, "cdt": -300, "ct": -360, "mst": -420, "mdt": -360,
    "mt": -420, "pst": -480, "pdt": -420, "pt": -480, "ast": -240, "adt": -180, "at": -240, "nst": -210,
    "brt": -180, "art": -180, "akst": -540, "akdt": -480, "hst": -600, "etc/gmt": 0, "etc/utc": 0,
}  # fmt: skip
_DIGITS = str.maketrans(
    "٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९０１２３４５６７８９", "0123456789012345678901234567890123456789"
)
_TIME = (
    r"(?P<h>\d{1,2})[:.h](?P<mi>\d{2})(?:[:.](?P<s>\d{2})(?:[.,]\d{1,9})?)?\s*(?P<ap>[ap]\.?m\.?)?(?:\s*uhr)?"
)
_ZONE = r"(?P<z>z|[+-]\d{2}:?\d{2}|[+-]\d{1,2}|(?:utc|gmt)\s*[+-]\d{1,2}(?::?\d{2})?|[a-z]{1,5}(?:/[a-z_]+)?)"
_TAIL = rf"(?:[,\s]*(?:t|at|um|a|à|o'clock|-|–|\||•)?[\s]*{_TIME}(?:\s*\(?{_ZONE}\)?)?(?:\s*\([a-z ]+\))?)?"
_WEEKDAY = r"(?:[^\s\d,.]{2,14}\.?,?\s+)?"
_FORMS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # ISO 8601 and its cousins: 2021-12-27T10:00:00+02:00, 2021/12/27 10:00, 2021-12-27
        rf"(?P<y>\d{{4}})[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}})(?:[t\s,]+{_TIME}(?:\s*{_ZONE})?)?",
        # 20211227T100000Z
        r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?:t?(?P<h>\d{2})(?P<mi>\d{2})(?P<s>\d{2})?(?P<ap>)(?P<z>z|[+-]\d{2}:?\d{2})?)?",
        # RFC 822 and European: Mon, 27 Dec 2021 10:00:00 +0000; 27. Dezember 2021; 27 de diciembre de 2021
        rf"{_WEEKDAY}(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|\.|º|-)?\s*(?:de\s+|of\s+)?(?P<mn>[^\s\d,./:-]{{3,14}})\.?,?[\s-]*(?:de\s+)?(?P<y>\d{{4}}|\d{{2}}){_TAIL}",
        # American: December 27, 2021 10:00 AM
        rf"{_WEEKDAY}(?P<mn>[^\s\d,./:-]{{3,14}})\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}}){_TAIL}",
        # asctime: Mon Dec 27 10:00:00 2021
        rf"[^\W\d]{{2,4}}\s+(?P<mn>[^\s\d,./:-]{{3,9}})\s+(?P<d>\d{{1,2}})\s+{_TIME}\s+(?:{_ZONE}\s+)?(?P<y>\d{{4}})",
        # 27.12.2021 10:00; with slashes only when the day cannot be a month
        rf"(?P<d>\d{{1,2}})\.\s?(?P<m>\d{{1,2}})\.\s?(?P<y>\d{{4}}){_TAIL}",
        rf"(?P<d>1[3-9]|2\d|3[01])[/-](?P<m>\d{{1,2}})[/-](?P<y>\d{{4}}){_TAIL}",
        rf"(?P<m>\d{{1,2}})/(?P<d>1[3-9]|2\d|3[01])/(?P<y>\d{{4}}){_TAIL}",
        # 2021年12月27日 10:00; 2021년 12월 27일
        r"(?P<y>\d{4})\s*[年년]\s*(?P<m>\d{1,2})\s*[月월]\s*(?P<d>\d{1,2})\s*[日일]"
        r"(?:\s*[^\d\s]{0,5}\s*(?P<h>\d{1,2})[:時时시]\s*(?P<mi>\d{2})[分분]?(?::(?P<s>\d{2}))?(?P<ap>)(?P<z>))?",
        # 2004-július-13T9:15-05:00
        rf"(?P<y>\d{{4}})[-.\s]+(?P<mn>[^\s\d,./:-]{{3,14}})[-.\s]+(?P<d>\d{{1,2}})\.?(?:[t\s]+{_TIME}(?:\s*{_ZONE})?)?",
        # ISO without a day, or without a year's century: 2021-12, 2021, -03-12, -0312
        r"(?P<y>\d{4})(?:-(?P<m>\d{2}))?",
        r"-(?P<y>\d{2})-?(?P<m>\d{2})",
    )
)
_TIMESTAMP = re.compile(r"1?\d{9}(?:\d{3})?(?:\.\d+)?")


def read_date(text: str | None, *, now: datetime, zone: tzinfo = UTC) -> datetime | None:
    """The moment a text names, in UTC, or None when it names none for certain.

    Clamped to [1990, ``now`` + 2 days]: outside it is None. Without a zone in the text it is in ``zone``.
    """
    if not text or len(text) > 120:
        return None
    found = _read(text.strip(), zone)
    if found is None or not EARLIEST <= found <= now + TOLERANCE:
        return None
    return found


@lru_cache(maxsize=4096)
def _read(text: str, zone: tzinfo) -> datetime | None:
    text = " ".join(unicodedata.normalize("NFC", text).translate(_DIGITS).split())
    if _TIMESTAMP.fullmatch(text):
        seconds = float(text)
        return _moment(seconds / 1000 if seconds > 1e11 else seconds)
    lowered = text.lower()
    for form in _FORMS:
        match = form.fullmatch(lowered)
        if match is not None:
            return _built(match.groupdict(), zone)
    return None


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _built(found: dict[str, str | None], zone: tzinfo) -> datetime | None:
    year = int(found["y"] or 0)
    if len(found["y"] or "") == 2:
        year += 2000 if year < 69 else 1900  # RFC 2822, and what POSIX does
    name = found.get("mn")
    month = _months().get(_plain(name)) if name else int(found.get("m") or 1)
    if month is None:
        return None
    if zone_name := found.get("z"):
        minutes = _minutes_from_utc(zone_name.strip())
        if minutes is None:
            return None
        zone = timezone(timedelta(minutes=minutes))
    hour, minute, second = (int(found.get(part) or 0) for part in ("h", "mi", "s"))
    half = (found.get("ap") or "").replace(".", "")
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    later = timedelta(0)
    if (hour, minute, second) == (24, 0, 0):
        hour, later = 0, timedelta(days=1)
    if second == 60:  # a leap second
        second, later = 59, later + timedelta(seconds=1)
    try:
        moment = datetime(year, month, int(found.get("d") or 1), hour, minute, second, tzinfo=zone)
        return (moment + later).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _minutes_from_utc(zone: str) -> int | None:
    """None when the text is no zone that is known for certain."""
    match = re.fullmatch(r"(?:utc|gmt)?\s*([+-])(\d{1,2}):?(\d{2})?", zone)
    if match is None:
        return _ZONES.get(zone)
    hours, minutes = int(match[2]), int(match[3] or 0)
    if hours > 14 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if match[1] == "-" else 1)


@lru_cache(maxsize=1)
def _months() -> dict[str, int]:
    return {_plain(name): number for number, names in enumerate(_MONTHS, 1) for name in names.split()}


def _plain(name: str | None) -> str:
    decomposed = unicodedata.normalize("NFKD", (name or "").casefold())
    return "".join(ch for ch in decomposed if not unicodedata.combining(ch))
