"""Senders are killed and stopped while they send; nothing is lost, and duplicates stay within their bound.

The seed is fresh each time and printed; ``DONTMISS_STORM_SEED`` repeats one.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.storm.storm import rage

pytestmark = pytest.mark.storm


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    seed = int(os.environ.get("DONTMISS_STORM_SEED") or random.SystemRandom().randrange(1 << 30))
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"storm seed {seed}")
    return seed


@pytest.mark.parametrize("resend", [True, False], ids=["resend", "hold"])
def test_a_storm_loses_nothing_and_sends_nothing_twice_but_within_the_bound(
    database_url: str, seed: int, resend: bool
) -> None:
    damage = rage(
        database_url, recipients=1500, kills=8, stops=2, seed=seed, resend=resend, lease=4.0, doubt=3.0
    )
    said = str(damage)
    assert damage.lost == (), said
    assert damage.falsely_sent == (), said
    assert damage.falsely_refused == (), said
    assert damage.same_bytes, said
    assert set(damage.statuses) <= {"sent", "refused", "uncertain"}, said
    if resend:
        assert damage.duplicates <= damage.bound, said
    else:
        assert damage.duplicates == 0, said
        # Every copy that nobody knows about is listed: those taken without an answer are among them.
        assert damage.statuses.get("uncertain", 0) >= damage.dropped_after, said
