"""Completing what is new: the article's page where the feed is thin, and a look at its picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from digest.errors import SourceError
from digest.settings.model import Source
from digest.sources.http import Http, Request, Response
from digest.sources.identity import identity_url
from digest.sources.parsing import Task
from digest.sources.pictures import MAX_WEIGHT, SMALLEST, measure
from digest.sources.storing import Incoming
from digest.sources.workshop import Readers
from digest.values import Access, Article, ArticleKind, Picture

MAX_PAGES = 40  # of one source in one visit
MAX_PICTURES = 60
WORTH_IT = timedelta(days=7)  # older stories are hardly printed
PICTURE_LOOK = 64 * 1024  # bytes of a picture that tell its type and size
_CUT = re.compile(
    r"(\[?(…|\.\.\.|&hellip;)\]?|read more|continue reading|weiterlesen|lire la suite|leer más)\W*$", re.I
)
_LOOPBACK = ("127.", "localhost", "[::1]", "::1")


@dataclass(frozen=True, slots=True)
class Completer:
    """Fetches what an article lacks; a page or a picture that fails costs nothing but itself."""

    http: Http
    readers: Readers
    now: datetime

    def complete(self, source: Source, fresh: Sequence[Incoming]) -> list[Incoming]:
        """The same articles, completed as far as this visit's room goes."""
        dead: set[str] = set()  # hosts that failed are not asked again in this visit
        pages = pictures = 0
        done: list[Incoming] = []
        for item in fresh:
            article = item.article
            recent = article.published_at is None or self.now - article.published_at <= WORTH_IT
            if recent and pages < MAX_PAGES and wants_page(source, article):
                pages += 1
                article = self._with_page(source, article, dead)
            picture = article.picture
            if picture is not None and recent and pictures < MAX_PICTURES:
                pictures += 1
                article = replace(article, picture=self._looked_at(source, picture, dead))
            elif picture is not None and not _may_stay(source, picture):
                article = replace(article, picture=None)
            done.append(replace(item, article=article))
        return done

    def rank(self, source: Source, items: Sequence[Incoming]) -> list[Incoming]:
        """The same articles with their place on the source's own front page, 1 the first."""
        try:
            answer = self.http.get(Request(source.front_page or "", allow_private=source.allow_private))
            found = self.readers.read(
                Task(body=answer.body, url=answer.url, source=source.name, now=self.now, kind="site",
                     headers=dict(answer.headers))
            )  # fmt: skip
        except SourceError:
            return list(items)
        rank: dict[str, int] = {}
        for link in found.links:
            rank.setdefault(identity_url(link.url), len(rank) + 1)
        stories = {item.article.identity_url for item in items}
        places = {
            url: place
            for place, url in enumerate(
                (url for url in sorted(rank, key=rank.__getitem__) if url in stories), 1
            )
        }
        return [
            replace(
                item, article=replace(item.article, front_page_rank=places.get(item.article.identity_url))
            )
            for item in items
        ]

    def page(self, source: Source, url: str) -> Article:
        """The article on a page. Raises ``SourceError``."""
        answer = self.http.get(Request(url, allow_private=source.allow_private, max_body=5 * 1024 * 1024))
        return self._read_page(source, answer)

    def _read_page(self, source: Source, answer: Response) -> Article:
        found = self.readers.read(
            Task(
                body=answer.body,
                url=answer.url,
                source=source.name,
                now=self.now,
                kind="page",
                headers=dict(answer.headers),
            )
        )
        return found.articles[0]

    def _with_page(self, source: Source, article: Article, dead: set[str]) -> Article:
        host = urlsplit(article.link_url).netloc
        if host in dead:
            return article
        try:
            page = self.page(source, article.link_url)
            # What the page shows is no way around `images = "none"`.
            return completed(article, page if source.images != "none" else replace(page, picture=None))
        except SourceError as error:
            if " answers " not in str(error) and "read" not in str(error):
                dead.add(host)
            return article

    def _looked_at(self, source: Source, picture: Picture, dead: set[str]) -> Picture | None:
        """The picture with its size and weight, or None when it is none that a mail can show."""
        if not _may_stay(source, picture):
            secure = replace(picture, url=picture.url.replace("http://", "https://", 1))
            picture = secure
        host = urlsplit(picture.url).netloc
        if host in dead:
            return None
        try:
            answer = self.http.get(
                Request(
                    picture.url,
                    allow_private=picture.url.startswith("http:"),  # only this machine's own, see _may_stay
                    accept="image/jpeg,image/png,image/webp,image/gif",
                    max_body=PICTURE_LOOK,
                    deadline=15.0,
                    head_only=True,
                )
            )
        except SourceError as error:
            if " answers " not in str(error):
                dead.add(host)
            return None
        return judged(picture, answer)


def wants_page(source: Source, article: Article) -> bool:
    """Whether an article's own page is to be read: always, never, or when the feed gives too little."""
    if source.full_text == "never" or not article.link_url or article.kind is ArticleKind.AUDIO:
        return False
    if source.full_text == "always":
        return True
    if not article.summary and not article.body:
        return True
    return not article.body and _CUT.search(article.summary) is not None


def completed(article: Article, page: Article) -> Article:
    """What the feed says, and from the page what it does not say; the page's fuller text wins."""
    changes: dict[str, object] = {}
    if page.body and len(page.body) > len(article.body):
        changes["body"], changes["word_count"] = page.body, page.word_count
    if page.summary and (not article.summary or _CUT.search(article.summary)):
        changes["summary"] = page.summary
    for name in ("published_at", "updated_at", "authors", "picture", "canonical_url", "label"):
        if not getattr(article, name) and getattr(page, name):
            changes[name] = getattr(page, name)
    if page.categories:
        merged = dict.fromkeys((*article.categories, *page.categories))
        if tuple(merged) != article.categories:
            changes["categories"] = tuple(merged)
    if article.kind is ArticleKind.ARTICLE and page.kind is not ArticleKind.ARTICLE:
        changes["kind"] = page.kind
    if page.access is not Access.FREE:
        changes["access"] = page.access
    if page.language and article.origins.get("language") in {None, "detected"}:
        changes["language"] = page.language
    if article.picture and page.picture and (page.picture.width or 0) > (article.picture.width or 0) > 0:
        changes["picture"] = page.picture
    origins = dict(article.origins) | {
        name: f"page: {page.origins[name]}" for name in changes if name in page.origins
    }
    return replace(article, **changes, origins=origins)  # type: ignore[arg-type]


def judged(picture: Picture, answer: Response) -> Picture | None:
    """The picture with what its first bytes say, or None: no raster image, a pixel, or too heavy."""
    measured = measure(answer.body)
    if measured is None:
        return None
    weight = weight_of(answer)
    if weight is not None and weight > MAX_WEIGHT:
        return None
    if measured.width and min(measured.width, measured.height) < SMALLEST:
        return None
    return replace(
        picture,
        width=measured.width or picture.width,
        height=measured.height or picture.height,
        weight=weight,
    )


def weight_of(answer: Response) -> int | None:
    """The whole weight in bytes of what a look at its first ``PICTURE_LOOK`` bytes answered, if it tells."""
    total = re.fullmatch(r"bytes \d+-\d+/(\d+)", answer.headers.get("content-range", ""))
    if total:
        return int(total[1])
    length = answer.headers.get("content-length", "")
    if length.isdigit() and answer.status == 200 and "content-encoding" not in answer.headers:
        return int(length)
    return len(answer.body) if len(answer.body) < PICTURE_LOOK else None


def _may_stay(source: Source, picture: Picture) -> bool:
    """https everywhere; plain http only from this machine itself, for the demo."""
    if picture.url.startswith("https://"):
        return True
    ours = source.allow_private or not source.url.startswith(("http:", "https:"))
    return ours and urlsplit(picture.url).netloc.startswith(_LOOPBACK)
