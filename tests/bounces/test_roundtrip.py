"""VERP and the mailto are switched on only when a mail to such addresses came back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from digest.bounces.mailbox import After
from digest.bounces.mailbox.files import MaildirMailbox
from digest.bounces.roundtrip import (
    RoundTrip,
    check_round_trip,
    forget_round_trip,
    remember_round_trip,
    round_trip_seen,
)
from digest.values import Accepted, Envelope, Outcome, Refused
from tests.bounces.conftest import SIGNER, START, Newsletter

ADDRESS = "bounce@daily.example"


class PostOffice:
    """A mail server that delivers into a Maildir, or does what ``fate`` says."""

    def __init__(
        self, newsletter: Newsletter, fate: Callable[[Envelope], Outcome | None] = lambda _: None
    ) -> None:
        self._newsletter = newsletter
        self._fate = fate
        self.usable = True

    def open(self) -> PostOffice:
        return self

    def close(self) -> None:
        return

    def send(self, envelope: Envelope, *, permit: Callable[[], bool]) -> Outcome:
        assert permit()
        outcome = self._fate(envelope)
        if outcome is None:
            self._newsletter.arrives(envelope.message)
        return outcome or Accepted()


def trip(newsletter: Newsletter, office: PostOffice) -> RoundTrip:
    mailbox = MaildirMailbox(newsletter.maildir, after=After.DELETE)
    return check_round_trip(
        mailbox, office, ADDRESS, SIGNER, newsletter.clock, nonce=5, within=timedelta(seconds=10)
    )


def test_mail_that_comes_back_is_found_and_other_mail_is_left(newsletter: Newsletter) -> None:
    newsletter.arrives(b"From: ann@example.org\nSubject: hello\n\nhi")
    result = trip(newsletter, PostOffice(newsletter))
    assert result.ok
    assert len(list(newsletter.maildir.rglob("*.*"))) == 1


def test_mail_that_is_swallowed_is_told_with_a_remedy(newsletter: Newsletter) -> None:
    result = trip(newsletter, PostOffice(newsletter, lambda _: Accepted()))
    assert (result.ok, "+DETAIL" in result.remedy) == (False, True)
    assert newsletter.clock.now() - START >= timedelta(seconds=10)


def test_a_server_that_knows_no_details_is_told_with_a_remedy(newsletter: Newsletter) -> None:
    result = trip(newsletter, PostOffice(newsletter, lambda _: Refused(550, "550 5.1.1 no such user")))
    assert not result.ok
    assert "recipient_delimiter" in result.remedy
    assert "550 5.1.1" in result.detail


def test_both_addresses_must_come_back(newsletter: Newsletter) -> None:
    result = trip(
        newsletter, PostOffice(newsletter, lambda one: Accepted() if "+u-" in one.recipient else None)
    )
    assert not result.ok


def test_it_is_remembered_for_that_address_only(newsletter: Newsletter) -> None:
    with newsletter.sessions.begin() as session:
        assert not round_trip_seen(session, ADDRESS)
        remember_round_trip(session, ADDRESS, now=START)
        remember_round_trip(session, ADDRESS, now=START)
    with newsletter.sessions.begin() as session:
        assert round_trip_seen(session, "Bounces <Bounce@Daily.example>")
        assert not round_trip_seen(session, "other@daily.example")
        assert not round_trip_seen(session, "")
        forget_round_trip(session)
    with newsletter.sessions() as session:
        assert not round_trip_seen(session, ADDRESS)


def test_an_old_round_trip_in_the_mailbox_concerns_nobody(newsletter: Newsletter) -> None:
    trip(newsletter, PostOffice(newsletter))
    token = SIGNER.sign_verp(0, 5)
    counts = newsletter.poll(f"From: a@b.example\nTo: bounce+{token}@daily.example\n\nx".encode())
    assert (counts.ignored, counts.suppressed) == (1, 0)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'digest.sqlite3'}"


def test_the_addresses_are_those_that_copies_carry() -> None:
    from digest.mail import identity
    from digest.mail.return_path import tokens_in, unsubscribe_mailbox, verp_sender

    token = SIGNER.sign_verp(7, 12)
    assert len(token) == identity.TOKEN_LENGTH
    assert tokens_in(verp_sender(ADDRESS, token).upper().encode(), limit=9) == ((token,), ())
    assert tokens_in(unsubscribe_mailbox(ADDRESS, token).encode(), limit=9) == ((), (token,))
    assert len(unsubscribe_mailbox("fourteen-chars@daily.example", token).rpartition("@")[0]) == 64
    with pytest.raises(ValueError, match="14 characters"):
        unsubscribe_mailbox("fifteen-chars-x@daily.example", token)


@pytest.mark.parametrize(("host", "proves"), [("mail.example.org", True), ("smtp.office365.com", False)])
def test_reports_need_no_token_behind_a_provider_that_replaces_the_return_path(
    newsletter: Newsletter, host: str, proves: bool
) -> None:
    from digest.pipeline.bounces import rules_of
    from digest.settings import load

    (newsletter.folder / "newsletter.toml").write_text(
        '[newsletter]\nname = "Daily"\nurl = "https://daily.example"\nsender = "daily@daily.example"\n'
        f'[smtp]\nhost = "{host}"\nport = 587\n[bounces]\naddress = "{ADDRESS}"\nmailbox = "maildir:Mail"\n'
    )
    env = newsletter.folder / ".env"
    env.write_text(
        "DIGEST_SECRET_KEY=token-key-for-tests-1\nDIGEST_SUPPRESSION_KEY=suppression-key-for-tests\n"
    )
    env.chmod(0o600)
    with newsletter.sessions.begin() as session:
        remember_round_trip(session, ADDRESS, now=START)
    assert rules_of(load(newsletter.folder), newsletter.sessions, SIGNER).verp is proves
