"""Unit files and crontab lines for one newsletter, with the right paths and as few rights as will do."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from digest.errors import ConfigError

if TYPE_CHECKING:
    from digest.settings import Settings

_UNITS = Path("/etc/systemd/system")


def program() -> str:
    """The installed command beside the running Python, else ``python -m digest``."""
    beside = Path(sys.executable).with_name("digest")
    return str(beside) if beside.is_file() else f"{sys.executable} -m digest"


def unit_name(settings: Settings) -> str:
    """``digest-harbour-1a2b3c.service``: stable for a folder, and no two folders share one."""
    mark = hashlib.sha256(str(settings.folder).encode()).hexdigest()[:6]
    name = "".join(ch if ch.isalnum() and ch.isascii() else "-" for ch in settings.folder.name.lower()).strip(
        "-"
    )
    return f"digest-{name or 'newsletter'}-{mark}.service"


def systemd_unit(settings: Settings) -> str:
    """A hardened unit that runs ``digest schedule run`` in the newsletter's folder."""
    folder = _escaped(str(settings.folder))
    owner = settings.folder.owner()
    return f"""[Unit]
Description=dontmiss: {" ".join(settings.file.newsletter.name.replace("%", "%%").split())}
Documentation=man:systemd.service(5)
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
User={owner}
WorkingDirectory={folder}
ExecStart={program()} -C {folder} schedule run
Restart=always
RestartSec=5
TimeoutStopSec=60
KillSignal=SIGTERM

NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={folder}
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
    """An hourly fetch, and a look each five minutes whether an edition is due.

    The look goes by the edition's own zone: not every cron knows CRON_TZ, and none is safe on the days
    when clocks change. With nothing due it says and mails nothing.
    """
    command = f"{program()} -q -C {shlex.quote(str(settings.folder))}".replace("%", r"\%")
    lines = [
        f"# dontmiss: {settings.folder}",
        "# Each hour, so that a full feed loses nothing; run goes on where a killed run stopped.",
        f"17 * * * * {command} fetch",
    ]
    for name in settings.file.editions:
        edition = settings.edition(name)
        if edition.own.schedule:
            lines.append(f"*/5 * * * * {command} run --if-due {shlex.quote(name)}")
    lines.append("# end of dontmiss")
    return "\n".join(lines) + "\n"


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


def _escaped(path: str) -> str:
    """A path as systemd reads it: ``%`` doubled, spaces as ``\\x20``."""
    return path.replace("\\", "\\\\").replace("%", "%%").replace(" ", "\\x20")
