"""Secrets and addresses from the environment or ``.env``; never printed, never in newsletter.toml."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from digest.errors import ConfigError

PREFIX = "digest_"


class Environment(BaseModel):
    """``DIGEST_*`` of the environment, else of ``.env``; in capitals or not, as one likes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(default=None, repr=False)
    smtp_url: SecretStr | None = Field(default=None, repr=False)
    secret_key: SecretStr | None = Field(default=None, repr=False)
    suppression_key: SecretStr | None = Field(default=None, repr=False)
    public_url: str | None = None
    metrics_token: SecretStr | None = Field(default=None, repr=False)
    mailbox_password: SecretStr | None = Field(default=None, repr=False)


def read_environment(folder: Path) -> Environment:
    """The environment over ``folder/.env``. Raises ``ConfigError`` when others may read ``.env``."""
    file = folder / ".env"
    if file.is_file() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise ConfigError(f"{file}: others may read it, and it holds keys", remedy=f"chmod 600 {file}")
    try:
        written = _variables(file) if file.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}", remedy="the file must be readable UTF-8 text") from error
    return Environment.model_validate(_own(written) | _own(dict(os.environ)))


def _variables(file: Path) -> dict[str, str | None]:
    from dotenv import dotenv_values

    return dotenv_values(file, encoding="utf-8")


def _own(variables: dict[str, str | None]) -> dict[str, str | None]:
    """Those of ours, without the prefix. pydantic-settings does this too, for 20 ms of every start."""
    return {
        name.lower().removeprefix(PREFIX): value
        for name, value in variables.items()
        if name.lower().startswith(PREFIX)
    }


def secret_named(folder: Path, name: str) -> str:
    """The variable of the environment, else of ``folder/.env``; empty when there is none."""
    file = folder / ".env"
    return os.environ.get(name) or (_variables(file).get(name) if file.is_file() else None) or ""


def new_key() -> str:
    """A new key of 256 random bits, in URL-safe base64."""
    return secrets.token_urlsafe(32)
