"""Finding the newsletter's folder, reading newsletter.toml and the environment into ``Settings``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from digest.errors import ConfigError
from digest.settings.model import Edition, File, Section
from digest.settings.parts import nearest, split_mailbox
from digest.settings.secrets import Environment, read_environment, secret_named

FILE_NAME = "newsletter.toml"


@dataclass(frozen=True)
class EditionSettings:
    """An edition with everything inherited from the newsletter filled in."""

    name: str
    own: Edition
    sections: tuple[Section, ...]
    list_name: str
    ledger: str
    language: str
    timezone: str
    sender_name: str
    sender_address: str
    reply_to: str
    title: str


@dataclass(frozen=True)
class Settings:
    """All that was configured: the file, the environment, and where the newsletter lives."""

    folder: Path
    file: File
    environment: Environment = field(repr=False)

    @property
    def database_url(self) -> str:
        """The database's URL; a relative SQLite path is taken from the newsletter's folder."""
        given = self.environment.database_url
        url = given.get_secret_value() if given else "sqlite:///digest.sqlite3"
        prefix = "sqlite:///"
        if url.startswith(prefix) and not url.startswith("sqlite:////") and url != "sqlite:///:memory:":
            return prefix + str(self.folder / url.removeprefix(prefix))
        return url

    @property
    def public_url(self) -> str:
        """The public address without a slash at its end, or empty."""
        return (self.environment.public_url or "").rstrip("/")

    @property
    def token_keys(self) -> tuple[bytes, ...]:
        """Keys for tokens, the newest first. Raises ``ConfigError`` when there is none."""
        return tuple(key.strip().encode() for key in self._secret("secret_key").split(",") if key.strip())

    @property
    def suppression_key(self) -> bytes:
        """The key that never rotates. Raises ``ConfigError`` when there is none."""
        return self._secret("suppression_key").encode()

    @cached_property
    def metrics_token(self) -> str:
        """What a monitor shows for ``/metrics``: the variable that ``metrics_token_env`` names; or empty."""
        name = self.file.web.metrics_token_env
        own = self.environment.metrics_token
        if name == "DIGEST_METRICS_TOKEN":
            return own.get_secret_value() if own is not None else ""
        return secret_named(self.folder, name)

    def edition(self, name: str) -> EditionSettings:
        """The edition of that name with what it inherits. Raises ``ConfigError``."""
        try:
            return self._editions[name]
        except KeyError:
            known = list(self.file.editions)
            guess = nearest(name, known)
            hint = f"did you mean {guess!r}?" if guess else f"known: {', '.join(known) or 'none'}"
            raise ConfigError(f"there is no edition {name!r}", remedy=hint) from None

    @cached_property
    def _editions(self) -> dict[str, EditionSettings]:
        return {name: self._inherit(name, own) for name, own in self.file.editions.items()}

    def _inherit(self, name: str, own: Edition) -> EditionSettings:
        newsletter = self.file.newsletter
        by_key = {section.key: section for section in self.file.sections}
        keys = own.sections if own.sections is not None else list(by_key)
        sender_name, sender_address = split_mailbox(own.sender or newsletter.sender)
        return EditionSettings(
            name=name,
            own=own,
            sections=tuple(by_key[key] for key in keys),
            list_name=own.list_name or name,
            ledger=own.ledger or name,
            language=own.language or newsletter.language,
            timezone=own.timezone or newsletter.timezone,
            sender_name=sender_name,
            sender_address=sender_address,
            reply_to=own.reply_to or newsletter.reply_to or "",
            title=own.title or newsletter.name,
        )

    def _secret(self, name: str) -> str:
        value = getattr(self.environment, name)
        text = value.get_secret_value().strip() if value else ""
        if not text:
            variable = f"DIGEST_{name.upper()}"
            raise ConfigError(
                f"{variable} is not set",
                remedy=f"`digest init` writes one into .env; or set {variable} to 32 random bytes",
            )
        if any(len(key.strip()) < 16 for key in text.split(",")):
            raise ConfigError(f"DIGEST_{name.upper()} is too short", remedy="use at least 16 characters")
        return text


def find_folder(start: Path) -> Path:
    """``start`` or its nearest parent that holds newsletter.toml. Raises ``ConfigError``."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise ConfigError(
        f"no {FILE_NAME} in {start} or above it",
        remedy="go to the newsletter's folder, give -C DIR, or make one with `digest init DIR`",
    )


def load(folder: Path) -> Settings:
    """Read ``folder/newsletter.toml`` and the environment.

    Raises ``ConfigError`` that names file, key, value and what is allowed.
    """
    path = folder / FILE_NAME
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", remedy="`digest init` makes one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}", remedy="the file must be TOML in UTF-8") from error
    try:
        file = File.model_validate(table)
    except ValidationError as error:
        raise ConfigError(*_explain(path, table, error)) from error
    return Settings(folder=folder, file=file, environment=read_environment(folder))


def _explain(path: Path, table: dict[str, Any], error: ValidationError) -> tuple[str]:
    lines = [_line(table, dict(details)) for details in error.errors(include_url=False)]
    more = f" (and {len(lines) - 1} more: {'; '.join(lines[1:4])})" if len(lines) > 1 else ""
    return (f"{path}: {lines[0]}{more}",)


def _line(table: dict[str, Any], details: dict[str, Any]) -> str:
    location = tuple(details["loc"])
    key = _dotted(table, location)
    kind = details["type"]
    if kind == "extra_forbidden":
        known = _known_keys(location[:-1])
        guess = nearest(str(location[-1]), known)
        hint = f"did you mean {guess}?" if guess else f"known here: {', '.join(known)}"
        return f"{key}: no such key; {hint}"
    if kind == "missing":
        return f"{key}: is required"
    message = str(details["msg"]).removeprefix("Value error, ")
    value = details.get("input")
    if not key:
        return message
    shown = f" = {value!r}" if isinstance(value, str | int | float | bool) else ""
    return f"{key}{shown}: {message[:1].lower()}{message[1:]}"


def _dotted(table: Any, location: tuple[Any, ...]) -> str:
    """``sections[1].max`` in the user's own order; the entry's name or key in brackets if it has one."""
    text = ""
    for step in location:
        if isinstance(step, int):
            table = table[step] if isinstance(table, list) and step < len(table) else None
            name = (table.get("name") or table.get("key")) if isinstance(table, dict) else None
            text += f"[{name or step + 1}]"
        elif step in {"function-after", "function-before", "constrained-str"} or "[" in str(step):
            continue  # pydantic's own steps into unions
        else:
            table = table.get(step) if isinstance(table, dict) else None
            text += f".{step}" if text else str(step)
    return text


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    model: Any = File
    for step in location:
        if isinstance(step, int) or not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        annotation = model.model_fields[step].annotation if step in model.model_fields else None
        found = _models_in(annotation)
        model = found[0] if found else model
    fields = model.model_fields
    return [field.alias or name for name, field in fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    from typing import get_args

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
