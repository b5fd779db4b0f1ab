"""``doctor``: every check is a line with a remedy, and none takes the others down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from digest.checks.alignment import Check, Status, dkim, dmarc, reverse_name, spf
from digest.errors import AuthenticationFailed, PreflightFailed, RenderError
from digest.pipeline.doctor import World, examine
from digest.pipeline.timetable import remember
from digest.settings import Settings, load
from digest.values import Transport
from subscribers.database import session_factory

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)


class Dns:
    """Answers from a table; what is not in it does not exist; ``silent`` answers nothing at all."""

    def __init__(self, records: dict[str, list[str]], *, silent: bool = False) -> None:
        self.records = records
        self.silent = silent

    def txt(self, name: str) -> list[str] | None:
        return None if self.silent else self.records.get(name, [])

    def addresses(self, host: str) -> list[str] | None:
        return None if self.silent else self.records.get(f"A {host}", [])

    def names(self, address: str) -> list[str] | None:
        return None if self.silent else self.records.get(f"PTR {address}", [])


GOOD = Dns(
    {
        "harbour.example": ["v=spf1 mx -all", "something else"],
        "_dmarc.harbour.example": ["v=DMARC1; p=none"],
        "digest._domainkey.harbour.example": ["v=DKIM1; k=rsa; p=AB CD"],
        "A mail.harbour.example": ["192.0.2.7"],
        "PTR 192.0.2.7": ["mail.harbour.example"],
    }
)


class Line:
    """A mail server that lets us in, or not."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def open(self) -> Line:
        if self.error:
            raise self.error
        return self

    def close(self) -> None: ...


def settings_of(folder: Path, postal: str = "1 Quay", extra: str = "") -> Settings:
    (folder / "newsletter.toml").write_text(
        f'[newsletter]\nname = "H"\nurl = "https://harbour.example"\nsender = "daily@harbour.example"\n'
        f'postal_address = "{postal}"\neditors = ["e@harbour.example"]\n'
        f'[[sources]]\nname = "s"\nurl = "x"\n[editions.daily]\n{extra}'
    )
    env = folder / ".env"
    env.write_text("DIGEST_SECRET_KEY=0123456789abcdef\nDIGEST_SUPPRESSION_KEY=0123456789abcdef\n")
    env.chmod(0o600)
    return load(folder)


def world_of(engine: Engine, **changes: object) -> World:
    def transport() -> Transport:
        return Line()  # type: ignore[return-value]

    parts: dict[str, object] = {
        "engine": engine,
        "sessions": lambda: session_factory(engine),
        "transport": transport,
        "resolver": GOOD,
        "public_address": lambda: "answers one-click",
        "render_sample": lambda: "rendered",
        "round_trip": None,
        "dkim_public_key": lambda: ("digest._domainkey.harbour.example", "ABCD"),
        "smtp_host": "mail.harbour.example",
    }
    return World(**{**parts, **changes})  # type: ignore[arg-type]


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_what_is_right_is_ok_and_what_is_missing_has_a_remedy(engine: Engine, tmp_path: Path) -> None:
    found = by_name(examine(settings_of(tmp_path), world_of(engine), now=NOW))
    for name in (
        "settings",
        "database",
        "smtp",
        "spf",
        "dmarc",
        "dkim",
        "ptr",
        "public address",
        "templates",
    ):
        assert found[name].status is Status.OK, found[name]
    assert found["lists"].status is Status.FAIL
    assert "digest lists create daily" in found["lists"].remedy
    assert all(check.remedy for check in found.values() if check.status is not Status.OK)


def test_each_failure_is_a_line_of_its_own_and_none_hides_another(engine: Engine, tmp_path: Path) -> None:
    def no_template() -> str:
        raise RenderError("'leed' is undefined", template="daily", line=3)

    def nobody_answers() -> str:
        raise PreflightFailed("does not answer", remedy="start `digest serve`")

    world = world_of(
        engine,
        transport=lambda: Line(AuthenticationFailed("535 wrong password")),
        render_sample=no_template,
        public_address=nobody_answers,
        resolver=Dns({}, silent=True),
    )
    found = by_name(examine(settings_of(tmp_path, postal=""), world, now=NOW))
    failed = {name for name, check in found.items() if check.status is Status.FAIL}
    assert failed == {"smtp", "templates", "public address", "postal address", "lists"}
    assert "daily:3" in found["templates"].detail
    assert found["spf"].status is Status.WARN


def test_a_return_path_of_another_domain_is_warned_of(engine: Engine, tmp_path: Path) -> None:
    extra = '[bounces]\naddress = "b@elsewhere.example"\nmailbox = "maildir:x"\n'
    found = by_name(examine(settings_of(tmp_path, extra=extra), world_of(engine), now=NOW))
    assert found["alignment"].status is Status.WARN


def test_an_edition_that_should_have_gone_out_is_late(engine: Engine, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, extra='schedule = "0 7 * * *"\n')
    late = NOW + timedelta(minutes=40)
    unknown = by_name(examine(settings, world_of(engine), now=late))
    assert unknown["schedule"].status is Status.OK  # nobody has ever run it
    with session_factory(engine).begin() as session:
        remember(session, "daily", now=NOW - timedelta(days=1))
    on_time = by_name(examine(settings, world_of(engine), now=NOW))
    assert on_time["schedule"].status is Status.OK
    found = by_name(examine(settings, world_of(engine), now=late))
    assert found["schedule"].status is Status.FAIL
    assert "40 minutes late" in found["schedule"].detail


def test_a_wrong_cron_line_is_a_line_of_its_own(engine: Engine, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, extra='schedule = "0 25 * * *"\n')
    found = by_name(examine(settings, world_of(engine), now=NOW))
    assert "bad hour" in found["schedule"].detail


@pytest.mark.parametrize(
    ("check", "status", "word"),
    [
        (spf("x.org", []), Status.WARN, "no SPF record"),
        (spf("x.org", ["v=spf1 -all", "v=spf1 mx -all"]), Status.WARN, "2 SPF records"),
        (spf("x.org", ["v=spf1 +all"]), Status.WARN, "everybody"),
        (spf("x.org", ["v=spf1 mx ~all"]), Status.OK, ""),
        (dkim("s._domainkey.x.org", ["v=DKIM1; p=OTHER"], "MINE"), Status.FAIL, "another key"),
        (dkim("s._domainkey.x.org", [], "MINE"), Status.FAIL, "no key"),
        (dmarc("x.org", ["v=DMARC1; p=reject"]), Status.OK, "reject"),
        (dmarc("x.org", ["v=DMARC1; p=none", "v=DMARC1; p=none"]), Status.WARN, "2 DMARC records"),
        (reverse_name("192.0.2.1", [], False), Status.WARN, "no reverse name"),
        (reverse_name("192.0.2.1", ["a.b"], False), Status.WARN, "does not lead back"),
    ],
)
def test_dns_is_judged_as_receivers_judge_it(check: Check, status: Status, word: str) -> None:
    assert check.status is status
    assert word in check.detail
