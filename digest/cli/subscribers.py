"""``digest subscribers``: people, one at a time or all at once."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.choosing import ListName, SegmentName, chosen_list, chosen_segment, pairs
from digest.cli.context import Json, Limit, State, state_of
from digest.cli.subscribers_files import export_command, import_command
from digest.cli.subscribers_rights import erase, suppress, unsuppress

if TYPE_CHECKING:
    from subscribers.suppression import SuppressionKey

app = typer.Typer(no_args_is_help=True, help="People: add, import, export, show, erase.")
app.command("import")(import_command)
app.command("export")(export_command)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The person's address.")]
Name = Annotated[str | None, typer.Option("--name", help="What the person is called.")]
Language = Annotated[str | None, typer.Option("--language", metavar="TAG", help="Such as en or pt-BR.")]
Timezone = Annotated[str | None, typer.Option("--timezone", metavar="ZONE", help="Such as Asia/Dubai.")]
Attributes = Annotated[
    list[str] | None, typer.Option("--attribute", metavar="K=V", help="Any field more; repeat the option.")
]
Sections = Annotated[
    list[str] | None,
    typer.Option("--section", metavar="KEY", help="Only these sections; repeat the option."),
]


class Status(StrEnum):
    """What ``--status`` takes."""

    CONFIRMED = "confirmed"
    PENDING = "pending"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"


@app.command()
def add(
    ctx: typer.Context,
    email: Email,
    list_name: ListName = "",
    name: Name = None,
    language: Language = None,
    timezone: Timezone = None,
    attribute: Attributes = None,
    section: Sections = None,
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="They have agreed: no confirm notice on a double opt-in list.")
    ] = False,
    json: Json = False,
) -> None:
    """Put a person on a list; on a double opt-in list they get a confirm notice.

    Example: digest subscribers add ann@example.org --name Ann --attribute city=Delhi
    """
    from digest.cli.output_people import joined_line, person_payload
    from digest.pipeline.confirm import after_joining
    from digest.pipeline.people import tell_whole_story
    from subscribers.addresses import parse_address
    from subscribers.membership import BY_COMMAND, subscribe

    state = state_of(ctx)
    key, now = _key(state), state.clock.now()
    with state.app.sessions.begin() as session:
        mailing_list = chosen_list(session, list_name)
        joined = subscribe(
            session,
            parse_address(email),
            mailing_list,
            key,
            now=now,
            how=BY_COMMAND,
            confirmed=True if confirmed else None,
            name=name or "",
            language=language or "",
            timezone=timezone or "",
            attributes=pairs(attribute, "--attribute NAME=VALUE"),
            sections=section,
        )
        noticed = after_joining(session, state.settings, joined, now=now)
        whole = tell_whole_story(session, email, key)
    sent = noticed and _deliver(state)
    payload = {**person_payload(whole), "outcome": joined.outcome, "notice": noticed}
    line = joined_line(whole, joined, mailing_list.name, noticed=noticed, sent=sent)
    state.emit(json, payload, lambda out: out.print(line, markup=False))


@app.command("list")
def list_command(
    ctx: typer.Context,
    search: Annotated[str, typer.Option("--search", metavar="PART", help="A part of the address.")] = "",
    list_name: ListName = "",
    segment: SegmentName = "",
    status: Annotated[Status | None, typer.Option("--status", help="Only who stands so.")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List people, in the order they came.

    Example: digest subscribers list --search @example.org --status pending
    """
    from digest.cli.output_people import print_people, summary_payload
    from subscribers.membership import find_list, list_people

    state = state_of(ctx)
    with state.app.readers() as session:
        found = list(
            list_people(
                session,
                list_id=find_list(session, list_name).id if list_name else None,
                status=status,
                search=search,
                condition=chosen_segment(session, segment),
                limit=limit,
            )
        )
    zone = state.settings.file.newsletter.timezone
    state.emit(
        json, [summary_payload(one) for one in found], lambda out: print_people(out, found, zone, limit)
    )


@app.command()
def show(ctx: typer.Context, email: Email, json: Json = False) -> None:
    """Tell a person's story: lists, consent, bounces, copies. With --json: all that is stored of them.

    Example: digest subscribers show ann@example.org
    """
    from digest.cli.output_people import person_payload, print_story
    from digest.pipeline.people import tell_whole_story

    state = state_of(ctx)
    with state.app.readers() as session:
        whole = tell_whole_story(session, email, _key(state))
    zone = state.settings.file.newsletter.timezone
    state.emit(json, person_payload(whole), lambda out: print_story(out, whole, zone))


@app.command()
def update(
    ctx: typer.Context,
    email: Email,
    new_email: Annotated[
        str, typer.Option("--email", metavar="NEW", help="The new address; lists are kept.")
    ] = "",
    name: Name = None,
    language: Language = None,
    timezone: Timezone = None,
    attribute: Attributes = None,
    list_name: ListName = "",
    section: Sections = None,
    all_sections: Annotated[bool, typer.Option("--all-sections", help="Every section again.")] = False,
    json: Json = False,
) -> None:
    """Change a person; an attribute without a value (city=) is removed.

    Example: digest subscribers update ann@example.org --language hi --attribute city=
    """
    from digest.cli.output_people import person_payload
    from digest.pipeline.people import tell_whole_story
    from subscribers.addresses import parse_address
    from subscribers.errors import UnknownSubscriber
    from subscribers.membership import (
        BY_COMMAND,
        choose_sections,
        find_person,
        subscription_of,
        update_person,
    )

    state = state_of(ctx)
    key, now = _key(state), state.clock.now()
    given = pairs(attribute, "--attribute NAME=VALUE, or NAME= to remove it")
    with state.app.sessions.begin() as session:
        person = find_person(session, email)
        update_person(
            session,
            person,
            key,
            now=now,
            how=BY_COMMAND,
            address=parse_address(new_email) if new_email else None,
            name=name,
            language=language,
            timezone=timezone,
            attributes={name: value or None for name, value in given.items()} or None,
        )
        if section or all_sections:
            mailing_list = chosen_list(session, list_name)
            subscription = subscription_of(session, person, mailing_list)
            if subscription is None:
                raise UnknownSubscriber(f"{email} is not on the list {mailing_list.name}")
            choose_sections(
                session, subscription.id, None if all_sections else section, now=now, how=BY_COMMAND
            )
        whole = tell_whole_story(session, person.address, key)
    state.emit(json, person_payload(whole), lambda out: out.print(f"{whole.story.address} is changed"))


@app.command()
def confirm(ctx: typer.Context, email: Email, list_name: ListName = "", json: Json = False) -> None:
    """Confirm somebody who is pending: the desk has their consent in hand.

    Example: digest subscribers confirm ann@example.org
    """
    from digest.cli.output_people import confirm_line, person_payload
    from digest.pipeline.confirm import confirm_by_link
    from digest.pipeline.people import tell_whole_story
    from subscribers.errors import UnknownSubscriber
    from subscribers.membership import BY_COMMAND, ConfirmOutcome, find_person, subscription_of

    state = state_of(ctx)
    with state.app.sessions.begin() as session:
        person = find_person(session, email)
        mailing_list = chosen_list(session, list_name)
        subscription = subscription_of(session, person, mailing_list)
        if subscription is None:
            raise UnknownSubscriber(
                f"{email} never joined the list {mailing_list.name}", remedy="digest subscribers add"
            )
        outcome = confirm_by_link(
            session, state.settings, subscription.id, how=BY_COMMAND, now=state.clock.now()
        )
        if outcome is ConfirmOutcome.GONE:
            raise UnknownSubscriber(
                f"{person.address} left {mailing_list.name}",
                remedy="`digest subscribers add` puts them on it again if they ask for it",
            )
        whole = tell_whole_story(session, email, _key(state))
    line = confirm_line(whole, outcome, mailing_list.name)
    state.emit(json, person_payload(whole), lambda out: out.print(line, markup=False))


@app.command()
def unsubscribe(
    ctx: typer.Context,
    email: Email,
    list_name: ListName = "",
    everywhere: Annotated[bool, typer.Option("--all", help="From all lists.")] = False,
    json: Json = False,
) -> None:
    """Take a person off a list. They stay known, so that no import brings them back.

    Example: digest subscribers unsubscribe ann@example.org --list daily
    """
    from digest.cli.output_people import person_payload
    from digest.pipeline.people import tell_whole_story
    from subscribers.membership import (
        BY_COMMAND,
        find_person,
        subscription_of,
        unsubscribe,
        unsubscribe_everywhere,
    )

    state = state_of(ctx)
    now = state.clock.now()
    with state.app.sessions.begin() as session:
        person = find_person(session, email)
        if everywhere:
            changed = unsubscribe_everywhere(session, person.id, now=now, how=BY_COMMAND) > 0
        else:
            subscription = subscription_of(session, person, chosen_list(session, list_name))
            changed = subscription is not None and unsubscribe(
                session, subscription.id, now=now, how=BY_COMMAND
            )
        whole = tell_whole_story(session, email, _key(state))
    line = (
        f"{whole.story.address} is unsubscribed" if changed else f"{whole.story.address} was not subscribed"
    )
    state.emit(json, person_payload(whole), lambda out: out.print(line, markup=False))


for command in (erase, suppress, unsuppress):
    app.command()(command)


@app.command()
def count(
    ctx: typer.Context, list_name: ListName = "", segment: SegmentName = "", json: Json = False
) -> None:
    """Count people: all, by standing, and those who would be mailed.

    Example: digest subscribers count --list daily --segment delhi
    """
    from digest.cli.output_people import count_payload, print_counts
    from subscribers.audience import audience, count_audience, count_mailable
    from subscribers.membership import count_lists, count_people
    from subscribers.segments import count_segment, find_segment

    state = state_of(ctx)
    with state.app.readers() as session:
        lists = count_lists(session, name=list_name or None)
        condition = chosen_segment(session, segment)
        ids = [one.id for one in lists]
        mailable = (
            count_mailable(session, ids)
            if condition is None
            else count_audience(session, audience(ids, segment=condition))
        )
        people = count_segment(session, find_segment(session, segment)) if segment else count_people(session)
    payload = count_payload(people, lists, mailable)
    state.emit(json, payload, lambda out: print_counts(out, payload))


def _key(state: State) -> SuppressionKey:
    from subscribers.suppression import SuppressionKey

    return SuppressionKey(state.settings.suppression_key)


def _deliver(state: State) -> bool:
    """Send the notice now if the mail server is there; else it waits in its outbox."""
    from digest.delivery.worker import Habits
    from digest.errors import ConfigError, DigestError
    from digest.models import DeliveryStatus
    from digest.pipeline.deliver import deliver_notices

    app = state.app
    try:
        run = deliver_notices(
            app.engine,
            state.settings,
            transport=app.transport(),
            signer=app.signer,
            clock=state.clock,
            habits=Habits(tries=1),  # whoever types does not wait for a server that is away
        )
    except (ConfigError, DigestError, OSError) as error:
        state.err.print(f"the notice waits in the outbox: {error}", markup=False)
        return False
    return bool(run.of(DeliveryStatus.SENT))
