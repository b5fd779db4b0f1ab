"""The words and tables of the editor's desk: an issue, why a story is in it, the stock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from digest.cli.output import local, rows
from digest.values import Item, Slot

if TYPE_CHECKING:
    from rich.console import Console

    from digest.issues.articles import ArticleView
    from digest.issues.view import IssueSummary, IssueView
    from digest.pipeline.correct import Withdrawn
    from digest.pipeline.explain import Verdict

_SLOTS = (
    (Slot.TOP, "Top"),
    (Slot.SPONSOR, "Sponsor"),
    (Slot.CORRECTIONS, "Corrections"),
    (Slot.LEAD, "Lead"),
)


def actor_name() -> str:
    """Who sits at this terminal, for the history of edits."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "command line"


def print_issue(out: Console, view: IssueView) -> None:
    """The issue with the numbers that ``move``, ``drop`` and ``edit`` take."""
    name = f"issue {view.id}" if view.id else "dry run: nothing is stored"
    number = f", no. {view.number}" if view.number else ""
    out.print(f"{view.edition} of {view.date} · {name}{number} · {view.status}", markup=False, style="bold")
    out.print(f"Subject    {view.subject}", markup=False)
    out.print(f"Preheader  {view.preheader}", markup=False)
    if view.paused_reason:
        out.print(f"Paused     {view.paused_reason}", markup=False)
    lines: list[tuple[object, ...]] = []
    for slot, title in _SLOTS:
        lines += [_line(item, title, view.timezone) for item in view.in_slot(slot)]
    for heading in view.sections:
        items = view.in_slot(Slot.SECTION, heading.key)
        lines += [_line(item, heading.name, view.timezone) for item in items]
    lines += [_line(item, "Don't Miss", view.timezone) for item in view.in_slot(Slot.DONT_MISS)]
    lines += [_line(item, "Bottom", view.timezone) for item in view.in_slot(Slot.BOTTOM)]
    columns: tuple[str, ...] = ("#Item", "Place", "Headline", "#Article", "Published", "By")
    if view.clicks:
        columns = (*columns, "#Clicks")
        lines = [(*line, view.clicks.get(int(str(line[0])), 0)) for line in lines]
    rows(out, columns, lines, empty="No items.")


def _line(item: Item, place: str, zone: str) -> tuple[object, ...]:
    headline = item.headline or item.teaser[:60]
    label = f" [{item.label}]" if item.label else ""
    hand = (item.actor or "hand") if item.locked else item.origin.value
    return (
        item.id,
        f"{place} {item.position}",
        headline + label,
        item.article_id,
        local(item.published_at, zone) if item.published_at else "",
        hand,
    )


def print_summaries(out: Console, found: Sequence[IssueSummary]) -> None:
    """The list of issues."""
    lines = [
        (one.id, one.edition, one.date, one.number or "–", one.status, one.stories, one.subject)
        for one in found
    ]
    columns = ("#ID", "Edition", "Date", "#No.", "Status", "#Stories", "Subject")
    rows(out, columns, lines, empty="No issues yet: `digest issue build EDITION` makes one.")


def print_verdicts(out: Console, verdicts: Sequence[Verdict], *, limit: int) -> None:
    """Every candidate with its score, its factors and the reason."""
    lines = [
        (
            one.article,
            one.slot or "out",
            one.section or "–",
            one.title,
            f"{one.score:.4f}",
            " × ".join(f"{name} {value:.3g}" for name, value in one.factors.items() if value != 1.0),
            one.reason,
        )
        for one in verdicts[:limit]
    ]
    columns = ("#Article", "Slot", "Section", "Headline", "#Score", "Factors", "Why")
    rows(out, columns, lines, empty="No candidates: nothing is fresh enough. `digest fetch` may bring some.")
    if len(verdicts) > limit:
        out.print(f"… and {len(verdicts) - limit} more; --limit shows more, --json all.", markup=False)


def print_articles(out: Console, found: Sequence[ArticleView], zone: str) -> None:
    """The stock, newest first."""
    lines = [
        (
            one.id,
            local(one.published_at, zone),
            one.source,
            one.section or "–",
            one.title,
            one.state + (f", pinned ({one.pinned})" if one.pinned else ""),
        )
        for one in found
    ]
    columns = ("#ID", "Published", "Source", "Section", "Headline", "State")
    rows(out, columns, lines, empty="No such articles. `digest fetch` takes in what is new.")


def print_article(out: Console, one: ArticleView, zone: str) -> None:
    """One article with all that is known of it."""
    out.print(one.title, markup=False, style="bold")
    pairs = [
        ("Article", f"{one.id}, story {one.story}, revision {one.revision}"),
        ("State", one.state + (f", pinned ({one.pinned})" if one.pinned else "")),
        ("Source", f"{one.source} · {', '.join(one.authors)}".rstrip(" ·")),
        ("Section", f"{one.section or '–'} ({', '.join(one.categories) or 'no categories'})"),
        ("Published", local(one.published_at, zone)),
        ("Address", one.url),
        ("Picture", one.image or "–"),
        ("Reading", f"{one.reading_minutes} min, {one.word_count} words"),
        ("Teaser", one.teaser or "–"),
        ("Also", ", ".join(one.also) or "–"),
        ("Printed", ", ".join(f"issue {number}" for number in one.issues) or "–"),
    ]
    pairs += [(f"  {when}", what) for when, what in one.history]
    for name, value in pairs:
        out.print(f"{name:<10} {value}", markup=False)


def print_withdrawn(out: Console, article: ArticleView, found: Sequence[Withdrawn]) -> None:
    """What became of the issues that carried a withdrawn article."""
    out.print(f"Article {article.id} is withdrawn: {article.title}", markup=False)
    for one in found:
        swapped = f", item {one.swapped_in} took its place" if one.swapped_in else ""
        copies = f", {one.copies} waiting copies are made anew" if one.copies else ""
        line = f"Issue {one.issue} ({one.status}){swapped}{copies}"
        if one.needs_correction:
            line += f"; copies with it are out: `digest issue correct {one.issue}` tells who got them"
        out.print(line + ".", markup=False)
