"""The garbage collector, switched off while very many small objects are made that all stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_is_garbage() -> Iterator[None]:
    """Without the cyclic collector: it would look through the objects again and again as they grow in number
    (a quarter of the time of a large import, and of a build from 50,000 candidates)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
