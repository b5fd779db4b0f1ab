"""Unit files and crontab lines for one newsletter, with the right paths and as few rights as will do."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from digest.errors import ConfigError

if TYPE_CHECKING:
    from digest.settings import Settings

_UNITS = Path("/etc/systemd/system")


@dataclass(frozen=True)
class Program:
    """How the running command is called again by somebody else: its words, and what it needs around it."""

    words: tuple[str, ...]
    python_path: str = ""


def program() -> Program:
    """The command that runs now: that beside Python, else the one that was called, else ``python -m digest``.

    Run from a checkout that is installed nowhere, Python must be told where the package is.
    """
    beside = Path(sys.executable).with_name("digest")
    if _runs(beside):
        return Program((str(beside),))
    called = Path(sys.argv[0])
    found = called if called.is_absolute() else Path(shutil.which(called.name) or called.absolute())
    if found.name == "digest" and _runs(found):
        return Program((str(found.absolute()),))
    home = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-I", "-c", "import digest"]  # as cron starts it: no path, no environment
    installed = subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0  # noqa: S603
    return Program((sys.executable, "-m", "digest"), "" if installed else home)


def _runs(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def unit_name(settings: Settings) -> str:
    """``digest-harbour-1a2b3c.service``: stable for a folder, and no two folders share one."""
    mark = hashlib.sha256(str(settings.folder).encode()).hexdigest()[:6]
    name = "".join(ch if ch.isalnum() and ch.isascii() else "-" for ch in settings.folder.name.lower()).strip(
        "-"
    )
    return f"digest-{name or 'newsletter'}-{mark}.service"


def systemd_unit(settings: Settings) -> str:
    """A hardened unit that runs ``digest schedule run`` in the newsletter's folder.

    digest itself reads ``.env`` in the folder; what the environment file says goes before it.
    """
    command = program()
    words = (*command.words, "-C", str(settings.folder))
    start = " ".join(_quoted(word).replace("$", "$$") for word in words)
    path = f"Environment={_quoted('PYTHONPATH=' + command.python_path)}\n" if command.python_path else ""
    written = sorted({settings.folder, *_written_elsewhere(settings)})
    private = "yes" if not any(_is_below(one, ("/tmp", "/var/tmp")) for one in written) else "no"  # noqa: S108
    return f"""# {unit_name(settings)}: written by `digest schedule install --systemd`
[Unit]
Description=dontmiss: {" ".join(settings.file.newsletter.name.replace("%", "%%").split())}
Documentation=man:systemd.service(5)
After=network-online.target
Wants=network-online.target
RequiresMountsFor={_quoted(str(settings.folder))}

[Service]
Type=exec
User={settings.folder.owner()}
WorkingDirectory={str(settings.folder).replace("%", "%%")}
EnvironmentFile=-/etc/default/{unit_name(settings).removesuffix(".service")}
{path}ExecStart={start} schedule run
Restart=always
RestartSec=5
TimeoutStopSec=60
KillSignal=SIGTERM

NoNewPrivileges=yes
PrivateTmp={private}
PrivateDevices=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={" ".join(_quoted(str(one)) for one in written)}
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
CapabilityBoundingSet=
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def crontab_lines(settings: Settings) -> str:
    """An hourly fetch, and each five minutes a look at what is due: editions, retries, notices, bounces.

    The look goes by each edition's own zone: not every cron knows CRON_TZ, and none is safe on the days
    when clocks change. With nothing due it says and mails nothing; while one look is still sending,
    the next ones end at once.
    """
    command = program()
    words = [*command.words, "-q", "-C", str(settings.folder)]
    if command.python_path:
        words = ["env", f"PYTHONPATH={command.python_path}", *words]
    line = " ".join(shlex.quote(word) for word in words).replace("%", r"\%")
    return (
        f"# dontmiss: {settings.folder}\n"
        "# Each hour, so that a full feed loses nothing; each five minutes what is due: editions, copies to\n"
        "# be tried again, notices, bounces. A run that was killed is taken up where it stopped.\n"
        f"17 * * * * {line} fetch\n"
        f"*/5 * * * * {line} schedule run --once\n"
        "# end of dontmiss\n"
    )


def install_unit(text: str, settings: Settings) -> str:
    """Write the unit and enable it. Raises ``ConfigError``."""
    path = _UNITS / unit_name(settings)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", remedy="run it as root, or copy the text yourself"
        ) from error
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        raise ConfigError(f"{path} is written, but systemctl is not here", remedy="use --cron")
    for arguments in (["daemon-reload"], ["enable", "--now", path.name]):
        done = subprocess.run([systemctl, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise ConfigError(f"systemctl {arguments[0]}: {' '.join(done.stderr.split())}", remedy=str(path))
    return str(path)


def install_crontab(text: str, settings: Settings) -> str:
    """Put the lines into this user's crontab, in place of this newsletter's earlier ones."""
    crontab = shutil.which("crontab")
    if crontab is None:
        raise ConfigError("crontab is not installed", remedy="use --systemd, or `digest schedule run`")
    present = subprocess.run([crontab, "-l"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    kept = without_ours(present, settings)
    done = subprocess.run(  # noqa: S603
        [crontab, "-"], input=kept + text, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ConfigError(f"crontab: {' '.join(done.stderr.split())}")
    return "crontab"


def without_ours(crontab: str, settings: Settings) -> str:
    """A crontab less the block of this newsletter."""
    kept, inside = [], False
    for line in crontab.splitlines():
        if line == f"# dontmiss: {settings.folder}":
            inside = True
        if not inside:
            kept.append(line)
        if line == "# end of dontmiss":
            inside = False
    return "\n".join(kept) + ("\n" if kept else "")


def _written_elsewhere(settings: Settings) -> list[Path]:
    """Folders outside the newsletter's that it writes to: an SQLite file, a mailbox on this machine."""
    places = []
    if settings.database_url.startswith("sqlite:///"):
        places.append(Path(settings.database_url.removeprefix("sqlite:///")).parent)
    mailbox = settings.file.bounces.mailbox if settings.file.bounces else ""
    kind, _, path = mailbox.partition(":")
    if kind == "maildir":
        places.append(settings.folder / path)
    elif kind == "mbox":
        places.append((settings.folder / path).parent)
    return [place for place in places if not place.is_relative_to(settings.folder)]


def _is_below(path: Path, folders: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _quoted(word: str) -> str:
    """A word of a list (paths, variables) as systemd reads it."""
    plain = word.replace("%", "%%")
    if re.fullmatch(r"[\w@%+=:,./-]+", plain):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
