"""Who a copy is from and how it is made: identities and composers out of settings and stored renditions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from digest.bounces.roundtrip import round_trip_seen
from digest.delivery.machine import Claim, Composer
from digest.delivery.smtp import server_of
from digest.errors import ConfigError, UnknownIssue
from digest.issues.drafts import archive_url
from digest.issues.finding import issue_row
from digest.mail import Identity, MessageTemplate, Profile, compile_message, compose_notice, profile_of
from digest.mail.dkim import DkimSigner
from digest.models import NoticeKind
from digest.pipeline.render import load_rendition
from digest.settings import Settings
from digest.settings.parts import split_mailbox
from digest.values import Envelope, RenderedIssue
from subscribers.models import MailingListRow
from subscribers.tokens import Purpose, TokenSigner

if TYPE_CHECKING:
    from digest.rendering.notices import RenderedNotice


def profile_of_settings(settings: Settings) -> Profile:
    """The provider's profile: configured, or told by the server's name."""
    return profile_of(server_of(settings).host, settings.file.smtp.provider)


def identity_of(session: Session, settings: Settings, edition_name: str, signer: TokenSigner) -> Identity:
    """What all copies of an edition's issues have in common. Raises ``ConfigError``."""
    edition = settings.edition(edition_name)
    title = session.scalar(select(MailingListRow.title).where(MailingListRow.name == edition.list_name))
    smtp, bounces = settings.file.smtp, settings.file.bounces
    bounce_address = split_mailbox(bounces.address)[1] if bounces else ""
    return Identity(
        sender_name=edition.sender_name,
        sender_address=edition.sender_address,
        reply_to=split_mailbox(edition.reply_to) if edition.reply_to else ("", ""),
        list_name=edition.list_name,
        list_title=title or edition.title,
        edition=edition.name,
        public_url=settings.public_url,
        signer=signer,
        profile=profile_of_settings(settings),
        bounce_address=bounce_address,
        round_trip=bounces is not None and round_trip_seen(session, bounces.address),
        dkim=dkim_signers(settings),
        precedence=smtp.precedence,
        auto_submitted=smtp.auto_submitted,
        feedback_sender_id=smtp.feedback_sender_id,
    )


def dkim_signers(settings: Settings) -> tuple[DkimSigner, ...]:
    """What ``[dkim]`` signs with, or nothing. Raises ``ConfigError``."""
    own = settings.file.dkim
    if own is None:
        return ()
    path: Path = settings.folder / own.key_file
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"[dkim] key_file {path}: others may read it", remedy=f"chmod 600 {path}")
        pem = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"[dkim] key_file {path}: {error.strerror}", remedy="`digest dkim new` makes a key"
        ) from error
    return (DkimSigner.from_pem(pem, domain=own.domain, selector=own.selector),)


def issue_composer(
    readers: sessionmaker[Session], settings: Settings, issue_id: int, signer: TokenSigner
) -> Composer:
    """Makes the copies of a stored issue, for one thread.

    A claim names the rendition that its copy carries; each is compiled once, when first needed.
    """
    templates: dict[int, MessageTemplate] = {}

    def compose(claim: Claim, date: datetime) -> Envelope:
        rendition_id = claim.rendition_id or 0
        template = templates.get(rendition_id)
        if template is None:
            with readers() as session:
                rendered = load_rendition(session, rendition_id)
                template = template_of(session, settings, issue_id, rendered, signer)
            templates[rendition_id] = template
        return template.envelope(claim.recipient, date=date)

    return compose


def template_of(
    session: Session, settings: Settings, issue_id: int, rendered: RenderedIssue, signer: TokenSigner
) -> MessageTemplate:
    """``rendered`` as the copies of the issue. Raises ``ConfigError``."""
    row = issue_row(session, issue_id)
    identity = identity_of(session, settings, row.edition, signer)
    return compile_message(rendered, identity, issue_id=issue_id, view_url=archive_url(settings, row))


def notice_composer(readers: sessionmaker[Session], settings: Settings, signer: TokenSigner) -> Composer:
    """Makes notices: rendered one by one, since there are few."""
    identities: dict[str, Identity] = {}

    def identity_for(edition: str) -> Identity:
        if edition not in identities:
            with readers() as session:
                identities[edition] = identity_of(session, settings, edition, signer)
        return identities[edition]

    def compose(claim: Claim, date: datetime) -> Envelope:
        from digest.rendering.notices import render_notice

        notice = claim.notice
        if notice is None:
            raise ValueError(f"claim {claim.id} is no notice")
        rendered = _of_issue(readers, settings, signer, claim, date)
        if rendered is None:
            context = {
                **notice.context,
                **_links(settings, claim.recipient.subscription_id, signer, date, notice.context),
                **_right(settings, claim, signer, date),
            }
            kind = _asked(notice.context) or notice.kind
            rendered = render_notice(kind, claim.recipient.language, context, settings)
        return compose_notice(
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            identity=identity_for(_edition_of(settings, notice.context)),
            address=claim.recipient.address,
            name=claim.recipient.name,
            language=notice.language or settings.file.newsletter.language,
            notice_id=claim.id,
            subscription_id=claim.recipient.subscription_id,
            date=date,
        )

    return compose


def _of_issue(
    readers: sessionmaker[Session], settings: Settings, signer: TokenSigner, claim: Claim, date: datetime
) -> RenderedNotice | None:
    """An approval notice with its issue; None for other kinds, and when the issue is gone."""
    notice = claim.notice
    if notice is None or notice.kind != NoticeKind.APPROVAL or not notice.issue_id:
        return None
    from digest.pipeline.approving import approval_notice

    with suppress(UnknownIssue):
        return approval_notice(
            readers, settings, signer, notice.issue_id, claim.recipient.address,
            reminder=notice.context.get("stage") == "reminder", at=date,
        )  # fmt: skip
    return None


def _links(
    settings: Settings,
    subscription_id: int,
    signer: TokenSigner,
    date: datetime,
    context: Mapping[str, object],
) -> dict[str, str]:
    """The links of one person; they are made here, so that no row stores a token."""
    if not subscription_id or not settings.public_url:
        return {}
    url = settings.public_url
    also = context.get("also")
    ids = [subscription_id, *(int(one) for one in (also if isinstance(also, list) else ()))]
    return {
        "confirm_url": f"{url}/c/{signer.sign(Purpose.CONFIRM, *ids, issued_at=date)}",
        "preferences_url": f"{url}/p/{signer.sign(Purpose.PREFERENCES, subscription_id)}",
        "unsubscribe_url": f"{url}/u/{signer.sign(Purpose.UNSUBSCRIBE, subscription_id)}",
    }


def _asked(context: Mapping[str, object]) -> str:
    """The kind of notice that mails a right's link, or empty."""
    from digest.pipeline.rights import Right

    kinds = {Right.DATA: "own_data", Right.ERASE: "erase", Right.MOVE: "address_change"}
    return next((kind for right, kind in kinds.items() if right.value == context.get("ask")), "")


def _right(settings: Settings, claim: Claim, signer: TokenSigner, date: datetime) -> dict[str, str]:
    """The link that is mailed before a right is used; it names the address that it was mailed to."""
    context = claim.notice.context if claim.notice else {}
    subscription_id = context.get("subscription")
    if not _asked(context) or not isinstance(subscription_id, int) or not settings.public_url:
        return {}
    from digest.pipeline.rights import Right, fingerprint_of

    what = Right(str(context["ask"]))
    ids = [subscription_id]
    if what is Right.MOVE:
        ids.append(fingerprint_of(settings, claim.recipient.address))
    return {"confirm_url": f"{settings.public_url}/{what.path}/{signer.sign(what, *ids, issued_at=date)}"}


def _edition_of(settings: Settings, context: object) -> str:
    """The edition a notice speaks for: the one it names, else the one of its list, else the first."""
    named = context if isinstance(context, dict) else {}
    editions = settings.file.editions
    if named.get("edition") in editions:
        return str(named["edition"])
    for name in editions:
        if settings.edition(name).list_name == named.get("list"):
            return name
    if not editions:
        raise ConfigError("newsletter.toml has no edition", remedy="add [editions.daily]")
    return next(iter(editions))
