"""Secrets and addresses from the environment or ``.env``; never printed, never in newsletter.toml."""

from __future__ import annotations

import secrets
import stat
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from digest.errors import ConfigError


class Environment(BaseSettings):
    """``DIGEST_*`` of the environment, else of ``.env``."""

    model_config = SettingsConfigDict(env_prefix="DIGEST_", extra="ignore", frozen=True)

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
        return Environment(_env_file=file if file.is_file() else None)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}", remedy="the file must be readable UTF-8 text") from error


def secret_named(folder: Path, name: str) -> str:
    """The variable of the environment, else of ``folder/.env``; empty when there is none."""
    import os

    from dotenv import dotenv_values

    file = folder / ".env"
    return os.environ.get(name) or (dotenv_values(file).get(name) if file.is_file() else None) or ""


def new_key() -> str:
    """A new key of 256 random bits, in URL-safe base64."""
    return secrets.token_urlsafe(32)
