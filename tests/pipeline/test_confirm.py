"""Double opt-in as the desk meets it: a segment asked again, and a notice that has a link."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from digest.errors import ConfigError
from digest.models import NoticeKind, NoticeRow
from digest.pipeline.confirm import after_joining, confirm_by_link, reconfirm
from digest.settings import Settings, load
from digest.values import Silent
from subscribers.addresses import parse_address
from subscribers.audience import audience, count_audience
from subscribers.database import reading, session_factory
from subscribers.membership import BY_COMMAND, ConfirmOutcome, How, create_list, subscribe, unsubscribe
from subscribers.models import ConsentMethod, OptIn, SubscriberRow
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


def test_who_joins_a_double_opt_in_list_is_asked_in_their_language_and_not_more_often_than_is_decent(
    engine: Engine, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path)
    with session_factory(engine)() as session:
        weekly = create_list(session, "weekly", now=NOW, optin=OptIn.DOUBLE)

        def ask(after: timedelta) -> bool:
            joined = subscribe(
                session,
                parse_address("ann@x.org"),
                weekly,
                KEY,
                now=NOW + after,
                how=BY_COMMAND,
                language="hi",
            )
            return after_joining(session, settings, joined, now=NOW + after)

        asked = [hours for hours in range(0, 24 * 10, 12) if ask(timedelta(hours=hours))]
        assert asked == [0, 24, 48]  # one a day, three in thirty
        assert ask(timedelta(days=33))
        notices = session.scalars(select(NoticeRow).order_by(NoticeRow.id)).all()
    assert {(notice.kind, notice.language) for notice in notices} == {(NoticeKind.CONFIRM, "hi")}
    assert notices[0].expires_at == notices[0].created_at + timedelta(days=7)
    assert "ann@" not in str([notice.context for notice in notices])


@pytest.mark.parametrize("wanted", [True, False])
def test_the_welcome_notice_is_optional_and_comes_once_after_the_click(
    engine: Engine, tmp_path: Path, wanted: bool
) -> None:
    settings_of(tmp_path)
    if wanted:
        with (tmp_path / "newsletter.toml").open("a") as file:
            file.write("welcome = true\n")  # of the last edition, weekly
    settings = load(tmp_path)
    click = How(ConsentMethod.CONFIRM_LINK, wording="Yes", ip="192.0.2.7")
    with session_factory(engine)() as session:
        weekly = create_list(session, "weekly", now=NOW, optin=OptIn.DOUBLE)
        joined = subscribe(session, parse_address("ann@x.org"), weekly, KEY, now=NOW, how=BY_COMMAND)
        after_joining(session, settings, joined, now=NOW)
        outcomes = [
            confirm_by_link(session, settings, joined.subscription_id, how=click, now=NOW) for _ in range(2)
        ]
        assert outcomes == [ConfirmOutcome.CONFIRMED, ConfirmOutcome.ALREADY]
        unsubscribe(session, joined.subscription_id, now=NOW, how=BY_COMMAND)
        again = subscribe(
            session, parse_address("ann@x.org"), weekly, KEY, now=NOW, how=BY_COMMAND, confirmed=True
        )
        after_joining(session, settings, again, now=NOW)
        kinds = list(session.scalars(select(NoticeRow.kind).order_by(NoticeRow.id)))
    assert kinds == [NoticeKind.CONFIRM, *([NoticeKind.WELCOME] if wanted else [])]
