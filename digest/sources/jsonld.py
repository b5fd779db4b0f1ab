"""What a page says of its story in JSON-LD (schema.org), found among all that it says of its site."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from digest.sources.sanitise import one_line

_MAX_NODES = 2_000
_STORY = re.compile(
    r"Article|BlogPosting|Report|LiveBlog|PodcastEpisode|Review$|AnalysisNews|SocialMediaPosting"
)
_OTHER_STORY = ("VideoObject", "AudioObject", "WebPage", "ItemPage")
_WRAPPING = re.compile(
    r"^\s*(?:<!--|<!\[CDATA\[|//\s*<!\[CDATA\[|/\*.*?\*/)|(?:-->|//\s*\]\]>|\]\]>)?\s*;?\s*$", re.DOTALL
)
_TRAILING_COMMA = re.compile(r",\s*([}\]])")

Node = Mapping[str, Any]


def story_nodes(scripts: Sequence[str]) -> tuple[list[Node], list[Node]]:
    """The nodes that are stories (the likeliest first), and all nodes; at most 2,000 are looked at."""
    nodes: list[Node] = []
    for script in scripts[:30]:
        for node in _walk(_loaded(script), 0):
            nodes.append(node)
            if len(nodes) >= _MAX_NODES:
                break
    stories = [node for node in nodes if any(_STORY.search(kind) for kind in types(node))]
    # One that has a headline and a date is the page's own; bare ones are teasers of others.
    stories.sort(key=lambda node: -(bool(text(node, "headline")) + bool(text(node, "datePublished")) * 2))
    others = [node for node in nodes if any(kind in _OTHER_STORY for kind in types(node))]
    return [*stories, *others], nodes


def types(node: Node) -> tuple[str, ...]:
    """The node's types without their prefix."""
    value = node.get("@type")
    values = value if isinstance(value, list) else [value]
    return tuple(str(kind).rpartition("/")[2] for kind in values if isinstance(kind, str))


def text(node: Node, *keys: str) -> str:
    """The first of these keys that has a text."""
    for key in keys:
        value = node.get(key)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, Mapping):
            value = value.get("name") or value.get("@value") or value.get("@id")
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return ""


def names(value: object, nodes: Sequence[Node] = ()) -> list[str]:
    """Names in an author field: text, object, reference to another node, or a list of these."""
    if isinstance(value, str):
        return [] if value.startswith(("http:", "https:")) else [value]
    if isinstance(value, list):
        return [name for part in value[:20] for name in names(part, nodes)]
    if isinstance(value, Mapping):
        name = value.get("name") or " ".join(
            part
            for part in (value.get("givenName"), value.get("familyName"))
            if isinstance(part, str) and part
        )
        if name:
            return names(name)
        reference = value.get("@id")
        for node in nodes:
            if reference and node.get("@id") == reference and node.get("name"):
                return names(node["name"])
    return []


def addresses(value: object, nodes: Sequence[Node] = ()) -> Iterator[tuple[str, Node]]:
    """Addresses in an image field, each with the object that describes it."""
    if isinstance(value, str):
        yield value, {}
    elif isinstance(value, list):
        for part in value[:10]:
            yield from addresses(part, nodes)
    elif isinstance(value, Mapping):
        url = text(value, "url", "contentUrl")
        if url:
            yield url, value
            return
        reference = value.get("@id")
        for node in nodes:
            if reference and node.get("@id") == reference and text(node, "url", "contentUrl"):
                yield text(node, "url", "contentUrl"), node
                return


def breadcrumb(nodes: Sequence[Node]) -> list[str]:
    """The names of the first breadcrumb between home and the story."""
    for node in nodes:
        if "BreadcrumbList" in types(node) and isinstance(node.get("itemListElement"), list):
            found = []
            for part in node["itemListElement"][:8]:
                if isinstance(part, Mapping):
                    item = part.get("item")
                    name = text(part, "name") or (text(item, "name") if isinstance(item, Mapping) else "")
                    found.append(one_line(name, 80))
            return [name for name in found[1:-1] if name] if len(found) > 2 else found[1:2]
    return []


def _loaded(script: str) -> Any:
    source = _WRAPPING.sub("", script.strip())
    for candidate in (source, _TRAILING_COMMA.sub(r"\1", source)):
        try:
            return json.loads(candidate, strict=False)
        except (ValueError, RecursionError):
            continue
    return None


def _walk(value: Any, depth: int) -> Iterator[Node]:
    if depth > 8:
        return
    if isinstance(value, list):
        for part in value[:200]:
            yield from _walk(part, depth + 1)
    elif isinstance(value, Mapping):
        yield value
        for key in (
            "@graph",
            "mainEntity",
            "mainEntityOfPage",
            "itemListElement",
            "hasPart",
            "video",
            "breadcrumb",
        ):
            inner = value.get(key)
            if isinstance(inner, Mapping | list):
                yield from _walk(inner, depth + 1)
