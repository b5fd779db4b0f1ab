"""``digest dkim``: a key to sign with, and the DNS record that lets others verify."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.context import Json, state_of

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="Keys for DKIM signatures.")


@app.callback()
def group() -> None:
    """Keys for DKIM signatures."""


@app.command()
def new(
    ctx: typer.Context,
    selector: Annotated[
        str, typer.Option("--selector", help="The key's name in DNS; a new one for each key.")
    ] = "digest",
    algorithm: Annotated[
        str, typer.Option("--algorithm", help="rsa (2048 bits) or ed25519 (not verified everywhere).")
    ] = "rsa",
    json: Json = False,
) -> None:
    """Make a key (readable by you only) and print the DNS record to publish.

    The key goes into the newsletter's folder as dkim-SELECTOR.pem; a key that is there is never overwritten.
    Then add the record, name the key in the table `dkim` of newsletter.toml, and look with `digest doctor`:

        digest dkim new --selector news2026
    """
    from digest.errors import ConfigError
    from digest.mail.dkim import new_key
    from digest.settings.parts import split_mailbox

    state = state_of(ctx)
    if algorithm not in {"rsa", "ed25519"}:
        raise ConfigError(f"--algorithm {algorithm}", remedy="rsa or ed25519")
    file = state.settings.file
    domain = file.dkim.domain if file.dkim else split_mailbox(file.newsletter.sender)[1].rpartition("@")[2]
    key = new_key(domain, selector, "rsa" if algorithm == "rsa" else "ed25519")
    path = state.folder / f"dkim-{key.selector}.pem"
    _write(path, key.pem)

    def human(out: Console) -> None:
        out.print(f"The key is in {path} (keep it, and let nobody read it).", markup=False)
        out.print("\nPublish this record:\n", markup=False)
        out.print(key.zone_line, markup=False, soft_wrap=True)
        out.print("\nand say in newsletter.toml:\n", markup=False)
        out.print(
            f'[dkim]\ndomain = "{domain}"\nselector = "{key.selector}"\nkey_file = "{path.name}"\n'
            f'algorithm = "{algorithm}"',
            markup=False,
        )

    payload = {"selector": key.selector, "record": key.record, "name": key.name, "file": str(path)}
    state.emit(json, payload, human)


def _write(path: Path, pem: bytes) -> None:
    """Write a secret that nobody else may read, and never over another. Raises ``ConfigError``."""
    from digest.errors import ConfigError

    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(
            f"{path} exists", remedy="choose another --selector; old keys stay in use"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
