"""Templates: where they are found, the sandbox they run in, and errors that name template and line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digest.errors import RenderError
from digest.resources import templates_dir

if TYPE_CHECKING:
    from jinja2 import Environment

CONTRACT = 1
"""The version of what templates are given; grows when something is taken away or changes its meaning."""

KINDS = ("daily", "brief")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
_CONTRACT_LINE = re.compile(r"\{#-?\s*dontmiss template contract (\d+)\b")


@dataclass(frozen=True)
class Templates:
    """The templates of a newsletter: its own, made by ``templates eject``, before those that ship.

    :param own: the newsletter's ``templates`` folder, or None.
    """

    own: Path | None = None

    def render(self, name: str, context: Mapping[str, Any]) -> str:
        """A template's text. Raises ``RenderError`` that names template, line and cause."""
        from jinja2 import TemplateError, TemplateNotFound, TemplateSyntaxError, UndefinedError
        from jinja2.exceptions import SecurityError

        from digest.rendering.limits import Budget, TooCostly, spending

        self._check_contract(name)
        try:
            with spending(Budget()):
                return self._environment.get_template(name).render(context)
        except TemplateNotFound as error:
            raise RenderError(
                f"there is no template {error.name!r}",
                template=name,
                remedy="`digest templates list` shows them",
            ) from error
        except TemplateSyntaxError as error:
            raise RenderError(
                _sentence(error.message or "syntax error"), template=error.name or name, line=error.lineno
            ) from error
        except UndefinedError as error:
            where, line = _place(error, name)
            raise RenderError(
                _sentence(error), template=where, line=line, remedy="docs/templates.md lists what is there"
            ) from error
        except (TooCostly, RecursionError, MemoryError) as error:
            where, line = _place(error, name)
            cause = str(error) if isinstance(error, TooCostly) else "it calls itself without end"
            raise RenderError(f"stopped: {cause}", template=where, line=line) from error
        except SecurityError as error:
            where, line = _place(error, name)
            raise RenderError(f"not allowed: {_sentence(error)}", template=where, line=line) from error
        except (TemplateError, UnicodeDecodeError, OSError, ArithmeticError, LookupError) as error:
            where, line = _place(error, name)
            raise RenderError(_sentence(error), template=where, line=line) from error
        except (TypeError, ValueError, AttributeError) as error:
            where, line = _place(error, name)
            raise RenderError(_sentence(error), template=where, line=line) from error

    def place_in(
        self, name: str, context: Mapping[str, Any], output: str, offset: int
    ) -> tuple[str, int] | None:
        """Template and line that wrote a place of what ``render`` gave with the same context, or None."""
        from jinja2 import TemplateError

        from digest.rendering.limits import Budget, TooCostly, spending
        from digest.rendering.places import place_in

        if offset < 0:
            return None
        try:
            with spending(Budget()):
                marked = _environment(self._folders, marked=True).get_template(name).render(context)
        except (TemplateError, TooCostly):
            return None  # the marks cost something, too
        return place_in(marked, output, offset)

    def source(self, name: str) -> str:
        """The text of a template file, or empty."""
        for folder in self._folders:
            path = folder / name
            if path.is_file():
                return path.read_text(encoding="utf-8", errors="replace")
        return ""

    def is_own(self, name: str) -> bool:
        """Whether the newsletter has its own copy."""
        return self.own is not None and (self.own / name).is_file()

    def files(self, kind: str) -> list[str]:
        """The names of the shipped files of a template: ``daily/issue.mjml.j2``…"""
        return _files(templates_dir(), kind)

    def own_files(self, kind: str) -> list[str]:
        """The same of the newsletter's own folder, which may have others."""
        return [] if self.own is None else _files(self.own, kind)

    def names(self) -> list[str]:
        """The templates that an edition may name."""
        found = {
            folder.name
            for base in self._folders
            if base.is_dir()
            for folder in base.iterdir()
            if (folder / "issue.mjml.j2").is_file()
        }
        return sorted(found)

    def check_name(self, template: str) -> None:
        """Raises ``RenderError`` when there is no template of that name."""
        if not _NAME.fullmatch(template) or template not in self.names():
            raise RenderError(
                f"there is no template {template!r}",
                remedy=f"there are {', '.join(self.names())}; `digest templates list` shows them",
            )

    @property
    def _folders(self) -> tuple[Path, ...]:
        return (self.own, templates_dir()) if self.own else (templates_dir(),)

    @property
    def _environment(self) -> Environment:
        return _environment(self._folders)

    def _check_contract(self, name: str) -> None:
        if not self.is_own(name):
            return
        version = contract_of(self.source(name))
        if version == CONTRACT:
            return
        made_for = f"was made for contract {version}" if version is not None else "names no contract"
        raise RenderError(
            f"{made_for}, and this version of dontmiss has contract {CONTRACT}",
            template=name,
            line=1,
            remedy=f"begin it with {{# dontmiss template contract {CONTRACT} #}} once you have compared it"
            " with what `digest templates eject` gives now (docs/templates.md tells what changed)",
        )


def contract_of(source: str) -> int | None:
    """The contract version that a template names in its first lines."""
    found = _CONTRACT_LINE.search(source[:500])
    return int(found[1]) if found else None


def _files(folder: Path, kind: str) -> list[str]:
    return sorted(f"{kind}/{path.name}" for path in (folder / kind).glob("*.j2"))


@lru_cache(maxsize=16)
def _environment(folders: tuple[Path, ...], *, marked: bool = False) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from digest.rendering.limits import LimitedEnvironment
    from digest.rendering.places import MarkedEnvironment

    # What ships is our own code; where a newsletter has templates of its own, all run in the sandbox.
    sandboxed = MarkedEnvironment if marked else LimitedEnvironment
    kind = Environment if folders == (templates_dir(),) and not marked else sandboxed
    return kind(
        loader=FileSystemLoader([str(folder) for folder in folders]),
        autoescape=_escapes,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )


def _escapes(name: str | None) -> bool:
    return name is None or not name.endswith((".txt.j2", ".txt"))


def _place(error: BaseException, fallback: str) -> tuple[str, int]:
    """The template and line of an error: the innermost frame that is a template's (Jinja rewrites them)."""
    place = (fallback, 0)
    trace = error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if path.suffix == ".j2":
            place = (f"{path.parent.name}/{path.name}", trace.tb_lineno)
        trace = trace.tb_next
    return place


def _sentence(error: object) -> str:
    """An error's text on one line, without the module paths of our own classes."""
    text = re.sub(r"'digest\.[\w.]*?(\w+) object'", r"\1", str(error))
    return " ".join(text.split())[:300] or type(error).__name__
