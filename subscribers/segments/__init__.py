"""Segments: named filters on people, never raw SQL."""

from subscribers.segments.language import parse_segment
from subscribers.segments.stored import (
    Segment,
    all_segments,
    count_segment,
    create_segment,
    delete_segment,
    find_segment,
)

__all__ = [
    "Segment",
    "all_segments",
    "count_segment",
    "create_segment",
    "delete_segment",
    "find_segment",
    "parse_segment",
]
