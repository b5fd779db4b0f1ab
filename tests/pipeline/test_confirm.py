"""Double opt-in as the desk meets it: a segment asked again, and a notice that has a link."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from digest.errors import ConfigError
from digest.models import NoticeKind, NoticeRow
from digest.pipeline.confirm import after_joining, reconfirm
from digest.settings import Settings, load
from digest.values import Silent
from subscribers.addresses import parse_address
from subscribers.audience import audience, count_audience
from subscribers.database import reading, session_factory
from subscribers.membership import BY_COMMAND, create_list, subscribe
from subscribers.models import OptIn, SubscriberRow
from subscribers.segments import parse_segment
from subscribers.suppression import SuppressionKey

NOW = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)
KEY = SuppressionKey(b"a key of the tests, 32 bytes long")


def settings_of(folder: Path, *, public_url: str = "https://news.example") -> Settings:
    (folder / "newsletter.toml").write_text(
        '[newsletter]\nname = "N"\nurl = "https://n.example"\nsender = "N <n@n.example>"\n'
        "[editions.daily]\n[editions.weekly]\n"
    )
    secrets = folder / ".env"
    secrets.touch(mode=0o600)
    secrets.write_text(f"DIGEST_PUBLIC_URL={public_url}\n")
    return load(folder)


def join(engine: Engine, number: int, *, city: str = "Delhi") -> int:
    with session_factory(engine).begin() as session:
        daily = create_list(session, "daily", now=NOW)
        for n in range(number):
            subscribe(
                session,
                parse_address(f"p{n}@x.org"),
                daily,
                KEY,
                now=NOW,
                how=BY_COMMAND,
                attributes={"city": city if n % 2 else "Quito"},
            )
        return daily.id


def test_a_segment_is_asked_again_batch_after_batch_and_mailed_nothing_until_it_answers(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.pipeline.confirm._BATCH", 3)
    daily = join(engine, 20)
    readers, sessions = session_factory(reading(engine)), session_factory(engine)

    def ask(now: datetime) -> int:
        return reconfirm(
            readers,
            sessions,
            settings_of(tmp_path),
            daily,
            segment=parse_segment('attributes.city = "Delhi"'),
            now=now,
            progress=Silent(),
        )

    assert ask(NOW) == 10
    with readers() as session:
        assert count_audience(session, audience(daily)) == 10
        notices = session.scalars(select(NoticeRow)).all()
        assert {notice.kind for notice in notices} == {NoticeKind.RECONFIRM}
        odd = session.scalars(select(SubscriberRow.id).where(SubscriberRow.normalized.like("p_1@x.org")))
        assert set(odd) <= {notice.subscriber_id for notice in notices}
    # Whoever waits for an answer is not confirmed, so nobody is asked twice.
    assert ask(NOW + timedelta(days=2)) == 0
    with readers() as session:
        assert session.scalar(select(func.count()).select_from(NoticeRow)) == 10


def test_without_a_public_url_no_confirm_notice_without_a_link_is_mailed(
    engine: Engine, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, public_url="")
    with session_factory(engine)() as session:
        weekly = create_list(session, "weekly", now=NOW, optin=OptIn.DOUBLE)
        joined = subscribe(session, parse_address("ann@x.org"), weekly, KEY, now=NOW, how=BY_COMMAND)
        with pytest.raises(ConfigError, match="needs a link") as caught:
            after_joining(session, settings, joined, now=NOW)
        assert "DIGEST_PUBLIC_URL" in caught.value.remedy
        assert session.scalar(select(func.count()).select_from(NoticeRow)) == 0


def test_looking_for_whom_to_ask_waits_for_nobody_who_writes(engine: Engine, tmp_path: Path) -> None:
    daily = join(engine, 0)
    sessions = session_factory(engine)
    with sessions() as importing:
        create_list(importing, "weekly", now=NOW)  # holds SQLite's write lock
        asked = reconfirm(
            session_factory(reading(engine)),
            sessions,
            settings_of(tmp_path),
            daily,
            segment=None,
            now=NOW,
            progress=Silent(),
        )
    assert asked == 0
