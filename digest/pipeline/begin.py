"""Begins a newsletter: writes newsletter.toml, ``.env`` with new keys, and .gitignore into a folder.

What is there already is kept, so that the same command again finishes what was interrupted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from digest.errors import ConfigError
from digest.settings import FILE_NAME, Settings, load
from digest.settings.parts import slug
from digest.settings.secrets import new_key

IGNORED = "*.sqlite3\n*.sqlite3-*\n*.lock\n.env\n*.pem\nbounces-unread/\nout/\n"


@dataclass(frozen=True)
class ProposedSource:
    """A source for the new file; ``allow_private`` when its address is on a private network."""

    name: str
    url: str
    allow_private: bool = False


@dataclass(frozen=True)
class ProposedSection:
    """A section for the new file; ``match`` are categories of the sources."""

    key: str
    name: str
    match: tuple[str, ...] = ()
    max: int = 5


@dataclass(frozen=True)
class Beginning:
    """What was written and what was kept, as names in ``folder``."""

    folder: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]
    settings: Settings


def begin(
    folder: Path,
    *,
    name: str,
    url: str,
    sources: Sequence[ProposedSource] = (),
    sections: Sequence[ProposedSection] = (),
    language: str = "en",
    timezone: str = "UTC",
    unread: Sequence[str] = (),
) -> Beginning:
    """Write the files of a new newsletter. Raises ``ConfigError`` when the folder cannot be written.

    :param unread: addresses that could not be read; they are written as comments.
    """
    texts = {
        FILE_NAME: (newsletter_toml(name, url, sources, sections, language, timezone, unread), 0o644),
        ".env": (env_file(), 0o600),
        ".gitignore": (IGNORED, 0o644),
    }
    written: list[str] = []
    kept: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, (text, mode) in texts.items():
            (written if _write_new(folder / file, text, mode) else kept).append(file)
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}", remedy="give a writable folder") from error
    return Beginning(folder, tuple(written), tuple(kept), load(folder))


def _write_new(path: Path, text: str, mode: int) -> bool:
    if path.exists():
        return False
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    # The mode stands from the first byte on: a key is never readable by others, not even for a moment.
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
    return True


def env_file() -> str:
    """``.env`` with two new keys."""
    return (
        "# Only this file's owner may read it. Back it up: see `digest db backup --help`.\n"
        "# Signs the links in mails. To rotate it, put a new key in front: NEW,OLD.\n"
        f"DIGEST_SECRET_KEY={new_key()}\n"
        "# Hashes addresses that must never be mailed again. It can never be replaced.\n"
        f"DIGEST_SUPPRESSION_KEY={new_key()}\n"
        "# The public pages (unsubscribe, archive), as readers reach them. This one is for trials only:\n"
        "# mail to a real server needs an https address that answers.\n"
        "DIGEST_PUBLIC_URL=http://127.0.0.1:8000\n"
        "# The mail server, with user and password:\n"
        "# DIGEST_SMTP_URL=smtp://user:password@mail.example.org:587\n"
    )


def newsletter_toml(
    name: str,
    url: str,
    sources: Sequence[ProposedSource],
    sections: Sequence[ProposedSection],
    language: str,
    timezone: str,
    unread: Sequence[str] = (),
) -> str:
    """A newsletter.toml that teaches: what must be set is set, what may be set stands as a comment."""
    host = (urlsplit(url).hostname or "example.org").removeprefix("www.")
    parts = [
        "# Your newsletter. `digest doctor` tells what is still missing; docs/settings.md explains each key.",
        "[newsletter]",
        f"name = {_quoted(name)}",
        f"url = {_quoted(url)}",
        f"sender = {_quoted(f'{_phrase(name)} <daily@{host}>')}",
        'postal_address = ""                       # required by law in bulk mail, and before the first send',
        f"language = {_quoted(language)}",
        f"timezone = {_quoted(timezone)}",
        f'# editors = ["editor@{host}"]            # approval mails and alarms',
        "",
        "[smtp]                                    # user and password: DIGEST_SMTP_URL in .env",
        'host = "127.0.0.1"',
        "port = 2525                               # `digest inbox` listens here, for trying things out",
        'starttls = "never"                        # "required" for a real server',
        "",
    ]
    for source in sources:
        parts += ["[[sources]]", f"name = {_quoted(source.name)}", f"url = {_quoted(source.url)}"]
        parts += ["allow_private = true", ""] if source.allow_private else [""]
    for address in unread:
        parts += [
            "# could not be read when this file was made; take the # away and try `digest fetch`",
            "# [[sources]]",
            f"# name = {_quoted(slug(urlsplit(address).hostname or name))}",
            f"# url = {_quoted(address)}",
            "",
        ]
    if not sources and not unread:
        parts += [
            "# [[sources]]                             # a feed, a site, a page, a file or a folder",
            f'# name = "{slug(name)}"',
            f'# url = "{url.rstrip("/")}/feed/"',
            "",
        ]
    for section in sections:
        parts += ["[[sections]]", f"key = {_quoted(section.key)}", f"name = {_quoted(section.name)}"]
        if section.match and section.match != (section.name,):
            parts.append(f"match = [{', '.join(_quoted(word) for word in section.match)}]")
        parts += [f"max = {section.max}", ""]
    if not sections:
        parts += [
            "# [[sections]]                            # stories by category; also match_url, match_title",
            '# name = "News"',
            '# match = ["News", "Politics"]',
            "",
        ]
    parts += [
        "[dont_miss]",
        "count = 4",
        "",
        "[editions.daily]",
        'schedule = "0 7 * * *"                    # every day at seven, in the time zone above',
        "min_articles = 3",
        "",
        "[links]",
        f'own_domains = ["{host}"]',
        "",
    ]
    return "\n".join(parts)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _phrase(name: str) -> str:
    """A display name that needs no quoting in an address."""
    return "".join(ch for ch in name if ch not in '<>"@,;:\\[]()' and ch.isprintable()).strip() or "Digest"
