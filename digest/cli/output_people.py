"""The words and tables of ``digest subscribers``, ``lists`` and ``segments``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from digest.cli.output import local, rows

if TYPE_CHECKING:
    from rich.console import Console

    from digest.pipeline.people import WholeStory
    from subscribers.importing import Report
    from subscribers.membership import ConfirmOutcome, Joined, ListCounts, ListMovement, Summary


@contextmanager
def paged(console: Console, lines: int) -> Iterator[None]:
    """A pager when the text is longer than the terminal."""
    if console.is_terminal and lines > console.height - 4:
        with console.pager(styles=True):
            yield
    else:
        yield


def person_payload(whole: WholeStory) -> dict[str, Any]:
    """Everything stored of a person: the contract's keys first."""
    story = whole.story
    suppression = story.suppression
    return {
        "email": story.address,
        "name": story.name,
        "status": story.status,
        "language": story.language,
        "timezone": story.timezone,
        "lists": [
            {"list": one.list_name, "status": one.status, "since": one.since, "sections": one.sections}
            for one in story.lists
        ],
        "attributes": story.attributes,
        "consent": [
            {
                "at": line.at,
                "what": line.action,
                "how": line.method,
                "list": line.list_name,
                "file": line.source,
                "line": line.line,
                "wording": line.wording,
                "ip": line.ip,
                "note": line.note,
            }
            for line in story.consent
        ],
        "suppressed": None
        if suppression is None
        else {
            "kind": suppression.kind,
            "cause": suppression.cause,
            "reason": suppression.reason,
            "since": suppression.since,
        },
        "new_address": story.new_address,
        "created_at": story.created_at,
        "updated_at": story.updated_at,
        "bounces": [asdict(one) for one in story.bounces],
        "deliveries": [asdict(one) for one in whole.copies],
        "notices": [asdict(one) for one in whole.notices],
    }


def print_story(console: Console, whole: WholeStory, zone: str) -> None:
    """A person's story as one reads it: who, where, and line by line how it came to that."""
    story = whole.story
    lines: list[str] = [
        f"{story.address}  {story.name}".rstrip(),
        f"{story.status}, known since {local(story.created_at, zone)}"
        + (f", language {story.language}" if story.language else "")
        + (f", zone {story.timezone}" if story.timezone else ""),
    ]
    if story.suppression is not None:
        what = story.suppression
        lines.append(f"never mailed since {local(what.since, zone)}: {what.cause} {what.reason}".rstrip())
    lines += [f"  {name}: {value}" for name, value in sorted(story.attributes.items())]
    lines += ["", "Lists"]
    for one in story.lists:
        sections = "" if one.sections is None else f", only {', '.join(one.sections)}"
        lines.append(f"  {one.list_name}: {one.status} since {local(one.since, zone)}{sections}")
    lines += ["", "Consent"]
    for line in story.consent:
        source = "" if line.line is None else f" of {line.source or 'a file'}, line {line.line}"
        on_list = "" if line.list_name is None else f" on {line.list_name}"
        extra = "".join(f" · {text}" for text in (line.note, line.wording, line.ip) if text)
        how = line.method.replace("_", " ")
        lines.append(f"  {local(line.at, zone)}  {line.action}{on_list} by {how}{source}{extra}")
    for title, texts in (
        ("Bounces", [f"{local(one.at, zone)}  {one.kind} {one.code} {one.reason}" for one in story.bounces]),
        ("Copies", [f"{one.edition} {one.date}: {one.status}" for one in whole.copies[-20:]]),
        ("Notices", [f"{local(one.created_at, zone)}  {one.kind}: {one.status}" for one in whole.notices]),
    ):
        if texts:
            lines += ["", title, *(f"  {text}" for text in texts)]
    with paged(console, len(lines)):
        for line_text in lines:
            console.print(line_text, markup=False)


def joined_line(whole: WholeStory, joined: Joined, list_name: str, *, noticed: bool, sent: bool) -> str:
    """What became of ``add``, in one line."""
    address = whole.story.address
    if joined.outcome == "already":
        return f"{address} is on {list_name} already"
    if joined.outcome == "confirmed":
        return f"{address} is on {list_name}"
    if not noticed:
        return f"{address} is pending on {list_name}; a confirm notice went to them lately, so none goes now"
    how = "was sent" if sent else "waits in the outbox"
    return f"{address} is pending on {list_name}; a confirm notice {how}"


def confirm_line(whole: WholeStory, outcome: ConfirmOutcome, list_name: str) -> str:
    """What became of ``confirm``, in one line."""
    words = {
        "confirmed": f"is confirmed on {list_name}",
        "already": f"was confirmed on {list_name} already",
    }
    return f"{whole.story.address} {words[outcome.value]}"


def summary_payload(one: Summary) -> dict[str, Any]:
    """One person in a list of people."""
    return {
        "email": one.address,
        "name": one.name,
        "status": one.status,
        "language": one.language,
        "timezone": one.timezone,
        "lists": [
            {"list": on.list_name, "status": on.status, "since": on.since, "sections": on.sections}
            for on in one.lists
        ],
    }


def print_people(console: Console, found: Sequence[Summary], zone: str, limit: int) -> None:
    """People as a table."""
    lines = [
        (
            one.address,
            one.name,
            one.status,
            ", ".join(on.list_name for on in one.lists),
            local(max(on.since for on in one.lists), zone) if one.lists else "–",
        )
        for one in found
    ]
    with paged(console, len(lines)):
        rows(console, ("address", "name", "status", "lists", "since"), lines, empty="nobody")
        if len(found) == limit:
            console.print(f"the first {limit}; --limit shows more", markup=False)


def count_payload(people: int, lists: Sequence[ListCounts], mailable: int) -> dict[str, int]:
    """Sums over lists; ``mailable`` is who would get an issue now, each person once."""
    return {
        "people": people,
        "confirmed": sum(one.confirmed for one in lists),
        "pending": sum(one.pending for one in lists),
        "unsubscribed": sum(one.unsubscribed for one in lists),
        "mailable": mailable,
    }


def print_counts(console: Console, counts: Mapping[str, int]) -> None:
    """Counts, one a line."""
    for name, number in counts.items():
        console.print(f"{number:>12,}  {name}", markup=False)


def list_payload(one: ListCounts) -> dict[str, Any]:
    """One list, as the contract has it."""
    return {
        "name": one.name,
        "title": one.title,
        "optin": one.optin,
        "confirmed": one.confirmed,
        "pending": one.pending,
        "unsubscribed": one.unsubscribed,
    }


def print_lists(console: Console, found: Sequence[ListCounts]) -> None:
    """Lists as a table."""
    lines = [
        (one.name, one.title, one.optin, f"{one.confirmed:,}", f"{one.pending:,}", f"{one.unsubscribed:,}")
        for one in found
    ]
    columns = ("name", "title", "opt-in", "#confirmed", "#pending", "#unsubscribed")
    rows(console, columns, lines, empty="no list yet: digest lists create NAME")


def stats_payload(one: ListCounts, movement: ListMovement, mailable: int) -> dict[str, Any]:
    """One list with what moved."""
    moved = {"joined_30_days": movement.joined, "left_30_days": movement.left}
    return {**list_payload(one), "mailable": mailable, **moved}


def print_stats(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    """The numbers of lists as a table."""
    names = ("confirmed", "mailable", "pending", "unsubscribed", "joined_30_days", "left_30_days")
    columns = ("list", "#confirmed", "#mailable", "#pending", "#unsubscribed", "#joined, 30 d", "#left, 30 d")
    lines = [(one["name"], *(f"{one[name]:,}" for name in names)) for one in found]
    rows(console, columns, lines, empty="no list yet: digest lists create NAME")


def print_segments(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    """Segments as a table."""
    lines = [(one["name"], one["where"], f"{one['count']:,}") for one in found]
    rows(console, ("name", "where", "#people"), lines, empty="no segment yet: digest segments create NAME")


def import_payload(report: Report, seconds: float, *, dry_run: bool) -> dict[str, Any]:
    """What an import came to: the contract's keys first."""
    return {
        "rows": report.rows,
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "suppressed": report.suppressed,
        "rejected": report.rejected,
        "errors_file": report.errors_file,
        "seconds": round(seconds, 3),
        "dry_run": dry_run,
        "format": report.file_format,
        "encoding": report.encoding,
        "columns": {use.header: use.used_as or None for use in report.columns},
        "duplicates": report.duplicates,
        "kept_unsubscribed": report.kept_unsubscribed,
        "resumed": report.resumed,
        "warnings": {kind.value: number for kind, number in report.warnings.items()},
        "notes": report.notes,
    }


def print_import(console: Console, report: Report, seconds: float, *, dry_run: bool) -> None:
    """What an import came to; for a dry run how columns and rows are read, too."""
    console.print(f"{report.file_format.value}, {report.encoding}", markup=False)
    if dry_run:
        columns = [(use.header, use.used_as or "left out") for use in report.columns]
        rows(console, ("column", "read as"), columns, empty="no column")
        sample = [
            (row.line, row.address, row.name, row.status or "", row.suppress or "", row.attributes)
            for row in report.sample
        ]
        heads = ("#line", "address", "name", "status", "suppressed", "attributes")
        rows(console, heads, sample, empty="no good row")
    verb = "would be " if dry_run else ""
    console.print(
        f"{report.rows:,} rows in {seconds:.1f} s: {report.added:,} {verb}added, {report.updated:,} updated, "
        f"{report.unchanged:,} unchanged, {report.suppressed:,} suppressed, {report.rejected:,} rejected",
        markup=False,
    )
    if report.duplicates:
        console.print(f"{report.duplicates:,} addresses came again; the last row won", markup=False)
    if report.kept_unsubscribed:
        console.print(f"{report.kept_unsubscribed:,} had left and stay away", markup=False)
    for reject in report.rejected_sample[:5]:
        console.print(f"line {reject.line}: {reject.reason}", markup=False)
    if report.errors_file is not None:
        console.print(f"every rejected row is in {report.errors_file}", markup=False)
    for kind, number in report.warnings.items():
        console.print(f"{number:,} × {kind.value}, such as {report.warning_samples[kind][0]}", markup=False)
    for note in report.notes:
        console.print(note, markup=False)
