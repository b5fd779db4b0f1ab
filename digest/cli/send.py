"""``digest send``, ``pause`` and ``resume``."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.context import Json, State, state_of

if TYPE_CHECKING:
    from digest.pipeline.deliver import Order
    from digest.pipeline.delivered import Summary
    from digest.values import Progress

IssueId = Annotated[str, typer.Argument(metavar="ID", help="Its number, EDITION@DATE or EDITION@latest.")]
UNFINISHED, INTERRUPTED = 5, 130


class Uncertain(StrEnum):
    """What ``--uncertain`` takes."""

    RESEND = "resend"
    DROP = "drop"


def send(
    ctx: typer.Context,
    issue: IssueId,
    test: Annotated[
        list[str] | None,
        typer.Option("--test", metavar="EMAIL", help="Only to this address; changes nothing."),
    ] = None,
    dry_run: Annotated[
        Path | None, typer.Option("--dry-run", metavar="DIR", help="Write the copies as files; send none.")
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Also to who was confirmed since, or was missed.")
    ] = False,
    uncertain: Annotated[
        Uncertain | None, typer.Option("--uncertain", help="What to do with copies that are in doubt.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="So many processes.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Whatever the preflight says.")] = False,
    json_progress: Annotated[
        bool, typer.Option("--json-progress", help="Progress as JSON lines on stderr.")
    ] = False,
    json: Json = False,
) -> None:
    """Deliver an issue; safe to interrupt and to repeat.

    Nobody gets it twice: who has it is in the database, and the same command goes on where it stopped.
    Exit 5 means that copies wait for a later try; run it again then, or let the scheduler do it.

    Example: digest send daily@latest --test me@example.org
    """
    state = state_of(ctx)
    issue_id = _resolve(state, issue)
    given: dict[str, Any] = {"signer": state.app.signer, "clock": state.clock}
    with _watch(state, json_progress=json_progress) as progress, _stoppable() as stop:
        if test:
            from digest.pipeline.rehearse import send_test

            summary = send_test(
                state.app.readers, state.settings, issue_id, test,
                transport=state.app.transport(), progress=progress, **given,
            )  # fmt: skip
        elif dry_run is not None:
            from digest.delivery.smtp import FolderTransport
            from digest.pipeline.rehearse import dry_run as rehearse

            summary = rehearse(
                state.app.readers, state.settings, issue_id,
                transport=FolderTransport(dry_run), progress=progress, stop=stop, **given,
            )  # fmt: skip
        else:
            from digest.pipeline.deliver import Order

            order = Order(
                missing=missing,
                uncertain=uncertain.value if uncertain else None,
                force=force,
                examine=state.app.examiner(),
            )
            summary = _deliver(state, issue_id, order, workers, progress, stop)
    _finish(state, summary, json)


def pause(ctx: typer.Context, issue: IssueId, json: Json = False) -> None:
    """Stop sending an issue, from any terminal; copies on the wire come to their end.

    One that has not begun is held: nothing sends it before `digest issue approve`.

    Example: digest pause daily@latest
    """
    from digest.pipeline.control import hold_issue

    state = state_of(ctx)
    issue_id = _resolve(state, issue)
    status = hold_issue(state.app.sessions, issue_id, now=state.clock.now()).value
    done = (
        f"paused; `digest resume {issue_id}` goes on."
        if status == "paused"
        else f"held; `digest issue approve {issue_id}` lets it go."
    )
    state.emit(
        json,
        {"issue": issue_id, "status": status},
        lambda out: out.print(f"Issue {issue_id} is {done}", markup=False),
    )


def resume(ctx: typer.Context, issue: IssueId, json: Json = False) -> None:
    """Let a paused issue go on: a sender that waits goes on by itself, else this one sends.

    Example: digest resume daily@latest
    """
    from digest.delivery.company import somebody_sends
    from digest.pipeline.control import resume_issue

    state = state_of(ctx)
    issue_id = _resolve(state, issue)
    now = state.clock.now()
    status = resume_issue(state.app.sessions, issue_id, now=now).value
    with state.app.readers() as session:
        waits = somebody_sends(session, issue_id, now=now)
    code = 0
    if not waits:
        from digest.pipeline.deliver import Order

        with _watch(state, json_progress=False) as progress, _stoppable() as stop:
            summary = _deliver(state, issue_id, Order(), 1, progress, stop)
        from digest.issues.finding import issue_row

        with state.app.readers() as session:
            status = issue_row(session, issue_id).status.value
        code = _code(summary)
    state.emit(
        json,
        {"issue": issue_id, "status": status},
        lambda out: out.print(f"Issue {issue_id} is {status}.", markup=False),
    )
    if code:
        raise typer.Exit(code)


def _resolve(state: State, issue: str) -> int:
    from digest.issues.finding import resolve_issue_id

    with state.app.readers() as session:
        return resolve_issue_id(session, issue)


def _deliver(
    state: State, issue_id: int, order: Order, workers: int, progress: Progress, stop: threading.Event
) -> Summary:
    if workers > 1:
        from digest.cli.company import deliver_together

        return deliver_together(state, issue_id, order, workers, progress, stop)
    from digest.pipeline.deliver import deliver

    return deliver(
        state.app.engine, state.settings, issue_id,
        transport=state.app.transport(), signer=state.app.signer, clock=state.clock,
        order=order, progress=progress, stop=stop,
    )  # fmt: skip


@contextmanager
def _watch(state: State, *, json_progress: bool) -> Iterator[Progress]:
    if json_progress:
        from digest.cli.output_send import JsonLines

        yield JsonLines()
    else:
        with state.progress() as progress:
            yield progress


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets: the wire is finished then. The second one kills."""
    stop = threading.Event()

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _code(summary: Summary) -> int:
    from digest.delivery.worker import End

    if summary.end is End.STOPPED:
        return INTERRUPTED
    return UNFINISHED if summary.unfinished else 0


def _finish(state: State, summary: Summary, json: bool) -> None:
    from digest.cli.output_send import print_summary

    zone = state.settings.file.newsletter.timezone
    state.emit(json, summary.as_json(), lambda out: print_summary(out, summary, zone=zone))
    if code := _code(summary):
        raise typer.Exit(code)
