"""Which pictures may stand in a mail: https, of a kind that clients show, light, and from where allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from digest.rendering.cleaning import one_line
from digest.rendering.links import belongs_to, is_loopback, usable_url
from digest.values import Picture

MAX_WEIGHT = 1_000_000  # bytes; ten of these are a minute on a slow phone
_UNSHOWN = (".svg", ".svgz", ".avif", ".heic", ".heif", ".tif", ".tiff", ".jxl", ".pdf", ".mp4", ".webm")


@dataclass(frozen=True, slots=True)
class PictureView:
    """A picture as a template sees it. ``alt`` is never missing; ``wide`` says that it may be full width."""

    url: str
    alt: str
    credit: str
    wide: bool


@dataclass(frozen=True, slots=True)
class PicturePolicy:
    """What newsletter.toml says of pictures. ``by_source`` is ``own``, ``link`` or ``none`` per source:
    ``own`` takes only pictures that lie on ``own_domains``."""

    by_source: Mapping[str, str]
    own_domains: tuple[str, ...]

    def choose(self, picture: Picture | None, source: str, headline: str) -> tuple[PictureView | None, str]:
        """The picture or None, and why it was left out (empty when there was none, or none is wanted)."""
        if picture is None or not picture.url:
            return None, ""
        policy = self.by_source.get(source, "link")
        if policy == "none" or (policy == "own" and not belongs_to(picture.url, self.own_domains)):
            return None, ""
        url = usable_url(picture.url)
        reason = _fault(picture, url)
        if reason:
            return None, reason
        return PictureView(
            url=url,
            alt=one_line(picture.alt) or headline,
            credit=one_line(picture.credit),
            wide=_is_wide(picture),
        ), ""


def _fault(picture: Picture, url: str) -> str:
    if not url:
        return "its address is malformed"
    if not url.lower().startswith("https:") and not is_loopback(url):
        return "its address is not https"
    if urlsplit(url).path.lower().endswith(_UNSHOWN):
        return "mail clients do not show its kind"
    if picture.weight is not None and picture.weight > MAX_WEIGHT:
        return f"it weighs {picture.weight / 1_000_000:.1f} MB"
    if picture.width is not None and picture.width < 60:
        return "it is too small to be a picture"
    return ""


def _is_wide(picture: Picture) -> bool:
    if not picture.width or not picture.height:
        return True
    # A portrait at full width would fill a phone; a small one would be blurred.
    return picture.width >= picture.height * 1.2 and picture.width >= 480
