"""The edge of the command line: an expected error becomes one line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Any

DONE, FAILED, USAGE, NOTHING, PREFLIGHT, UNFINISHED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: a mail server that pipes a message to us keeps it for later


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code. A traceback is a bug (``DIGEST_TRACEBACK=1`` shows it)."""
    code = _run(arguments)
    piped = {"bounces", "process", "-"} <= set(arguments)
    return TRY_AGAIN if piped and code != DONE else code


def _run(arguments: list[str]) -> int:
    import typer

    from digest.cli.root import root

    try:
        result = typer.main.get_command(root).main(args=arguments, prog_name="digest", standalone_mode=False)
        sys.stdout.flush()
    except typer.Abort:
        return _say(arguments, INTERRUPTED, "interrupted", "interrupted", "")
    except KeyboardInterrupt:
        return _say(arguments, INTERRUPTED, "interrupted", "interrupted", "")
    except BrokenPipeError:
        # Who reads us has gone (``| head``): nothing to tell anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if os.environ.get("DIGEST_TRACEBACK"):
            raise
        return _say(arguments, *_explain(error), picture=getattr(error, "picture", ""))
    return result if isinstance(result, int) else DONE


def _say(arguments: list[str], code: int, name: str, message: str, remedy: str, *, picture: str = "") -> int:
    line = " ".join(message.split())
    if "--json" in arguments:
        from digest.cli.output import print_json

        print_json({"error": {"code": name, "message": line, "remedy": remedy}})
    from digest.cli.output import harmless

    sys.stderr.write(harmless(f"digest: {line}" + (f" — {remedy}" if remedy else "")) + "\n")
    for shown in picture.splitlines():
        sys.stderr.write(harmless(shown) + "\n")
    return code


def _explain(error: Exception) -> tuple[int, str, str, str]:
    import typer

    from digest import errors
    from subscribers.errors import SubscriberError

    match error:
        case errors.ConfigError():
            code = USAGE
        case errors.EmptyIssue() | errors.IssueNotApproved():
            code = NOTHING
        case errors.PreflightFailed():
            code = PREFLIGHT
        case errors.Explained() | SubscriberError():
            code = FAILED
        case typer.TyperException():
            return USAGE, "usage", _usage(error), "see --help"
        case _:
            return FAILED, *_unexpected(error)
    return code, _name(error), str(error), error.remedy


def _usage(error: Any) -> str:
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    return str(text)


def _unexpected(error: Exception) -> tuple[str, str, str]:
    """What the machine refuses (disk, database), told as such; all else is a bug, told as one line."""
    import errno

    if "sqlalchemy" in sys.modules:
        from sqlalchemy.exc import DBAPIError

        if isinstance(error, DBAPIError):
            cause = " ".join(str(error.orig).split())
            return "database", f"database: {cause}", _database_remedy(cause)
    if isinstance(error, OSError):
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
        remedy = "make room and run the same command again" if error.errno == errno.ENOSPC else ""
        return "system", what, remedy
    return (
        "bug",
        f"unexpected {type(error).__name__}: {error}",
        "this is a bug; DIGEST_TRACEBACK=1 shows where, please report it",
    )


def _database_remedy(cause: str) -> str:
    cause = cause.lower()
    if "locked" in cause:
        return "another process holds it for long; try again, or look for one that hangs"
    if "readonly" in cause or "read-only" in cause:
        return "the file or its folder may not be written by this user"
    if "full" in cause or "no space" in cause:
        return "make room and run the same command again"
    if "malformed" in cause or "not a database" in cause:
        return "`digest db check` tells more; restore a backup"
    if "connection" in cause or "connect" in cause:
        return "check DIGEST_DATABASE_URL and that the server runs"
    return "`digest db check` tells more"


def _name(error: Exception) -> str:
    """``IssueNotApproved`` → ``issue_not_approved``."""
    name = type(error).__name__
    return "".join(f"_{ch.lower()}" if ch.isupper() else ch for ch in name).lstrip("_")
