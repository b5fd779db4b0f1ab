"""The garbage collector, told what it need not look through."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = 50_000  # objects more than there were; 700 is Python's own


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
    """Collect only what is made from here on, and seldom: modules and classes would be looked through again
    and again (5 % of a send), and so would the copies that wait (3 %)."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(SELDOM, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
