"""What readers do by the links of their mails: leave, come back, confirm, choose. Shared by the public pages.

Tokens are verified here; a person who is gone or erased is no error, because a link in an old mail must
never fail (RFC 8058).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from digest.pipeline.clicks import ClickDesk
from digest.pipeline.confirm import confirm_by_link
from digest.pipeline.leaving import ReaderWriter, resume_copies, stop_copies
from digest.pipeline.people import WholeStory, whole_story_of
from digest.pipeline.rights import Right, ask_for, ask_to_move, move_to_new, refuse_used, use_up
from subscribers.addresses import Address
from subscribers.errors import Suppressed
from subscribers.membership import (
    ConfirmOutcome,
    How,
    choose_sections,
    erase_person,
    subscribe,
    subscription_of,
    undo_unsubscribe,
    unsubscribe_many,
    update_person,
)
from subscribers.membership.fields import clean_name
from subscribers.models import (
    ConsentMethod,
    MailingListRow,
    SubscriberRow,
    SubscriptionRow,
    SubscriptionStatus,
)
from subscribers.suppression import SuppressionKey
from subscribers.tokens import CONFIRM_MAX_AGE, Purpose, TokenSigner

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from digest.settings import Settings


@dataclass(frozen=True, slots=True)
class Standing:
    """What a page may show of a subscription; nothing of an address."""

    known: bool
    list_title: str
    list_name: str
    language: str
    confirmed: bool = False
    name: str = ""
    sections: tuple[str, ...] | None = None
    own_language: str = ""  # what they chose; ``language`` falls back to the newsletter's
    timezone: str = ""
    lists: tuple[ListChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class ListChoice:
    """A list that the reader is on, or may join."""

    name: str
    title: str
    on_it: bool


class ReaderDesk:
    """The reader's side of a newsletter.

    Every method takes the token of a link and raises ``TokenForged`` or ``TokenExpired``.
    """

    def __init__(
        self,
        sessions: sessionmaker[Session],
        readers: sessionmaker[Session],
        settings: Settings,
        signer: TokenSigner,
    ) -> None:
        self._sessions = sessions
        self._readers = readers
        self._settings = settings
        self._signer = signer
        self.writer = ReaderWriter(sessions.kw["bind"])
        self.clicks = ClickDesk(sessions, readers, settings, signer)

    def look(self, purpose: Purpose, token: str, *, now: datetime) -> Standing:
        """How the subscription stands; changes nothing."""
        subscription_id = self._verify(purpose, token, now)
        with self._readers() as session:
            return self._standing(session, subscription_id)

    def leave(
        self,
        token: str,
        *,
        now: datetime,
        method: ConsentMethod,
        ip: str = "",
        reason: str = "",
        everything: bool = False,
    ) -> Standing:
        """Take the reader off the list (or all lists); again and for a person who is gone: the same."""
        subscription_id = self._verify(Purpose.UNSUBSCRIBE, token, now)
        how = How(method, ip=ip, note=reason[:500])

        def work(session: Session) -> Standing:
            row = session.get(SubscriptionRow, subscription_id)
            wanted = {subscription_id: how}
            if row is not None and everything:
                all_of = select(SubscriptionRow.id).where(SubscriptionRow.subscriber_id == row.subscriber_id)
                wanted = dict.fromkeys(session.scalars(all_of), how)
            stop_copies(session, unsubscribe_many(session, wanted, now=now))
            session.expire_all()
            return self._standing(session, subscription_id)

        return self.writer.call(work)

    def come_back(self, token: str, *, now: datetime, ip: str = "") -> tuple[bool, Standing]:
        """Undo leaving, within ten minutes: of all lists that were left in the same moment."""
        subscription_id = self._verify(Purpose.UNSUBSCRIBE, token, now)
        how = How(ConsentMethod.PREFERENCES, ip=ip, note="undo")

        def work(session: Session) -> tuple[bool, Standing]:
            row = session.get(SubscriptionRow, subscription_id)
            done = False
            if row is not None and row.unsubscribed_at is not None:
                together = select(SubscriptionRow.id).where(
                    SubscriptionRow.subscriber_id == row.subscriber_id,
                    SubscriptionRow.unsubscribed_at == row.unsubscribed_at,
                )
                for one in session.scalars(together.order_by(SubscriptionRow.id)).all():
                    if undo_unsubscribe(session, one, now=now, how=how):
                        done = True
                        resume_copies(session, one, row.subscriber_id)
            return done, self._standing(session, subscription_id)

        return self.writer.call(work)

    def confirm(
        self, token: str, *, now: datetime, ip: str = "", wording: str = ""
    ) -> tuple[ConfirmOutcome, Standing]:
        """Confirm a pending subscription, within seven days of the notice."""
        subscription_id, *also = self.ids(Purpose.CONFIRM, token, now)
        how = How(ConsentMethod.FORM, ip=ip, wording=wording)

        def work(session: Session) -> tuple[ConfirmOutcome, Standing]:
            outcome = confirm_by_link(session, self._settings, subscription_id, how=how, now=now)
            for other in also:  # one notice asked for several lists
                confirm_by_link(session, self._settings, other, how=how, now=now)
            return outcome, self._standing(session, subscription_id)

        return self.writer.call(work)

    def choose(
        self,
        token: str,
        *,
        now: datetime,
        name: str,
        sections: Sequence[str] | None,
        language: str | None = None,
        timezone: str | None = None,
        lists: Sequence[str] | None = None,
        ip: str = "",
    ) -> Standing:
        """Change fields, chosen sections (None: all of them), and the lists one is on (None: as they are).

        The link proves the address: a list joined here needs no further confirmation.
        Raises ``InvalidField``.
        """
        subscription_id = self._verify(Purpose.PREFERENCES, token, now)
        how = How(ConsentMethod.PREFERENCES, ip=ip)

        def work(session: Session) -> Standing:
            row = session.get(SubscriptionRow, subscription_id)
            if row is not None:
                person = session.get_one(SubscriberRow, row.subscriber_id)
                key = SuppressionKey(self._settings.suppression_key)
                fields = (
                    clean_name(name),
                    person.language if language is None else language,
                    person.timezone if timezone is None else timezone,
                )
                if fields != (person.name, person.language, person.timezone):
                    update_person(
                        session,
                        person,
                        key,
                        now=now,
                        how=how,
                        name=fields[0],
                        language=fields[1],
                        timezone=fields[2],
                    )
                choose_sections(session, subscription_id, sections, now=now, how=how)
                if lists is not None:
                    self._choose_lists(session, person, key, lists, now=now, how=how)
            return self._standing(session, subscription_id)

        return self.writer.call(work)

    def ask(self, token: str, what: Right, *, now: datetime) -> bool:
        """Mail a link by which the reader downloads their data or is erased: a preferences link that was
        forwarded must not be enough. False when there is nobody any more."""
        subscription_id = self._verify(Purpose.PREFERENCES, token, now)
        return self.writer.call(
            lambda session: ask_for(session, self._settings, subscription_id, what, now=now)
        )

    def ask_to_move(self, token: str, address: Address, *, now: datetime) -> bool:
        """Mail a link to a new address; the old one is mailed until it is pressed. Whether that one is
        taken or suppressed changes nothing that is seen. False when there is nobody any more."""
        subscription_id = self._verify(Purpose.PREFERENCES, token, now)
        return self.writer.call(
            lambda session: ask_to_move(session, self._settings, subscription_id, address, now=now)
        )

    def look_right(self, what: Right, token: str, *, now: datetime) -> Standing:
        """Whose right a mailed link is; changes nothing. Raises ``TokenExpired`` when it was used."""
        subscription_id, *_ = self._right(what, token, now)
        with self._readers() as session:
            refuse_used(session, token)
            return self._standing(session, subscription_id)

    def own_data(self, token: str, *, now: datetime) -> WholeStory | None:
        """Everything stored of the reader, or None when nothing is. The link works once."""
        subscription_id, *_ = self._right(Right.DATA, token, now)

        def work(session: Session) -> WholeStory | None:
            use_up(session, token, now=now)
            row = session.get(SubscriptionRow, subscription_id)
            if row is None:
                return None
            person = session.get_one(SubscriberRow, row.subscriber_id)
            return whole_story_of(session, person, SuppressionKey(self._settings.suppression_key))

        return self.writer.call(work)

    def erase(self, token: str, *, now: datetime, ip: str = "") -> bool:
        """Erase the reader for good, whatever list the link was of; False when they were gone before.

        The link works once, and all that the command does is done: nothing is left in any file.
        """
        subscription_id, *_ = self._right(Right.ERASE, token, now)

        def work(session: Session) -> bool:
            use_up(session, token, now=now)
            row = session.get(SubscriptionRow, subscription_id)
            if row is None:
                return False
            person = session.get_one(SubscriberRow, row.subscriber_id)
            address = Address(person.address, person.normalized, person.domain)
            key = SuppressionKey(self._settings.suppression_key)
            return erase_person(session, address, key, now=now, how=How(ConsentMethod.PREFERENCES, ip=ip))

        erased = self.writer.call(work)
        if erased:
            self.writer.forget_traces()
        return erased

    def move(self, token: str, *, now: datetime, ip: str = "") -> Standing:
        """Mail the new address from now on. Raises ``TokenExpired`` when it is no longer asked for, or
        meanwhile taken or suppressed."""
        subscription_id, fingerprint = self._right(Right.MOVE, token, now)
        how = How(ConsentMethod.PREFERENCES, ip=ip)

        def work(session: Session) -> Standing:
            move_to_new(session, self._settings, subscription_id, fingerprint, now=now, how=how)
            return self._standing(session, subscription_id)

        return self.writer.call(work)

    def _choose_lists(
        self,
        session: Session,
        person: SubscriberRow,
        key: SuppressionKey,
        wanted: Sequence[str],
        *,
        now: datetime,
        how: How,
    ) -> None:
        address = Address(person.address, person.normalized, person.domain)
        for choice in self._choices(session, person.id):
            row = session.scalars(select(MailingListRow).where(MailingListRow.name == choice.name)).one()
            if choice.name in wanted and not choice.on_it:
                with suppress(Suppressed):  # the desk's word stands, and its reason is not shown
                    subscribe(session, address, row, key, now=now, how=how, confirmed=True)
            elif choice.on_it and choice.name not in wanted:
                standing = subscription_of(session, person, row)
                if standing is not None:
                    gone = unsubscribe_many(session, {standing.id: how}, now=now)
                    stop_copies(session, gone)
                    session.expire(standing)

    def _choices(self, session: Session, subscriber_id: int) -> tuple[ListChoice, ...]:
        """The lists one is on, and those that everybody may join."""
        private = self._settings.file.web.private_lists
        editions = [self._settings.edition(name).list_name for name in self._settings.file.editions]
        on_it = set(
            session.scalars(
                select(SubscriptionRow.list_id).where(
                    SubscriptionRow.subscriber_id == subscriber_id,
                    SubscriptionRow.status == SubscriptionStatus.CONFIRMED,
                )
            )
        )
        rows = session.scalars(select(MailingListRow).order_by(MailingListRow.name)).all()
        return tuple(
            ListChoice(row.name, row.title or row.name, row.id in on_it)
            for row in rows
            if row.id in on_it or (row.name in editions and row.name not in private)
        )

    def section_names(self, list_name: str) -> dict[str, str]:
        """Keys and names of the sections that a list's editions print, in their order."""
        found: dict[str, str] = {}
        for edition_name in self._settings.file.editions:
            edition = self._settings.edition(edition_name)
            if edition.list_name == list_name:
                found |= {section.key: section.name for section in edition.sections}
        return found

    def ids(self, purpose: Purpose, token: str, now: datetime) -> tuple[int, ...]:
        """What a link names. Raises ``TokenForged``; ``TokenExpired`` for a confirm link after seven days."""
        dated = purpose is Purpose.CONFIRM
        return self._signer.verify(
            purpose, token, now=now if dated else None, max_age=CONFIRM_MAX_AGE if dated else None
        )

    def _verify(self, purpose: Purpose, token: str, now: datetime) -> int:
        return self.ids(purpose, token, now)[0]

    def _right(self, what: Right, token: str, now: datetime) -> tuple[int, ...]:
        return self._signer.verify(what.value, token, now=now, max_age=what.good_for)

    def _standing(self, session: Session, subscription_id: int) -> Standing:
        newsletter = self._settings.file.newsletter
        found = session.execute(
            select(SubscriptionRow, SubscriberRow, MailingListRow)
            .join(SubscriberRow, SubscriberRow.id == SubscriptionRow.subscriber_id)
            .join(MailingListRow, MailingListRow.id == SubscriptionRow.list_id)
            .where(SubscriptionRow.id == subscription_id)
        ).one_or_none()
        if found is None:
            return Standing(False, newsletter.name, "", newsletter.language)
        subscription, person, mailing_list = found
        return Standing(
            known=True,
            list_title=mailing_list.title or mailing_list.name,
            list_name=mailing_list.name,
            language=person.language or newsletter.language,
            confirmed=subscription.status is SubscriptionStatus.CONFIRMED,
            name=person.name,
            sections=None if subscription.sections is None else tuple(subscription.sections),
            own_language=person.language,
            timezone=person.timezone,
            lists=self._choices(session, person.id),
        )
