"""``digest subscribers erase|suppress|unsuppress``: what a person, or a law, may ask of the desk."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.cli.context import Json, Yes, state_of

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The person's address.")]
EmailOrDomain = Annotated[
    str, typer.Argument(metavar="EMAIL|@DOMAIN", help="An address, or @ and a domain (not its subdomains).")
]
Reason = Annotated[str, typer.Option("--reason", metavar="R", help="Why; the ledger keeps it.")]


def erase(ctx: typer.Context, email: Email, yes: Yes = False, json: Json = False) -> None:
    """Remove everything about a person but a keyed hash, which keeps the address from being mailed again.

    Rewrites the database, so that nothing can be found in its files either.

    Example: digest subscribers erase ann@example.org --yes
    """
    from subscribers.addresses import parse_address
    from subscribers.membership import BY_COMMAND, erase_person, forget_traces
    from subscribers.suppression import SuppressionKey

    state = state_of(ctx)
    address = parse_address(email)
    state.confirm(f"Erase {address.address} for ever?", yes=yes)
    with state.app.sessions.begin() as session:
        known = erase_person(
            session,
            address,
            SuppressionKey(state.settings.suppression_key),
            now=state.clock.now(),
            how=BY_COMMAND,
        )
    try:
        forget_traces(state.app.engine)
        clean = True
    except Exception as error:  # noqa: BLE001 - the person is erased; only the traces are left for later
        clean = False
        state.err.print(f"erased, but the files were not rewritten: {error}", markup=False)
    words = "is erased" if known else "was not known; its hash is kept, so that no import brings it in"
    state.emit(
        json,
        {"erased": known, "suppressed": True, "files_rewritten": clean},
        lambda out: out.print(f"the address {words}", markup=False),
    )


def suppress(ctx: typer.Context, what: EmailOrDomain, reason: Reason, json: Json = False) -> None:
    """Never mail an address or a whole domain, however it comes back.

    Example: digest subscribers suppress @example.org --reason "asked by their postmaster"
    """
    from subscribers.addresses import redact
    from subscribers.models import ConsentMethod, SuppressionCause
    from subscribers.suppression import Subject, SuppressionKey
    from subscribers.suppression import suppress as put_on_record

    state = state_of(ctx)
    subject = Subject.parse(what)
    with state.app.sessions.begin() as session:
        changed = put_on_record(
            session,
            subject,
            SuppressionKey(state.settings.suppression_key),
            cause=SuppressionCause.DESK,
            reason=redact(reason),
            method=ConsentMethod.COMMAND,
            now=state.clock.now(),
        )
    words = "is suppressed" if changed else "was suppressed already"
    payload = {"subject": what, "suppressed": True, "changed": changed}
    state.emit(json, payload, lambda out: out.print(f"{what} {words}", markup=False))


def unsuppress(ctx: typer.Context, what: EmailOrDomain, reason: Reason, json: Json = False) -> None:
    """Lift a suppression; the ledger keeps the reason.

    Example: digest subscribers unsuppress ann@example.org --reason "wrote to us on Monday"
    """
    from digest.errors import ConfigError
    from subscribers.addresses import redact
    from subscribers.models import ConsentMethod
    from subscribers.suppression import Subject, SuppressionKey
    from subscribers.suppression import unsuppress as lift

    state = state_of(ctx)
    if not reason.strip():
        raise ConfigError("lifting a suppression needs a reason", remedy='--reason "…"')
    with state.app.sessions.begin() as session:
        changed = lift(
            session,
            Subject.parse(what),
            SuppressionKey(state.settings.suppression_key),
            reason=redact(reason),
            method=ConsentMethod.COMMAND,
            now=state.clock.now(),
        )
    words = "is suppressed no more" if changed else "was not suppressed"
    payload = {"subject": what, "suppressed": False, "changed": changed}
    state.emit(json, payload, lambda out: out.print(f"{what} {words}", markup=False))
