"""``digest stats``: what became of issues, in the terminal or as a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, state_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from digest.pipeline.report import Figures, IssueFigures

_PARTS = (
    ("sent", "delivered", "green", "#2e7d4f"),
    ("refused", "refused", "red", "#b3261e"),
    ("uncertain", "uncertain", "magenta", "#7b4fa0"),
    ("waiting", "waiting", "yellow", "#b58900"),
    ("other", "not sent", "bright_black", "#9a9a9a"),
)


def stats(
    ctx: typer.Context,
    issue: Annotated[
        str | None,
        typer.Argument(metavar="[ISSUE]", help="ID, EDITION@DATE or EDITION@latest; all if not given."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with the charts.")
    ] = None,
    json: Json = False,
) -> None:
    """Tell what became of issues: delivered, refused, bounced, unsubscribed, clicks per position.

    Without ISSUE also: the age of each edition's last issue, what is queued, sources in trouble.
    """
    from digest.issues.finding import issue_row, resolve_issue_id
    from digest.pipeline.report import issue_figures, newsroom_figures

    state = state_of(ctx)
    with state.app.readers() as session:
        if issue is not None:
            one = issue_figures(session, issue_row(session, resolve_issue_id(session, issue)))
            issues, payload, figures = [one], one.as_json(), None
        else:
            figures = newsroom_figures(session, state.settings, now=state.clock.now())
            issues, payload = figures.issues, figures.as_json()
    if html is not None:
        html.write_text(_page(issues), encoding="utf-8")
        payload = {**payload, "html": str(html)}
    state.emit(json, payload, lambda out: _tell(out, issues, figures))


def _tell(out: Console, issues: list[IssueFigures], figures: Figures | None) -> None:
    from rich.text import Text

    from digest.cli.output import rows

    if figures is not None:
        for edition in figures.editions:
            age = edition["age"]
            last = "never sent" if age is None else f"last sent {_span(age)} ago ({edition['last_date']})"
            out.print(f"{edition['edition']}: {last}", markup=False)
        if figures.deliveries:
            counted = ", ".join(f"{count:,} {state}" for state, count in sorted(figures.deliveries.items()))
            out.print(f"Copies by state: {counted}.", markup=False)
        if figures.queue_age is not None:
            out.print(f"The oldest copy that waits was queued {_span(figures.queue_age)} ago.", markup=False)
        for source in figures.failing_sources:
            out.print(
                f"! {source['name']} failed {source['failures']} times: {source['error']}", markup=False
            )
        for name in figures.gaps:
            out.print(f"! {name}: stories may have passed unseen; fetch more often", markup=False)
    lines = [
        (f"{one.edition} {one.date}", one.recipients, _bar(one), _count(one, "sent"), _count(one, "refused"),
         sum(one.bounces.values()), one.unsubscribed)
        for one in issues
    ]  # fmt: skip
    columns = ["issue", "#recipients", "", "#delivered", "#refused", "#bounced", "#left"]
    rows(out, columns, lines, empty="No issue yet: `digest issue build EDITION`.")
    if len(issues) == 1 and issues[0].clicks:
        most = max(count for _, count, _ in issues[0].clicks) or 1
        for headline, count, _ in issues[0].clicks:
            out.print(
                Text("█" * round(30 * count / most) + f" {count}  ", style="blue").append(
                    headline, style="default"
                )
            )


def _parts(one: IssueFigures) -> dict[str, int]:
    known = {name: one.deliveries.get(name, 0) for name in ("sent", "refused", "uncertain")}
    waiting = sum(one.deliveries.get(name, 0) for name in ("queued", "claimed", "sending", "deferred"))
    return {**known, "waiting": waiting, "other": one.recipients - sum(known.values()) - waiting}


def _bar(one: IssueFigures, width: int = 24) -> Text:
    from rich.text import Text

    bar = Text()
    parts = _parts(one)
    for name, _, style, _ in _PARTS:
        if one.recipients and parts[name]:
            bar.append("█" * max(1, round(width * parts[name] / one.recipients)), style=style)
    return bar


def _count(one: IssueFigures, name: str) -> str:
    count = one.deliveries.get(name, 0)
    return f"{count:,} ({100 * count / one.recipients:.1f} %)" if one.recipients else "0"


def _span(seconds: float) -> str:
    hours = int(seconds // 3600)
    return f"{hours // 24} days" if hours >= 48 else f"{hours} h" if hours else f"{int(seconds // 60)} min"


def _page(issues: list[IssueFigures]) -> str:
    """A page without script or anything from outside: one bar an issue, drawn as SVG."""
    from html import escape

    charts = []
    for one in issues:
        parts, x, bars = _parts(one), 0.0, []
        for name, word, _, colour in _PARTS:
            width = 600 * parts[name] / one.recipients if one.recipients else 0
            if width:
                title = f"<title>{word}: {parts[name]:,}</title>"
                bars.append(
                    f'<rect x="{x:.1f}" width="{width:.1f}" height="18" fill="{colour}">{title}</rect>'
                )
            x += width
        words = " · ".join(f"{parts[name]:,} {word}" for name, word, _, _ in _PARTS if parts[name])
        bounced = sum(one.bounces.values())
        charts.append(
            f"<section><h2>{escape(one.edition)} {one.date}</h2><p>{escape(one.subject)}</p>"
            f'<svg viewBox="0 0 600 18" role="img" aria-label="{escape(words)}">{"".join(bars)}</svg>'
            f"<p>{one.recipients:,} recipients · {words} · {bounced:,} bounced · "
            f"{one.unsubscribed:,} left</p></section>"
        )
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;max-width:44em;margin:2em auto;padding:0 1em;color:#1a1a1a}"
        "h1,h2{font-family:Georgia,serif}h2{font-size:20px;margin:2em 0 0}svg{width:100%;height:18px}"
        "@media(prefers-color-scheme:dark){body{background:#15181c;color:#e8e6e3}}"
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Issues in numbers</title><style>{style}</style>"
        f"<h1>Issues in numbers</h1>{''.join(charts)}</html>\n"
    )
