"""Fragments as JSON and back: a rendition is stored as it was rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from digest.values import Context, Fragment, Literal, Merge


def fragments_to_json(fragments: Sequence[Fragment]) -> list[dict[str, Any]]:
    """Plain objects: ``{"text"}`` or ``{"merge", "context", "fallback"}``, with ``section`` where set."""
    return [_to_json(fragment) for fragment in fragments]


def fragments_from_json(stored: Sequence[Mapping[str, Any]]) -> tuple[Fragment, ...]:
    """What ``fragments_to_json`` made. Raises ``KeyError`` or ``ValueError`` for anything else."""
    return tuple(_from_json(entry) for entry in stored)


def _to_json(fragment: Fragment) -> dict[str, Any]:
    section = {"section": fragment.section} if fragment.section else {}
    if isinstance(fragment, Literal):
        return {"text": fragment.text, **section}
    return {
        "merge": fragment.name,
        "context": fragment.context.value,
        "fallback": fragment.fallback,
        **section,
    }


def _from_json(entry: Mapping[str, Any]) -> Fragment:
    section = entry.get("section", "")
    if "text" in entry:
        return Literal(entry["text"], section)
    return Merge(entry["merge"], Context(entry["context"]), entry.get("fallback", ""), section)
