"""The text of an article among all else on its page: the block that holds most of the paragraphs."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

_FEWEST = 250  # code points of a text that is one
_NOT_TEXT = frozenset("nav footer aside form header figure button select noscript".split())
_NOT_STORY = re.compile(
    r"comment|related|recommend|newsletter|promo|sidebar|footer|cookie|consent|share|social|advert|teaser|paywall|"
    r"breadcrumb|caption|byline|subscribe|most-?read|trending|popular|outbrain|taboola|author-bio",
    re.IGNORECASE,
)
_FURNITURE = re.compile(
    r"(also\s+read|read\s+(also|more)|see\s+also|related|advertisement|follow\s+us|sign\s+up|subscribe)\b.{0,160}$",
    re.IGNORECASE,
)


def body_of(root: Any, told: str) -> tuple[str, str]:
    """HTML of the story and where it came from: the page's paragraphs, ``articleBody``, or trafilatura."""
    found = _paragraphs(root)
    if sum(len(text) for _, text in found) >= max(_FEWEST, len(told) // 2):
        return "".join(f"<{tag}>{_escaped(text)}</{tag}>" for tag, text in found), "page"
    if len(told) >= _FEWEST:
        parts = [part.strip() for part in re.split(r"\n\s*\n|\r\n|\n", told) if part.strip()]
        return "".join(f"<p>{part if '<' in part else _escaped(part)}</p>" for part in parts), "json-ld"
    by_trafilatura = _by_trafilatura(root)
    if len(by_trafilatura) >= _FEWEST:
        lines = [line for line in by_trafilatura.split("\n") if line.strip()]
        return "".join(f"<p>{_escaped(line)}</p>" for line in lines), "trafilatura"
    if found:
        return "".join(f"<{tag}>{_escaped(text)}</{tag}>" for tag, text in found), "page"
    return "", ""


def _paragraphs(root: Any) -> list[tuple[str, str]]:
    """Paragraphs and subheadings of the block with most text, in their order."""
    scores: defaultdict[Any, float] = defaultdict(float)
    texts: dict[Any, str] = {}
    for paragraph in root.iter("p"):
        if _is_aside(paragraph):
            continue
        text = " ".join("".join(paragraph.itertext()).split())
        if len(text) < 20:
            continue
        linked = sum(len("".join(link.itertext())) for link in paragraph.iter("a"))
        if linked > len(text) * 0.6:
            continue
        texts[paragraph] = text
        parent = paragraph.getparent()
        if parent is not None:
            scores[parent] += len(text)
            grand = parent.getparent()
            if grand is not None:
                scores[grand] += len(text) * 0.7
                above = grand.getparent()
                if above is not None:
                    scores[above] += len(text) * 0.4
    if not scores:
        return []
    block = max(
        scores, key=lambda element: scores[element] * (1.3 if element.tag in {"article", "main"} else 1.0)
    )
    found: list[tuple[str, str]] = []
    seen: set[str] = set()
    for element in block.iter("p", "h2", "h3", "blockquote"):
        if element.tag == "p":
            text = texts.get(element, "")
            tag = "p"
        elif element.tag == "blockquote":
            continue  # its paragraphs come by themselves
        else:
            text = "" if _is_aside(element) else " ".join("".join(element.itertext()).split())
            tag = element.tag
        if text and text not in seen and not _FURNITURE.match(text):
            seen.add(text)
            found.append((tag, text))
    while found and found[-1][0] != "p":
        found.pop()
    return found


def _is_aside(element: Any) -> bool:
    steps = 0
    while element is not None and steps < 12:
        if element.tag in _NOT_TEXT and not (
            element.tag == "header"
            and element.getparent() is not None
            and element.getparent().tag == "article"
        ):
            return True
        name = element.get("class")
        if name and element.tag not in {"body", "html", "article", "main"} and _NOT_STORY.search(name):
            return True
        element = element.getparent()
        steps += 1
    return False


def _by_trafilatura(root: Any) -> str:
    from trafilatura import extract

    try:
        text = extract(root, include_comments=False, include_tables=False, fast=True)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ""
    return text or ""


def _escaped(text: str) -> str:
    import html

    return html.escape(text, quote=False)
