"""The garbage collector, told what it need not look through."""

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


@contextmanager
def what_is_there_stays() -> Iterator[None]:
    """Collect only what is made from here on: modules and classes would be looked through again and again
    (5 % of a send)."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
