"""From what a format says of one story to an ``Article``: the same cleaning for every kind of source."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote, urlsplit

from digest.sources.identity import identity_url, link_url, same_site, title_key
from digest.sources.language import detect
from digest.sources.sanitise import MAX_SUMMARY, clean_html, one_line, plain_text_line, text_of
from digest.values import Access, Article, ArticleKind, Picture, Related

MAX_CATEGORIES = 30
MAX_AUTHORS = 12
_SUMMARY_IS_TEXT = 1_200  # code points; a longer "summary" is the whole text
_NO_SECTION = frozenset(
    (
        "uncategorized|uncategorised|allgemein|non classé|sin categoría|senza categoria|sem categoria|"
        "geen categorie|без рубрики|غير مصنف|未分类|未分類|genel|default|none"
    ).split("|")
)
_SEGMENT = re.compile(r"[^\W\d_][^\d./]{2,29}")
_NOT_A_SECTION = frozenset(
    (
        "article articles story stories post posts item items content archive archives category tag page "
        "entry node wp amp index feed rss index.php news nieuws noticias nachrichten actualite releases"
    ).split()
)
_BY = re.compile(r"^\s*(by|von|par|por|di|door|автор:?)\s+", re.IGNORECASE)
_MAIL = re.compile(r"<?[\w.+-]+@[\w.-]+>?")
_DOMAIN = re.compile(r"[\w-]+\.[a-z]{2,4}", re.IGNORECASE)
_NOBODY = frozenset(
    {"admin", "administrator", "editor", "webmaster", "noreply", "unknown", "null", "none", "author"}
)
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_WORD = re.compile(r"[^\W_][\w'’\-]*")
_OPINION = frozenset(
    (
        "opinion|opinions|comment|commentary|editorial|op-ed|column|columns|kommentar|meinung|débats|tribune|"
        "opinión|राय|رأي|评论"
    ).split("|")
)
_SPONSORED = frozenset(
    (
        "sponsored|advertorial|anzeige|partner content|paid content|paid post|brand content|promoted|"
        "advertisement|publicité|publirreportaje|إعلان"
    ).split("|")
)
_PATH_KIND = (
    (re.compile(r"/(opinions?|commentisfree|op-?ed|editorials?|meinung|kommentare?)/"), ArticleKind.OPINION),
    (
        re.compile(r"/(live|liveblog|live-updates|liveticker)/|[-/]live(blog|-updates|ticker)"),
        ArticleKind.LIVE,
    ),
    (
        re.compile(r"/(sponsored|advertorial|partner-content|paid-?post|brand-?studio)/"),
        ArticleKind.SPONSORED,
    ),
    (re.compile(r"/(videos?|watch|mediathek)/"), ArticleKind.VIDEO),
    (re.compile(r"/(podcasts?|audio|listen)/"), ArticleKind.AUDIO),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one format says of one story, texts as they came (HTML or not), links not yet cleaned.

    ``read_by`` names the format, for ``Article.origins``; ``origins`` names exceptions a field.
    ``base`` is what the links go from, ``markup_base`` those in the texts (default: the story's link).
    """

    read_by: str
    title: str = ""
    link: str = ""
    guid: str = ""
    canonical: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    summary: str = ""
    body: str = ""
    base: str = ""
    markup_base: str = ""
    language: str = ""
    kind: ArticleKind | None = None
    label: str = ""
    access: Access | None = None
    duration: int | None = None
    media_url: str = ""
    pictures: tuple[Picture, ...] = ()
    sticky: bool = False
    not_before: datetime | None = None
    expires_at: datetime | None = None
    related: tuple[Related, ...] = ()
    origins: tuple[tuple[str, str], ...] = ()


def article_from(entry: Entry, *, source: str, now: datetime) -> Article | None:
    """The article that ``entry`` tells, cleaned; None when it has neither a title nor a text."""
    link = link_url(entry.link, entry.base)
    base = link or entry.base
    markup_base = entry.markup_base or base
    body = clean_html(entry.body, markup_base) if entry.body else ""
    summary = _summary(entry.summary)
    if not body and len(entry.summary) > _SUMMARY_IS_TEXT:
        body = clean_html(entry.summary, markup_base)
    title = plain_text_line(entry.title)
    if not title:
        title = _first_words(summary or text_of(body))
        if not title:
            return None
    text = text_of(body) or summary
    canonical = link_url(entry.canonical, base)
    if canonical and link and not same_site(canonical, link):
        canonical = ""  # believed only on the same site: else any page could take another's place
    language = entry.language or detect(f"{title}. {text}")
    categories = _categories(entry.categories)
    origin_of_section = "" if categories else "address"
    categories = categories or _section_of(link)
    kind, kind_origin = _kind(entry, link, categories)
    origins = dict.fromkeys(_given(entry), entry.read_by) | dict(entry.origins)
    if not entry.language and language:
        origins["language"] = "detected"
    if categories and origin_of_section:
        origins["categories"] = origin_of_section
    if entry.kind is None and kind is not ArticleKind.ARTICLE:
        origins["kind"] = kind_origin
    return Article(
        source=source,
        title=title,
        identity_url=_identity(canonical or link, entry.guid, title, entry.media_url, source),
        link_url=link,
        canonical_url=canonical,
        guid=plain_text_line(entry.guid, 1000),
        published_at=entry.published_at,
        updated_at=entry.updated_at,
        authors=_people(entry.authors),
        categories=categories,
        kind=kind,
        label=plain_text_line(entry.label, 60),
        access=entry.access or Access.FREE,
        summary=summary,
        body=body,
        picture=entry.pictures[0] if entry.pictures else None,
        language=language,
        word_count=count_words(text) if body or entry.body else 0,
        duration_seconds=entry.duration,
        media_url=entry.media_url,
        sticky=entry.sticky,
        not_before=entry.not_before,
        expires_at=entry.expires_at,
        related=entry.related,
        origins=origins,
    )


def count_words(text: str) -> int:
    """Words; in Chinese and Japanese, which have no spaces, characters."""
    cjk = 0 if text.isascii() else len(_CJK.findall(text))
    return cjk + (len(_WORD.findall(_CJK.sub(" ", text))) if cjk else len(_WORD.findall(text)))


def _summary(text: str) -> str:
    plain = text_of(text)
    return plain if len(plain) <= MAX_SUMMARY else plain[: MAX_SUMMARY - 1].rstrip() + "…"


def _first_words(text: str) -> str:
    line = one_line(text, 90)
    return line if len(line) < 90 or " " not in line else line.rpartition(" ")[0].rstrip(" ,;:–-") + "…"


def _identity(link: str, guid: str, title: str, media: str, source: str) -> str:
    if link:
        return identity_url(link)
    # Without an address: the guid within its feed, else the words of the title.
    kind, key = ("guid", guid) if guid else ("media", media) if media else ("title", title_key(title))
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32]
    return f"{kind}:{source}:{digest}"


def _categories(texts: Iterable[str]) -> tuple[str, ...]:
    kept: dict[str, str] = {}
    for text in texts:
        name = one_line(text, 80)
        if name and name.casefold() not in _NO_SECTION and not name.startswith(("http:", "https:")):
            kept.setdefault(name.casefold(), name)
        if len(kept) >= MAX_CATEGORIES:
            break
    return tuple(kept.values())


def _section_of(link: str) -> tuple[str, ...]:
    """The first segment of the address, for want of anything better: 168 of 181 news pages have one."""
    segments = [part for part in urlsplit(link).path.split("/") if part]
    if len(segments) < 2:
        return ()
    name = unquote(segments[0]).replace("-", " ").replace("_", " ").strip().lower()
    if not _SEGMENT.fullmatch(name) or name in _NOT_A_SECTION or name in _NO_SECTION:
        return ()
    return (name.title() if name.isascii() else name,)


def _people(texts: Iterable[str]) -> tuple[str, ...]:
    names: dict[str, str] = {}
    for text in texts:
        plain = one_line(text, 400)
        inside = re.fullmatch(r"[^\s()]+@[^\s()]+\s*\((.+)\)", plain)
        plain = _BY.sub("", _MAIL.sub("", inside[1] if inside else plain))
        for name in re.split(r"\s*(?:;|\||,|\band\b|\bund\b|&)\s*", plain):
            name = name.strip(" ,;()-–")
            if 1 < len(name) <= 80 and name.casefold() not in _NOBODY and not name.startswith(("http", "@")):
                names.setdefault(name.casefold(), name)
    # A long piece behind a comma is a job, a domain name is the house: both only if nobody else is named.
    people = [name for name in names.values() if name.count(" ") < 5 and not _DOMAIN.fullmatch(name)]
    return tuple(people or names.values())[:MAX_AUTHORS]


def _kind(entry: Entry, link: str, categories: tuple[str, ...]) -> tuple[ArticleKind, str]:
    if entry.kind is not None:
        return entry.kind, entry.read_by
    folded = {name.casefold() for name in categories}
    if folded & _SPONSORED:
        return ArticleKind.SPONSORED, "category"
    if folded & _OPINION:
        return ArticleKind.OPINION, "category"
    path = link.lower().partition("?")[0].partition("//")[2].partition("/")[2]
    for pattern, kind in _PATH_KIND:
        if pattern.search("/" + path):
            return kind, "address"
    return ArticleKind.ARTICLE, ""


def _given(entry: Entry) -> list[str]:
    fields = {
        "title": entry.title,
        "link_url": entry.link,
        "canonical_url": entry.canonical,
        "published_at": entry.published_at,
        "updated_at": entry.updated_at,
        "authors": entry.authors,
        "categories": entry.categories,
        "kind": entry.kind,
        "label": entry.label,
        "access": entry.access,
        "summary": entry.summary,
        "body": entry.body,
        "picture": entry.pictures,
        "language": entry.language,
        "duration_seconds": entry.duration,
    }
    return [name for name, value in fields.items() if value]
