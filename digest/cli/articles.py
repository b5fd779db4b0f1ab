"""``digest articles``: the stock; pin, hide, edit and withdraw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, Limit, State, state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from digest.issues.articles import ArticleView
    from digest.picking.matching import Matcher
    from digest.pipeline.decide import Consequence

app = typer.Typer(no_args_is_help=True, help="The stock of articles.")

ArticleId = Annotated[
    int, typer.Argument(metavar="ID", help="The article's number in `digest articles list`.")
]
Actor = Annotated[
    str, typer.Option("--actor", metavar="NAME", help="Who decides (default: who is logged in).")
]


@app.command(name="list")
def list_articles(
    ctx: typer.Context,
    section: Annotated[
        str, typer.Option("--section", metavar="S", help="Only of this section (its key).")
    ] = "",
    since: Annotated[str, typer.Option("--since", metavar="T", help="Only published since then.")] = "",
    source: Annotated[str, typer.Option("--source", metavar="N", help="Only from this source.")] = "",
    state: Annotated[
        str, typer.Option("--state", help="unused, reserved, published, hidden or withdrawn.")
    ] = "",
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List articles, the newest first. Example: digest articles list --state unused --since 2026-11-22"""
    from digest.cli.output_desk import print_articles
    from digest.issues import articles

    desk = state_of(ctx)
    if state and state not in articles.STATES:
        raise typer.BadParameter(f"{state!r} is no state; known: {', '.join(articles.STATES)}")
    file = desk.settings.file
    _known("section", section, [one.key for one in file.sections])
    _known("source", source, [one.name for one in file.sources])
    with desk.app.readers() as session:
        found = articles.list_articles(
            session,
            _matcher(desk),
            now=desk.clock.now(),
            limit=limit,
            section=section,
            since=desk.time(since) if since else None,
            source=source,
            state=state,
            teaser_length=file.teasers.story,
        )
    zone = file.newsletter.timezone
    desk.emit(json, [one.as_json() for one in found], lambda out: print_articles(out, found, zone))


@app.command()
def show(ctx: typer.Context, article: ArticleId, json: Json = False) -> None:
    """Show all that is known of an article, and what was decided of it."""
    desk = state_of(ctx)
    with desk.app.readers() as session:
        _emit(desk, json, _view(desk, session, article))


@app.command()
def add(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(metavar="URL|FILE", help="A page, or a Markdown or HTML file.")],
    json: Json = False,
) -> None:
    """Take one article into the stock by hand. Example: digest articles add https://example.org/story"""
    from digest.pipeline.collect import add_article

    desk = state_of(ctx)
    number = add_article(desk.app.sessions, desk.settings, what, clock=desk.clock, http=desk.app.http())
    with desk.app.readers() as session:
        _emit(desk, json, _view(desk, session, number))


@app.command()
def pin(
    ctx: typer.Context,
    article: ArticleId,
    slot: Annotated[
        str, typer.Option("--slot", help="lead, dont-miss or a section's key (default: its own).")
    ] = "",
    until: Annotated[str, typer.Option("--until", metavar="T", help="The pin ends then.")] = "",
    again: Annotated[
        bool, typer.Option("--again", help='Print a published story once more, as "Updated".')
    ] = False,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Print an article in the next issue, whatever its score. Example: digest articles pin 17 --slot lead"""
    from digest.pipeline.decide import pin_article

    desk = state_of(ctx)
    found = pin_article(
        desk.app.sessions,
        desk.settings,
        article,
        now=desk.clock.now(),
        slot=slot,
        until=desk.time(until) if until else None,
        again=again,
        actor=_actor(actor),
    )
    _after(desk, article, json, found)


@app.command()
def unpin(ctx: typer.Context, article: ArticleId, json: Json = False) -> None:
    """End an article's pin."""
    from digest.pipeline.decide import unpin_article

    desk = state_of(ctx)
    unpin_article(desk.app.sessions, article, now=desk.clock.now())
    _after(desk, article, json)


@app.command()
def hide(ctx: typer.Context, article: ArticleId, actor: Actor = "", json: Json = False) -> None:
    """Leave an article out of coming issues."""
    from digest.pipeline.decide import hide_article

    desk = state_of(ctx)
    found = hide_article(desk.app.sessions, article, now=desk.clock.now(), actor=_actor(actor))
    _after(desk, article, json, found)


@app.command()
def unhide(ctx: typer.Context, article: ArticleId, json: Json = False) -> None:
    """Let a hidden article be picked again."""
    from digest.pipeline.decide import unhide_article

    desk = state_of(ctx)
    unhide_article(desk.app.sessions, article, now=desk.clock.now())
    _after(desk, article, json)


@app.command()
def edit(
    ctx: typer.Context,
    article: ArticleId,
    headline: Annotated[str | None, typer.Option("--headline", help="Its headline in print.")] = None,
    teaser: Annotated[str | None, typer.Option("--teaser", help="Its teaser in print.")] = None,
    section: Annotated[str | None, typer.Option("--section", help="The section it belongs to.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="Its label in print.")] = None,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Print an article with other words or in another section; an empty text takes a change back.

    It counts for issues that are built from now on. An issue that is built and not sent gets the new words
    at once, but for those that a hand has written there; the note tells.
    """
    from digest.pipeline.decide import edit_article

    if headline is None and teaser is None and section is None and label is None:
        raise typer.BadParameter("give --headline, --teaser, --section or --label")
    desk = state_of(ctx)
    found = edit_article(
        desk.app.sessions,
        desk.settings,
        article,
        now=desk.clock.now(),
        headline=headline,
        teaser=teaser,
        section=section,
        label=label,
        actor=_actor(actor),
    )
    _after(desk, article, json, found)


@app.command()
def withdraw(
    ctx: typer.Context,
    article: ArticleId,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the history.")] = "",
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Take an article back: out of built issues, out of copies that wait, and marked where it was sent."""
    from digest.cli.output_desk import print_withdrawn
    from digest.pipeline.correct import withdraw_article

    desk = state_of(ctx)
    found = withdraw_article(
        desk.app.sessions, desk.settings, article, now=desk.clock.now(), actor=_actor(actor), reason=reason
    )
    with desk.app.readers() as session:
        view = _view(desk, session, article)
    payload = view.as_json(whole=True) | {"withdrawn_from": [one.as_json() for one in found]}
    desk.emit(json, payload, lambda out: print_withdrawn(out, view, found))


def _after(desk: State, article: int, json: bool, found: Sequence[Consequence] = ()) -> None:
    """Show the article as it is now, and what became of issues that are open."""
    for one in found:
        desk.err.print(f"note: {one.line}", markup=False, soft_wrap=True)
    with desk.app.readers() as session:
        _emit(desk, json, _view(desk, session, article), found)


def _view(desk: State, session: Session, article: int) -> ArticleView:
    from digest.issues.articles import show_article

    length = desk.settings.file.teasers.story
    return show_article(session, _matcher(desk), article, now=desk.clock.now(), teaser_length=length)


def _emit(desk: State, json: bool, view: ArticleView, found: Sequence[Consequence] = ()) -> None:
    from digest.cli.output_desk import print_article

    zone = desk.settings.file.newsletter.timezone
    payload = view.as_json(whole=True) | {"open_issues": [one.as_json() for one in found]}
    desk.emit(json, payload, lambda out: print_article(out, view, zone))


def _matcher(desk: State) -> Matcher:
    from digest.picking.matching import Matcher
    from digest.pipeline.edition_rules import sections_of_sources

    file = desk.settings.file
    return Matcher(file.sections, source_sections=sections_of_sources(desk.settings))


def _known(what: str, name: str, known: list[str]) -> None:
    from digest.errors import ConfigError
    from digest.settings.parts import nearest

    if name and name not in known:
        guess = nearest(name, known)
        hint = f"did you mean {guess!r}?" if guess else f"known: {', '.join(known) or 'none'}"
        raise ConfigError(f"there is no {what} {name!r}", remedy=hint)


def _actor(given: str) -> str:
    from digest.cli.output_desk import actor_name

    return given or actor_name()
