"""Where the files that ship with the program are: the packaged folder if there is one, else ours."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


def templates_dir() -> Path:
    """The folder of MJML, text, notice and web templates."""
    return _folder("templates", "templates")


def newsroom_dir() -> Path:
    """The folder of the bundled sample newsroom."""
    return _folder("newsroom", "examples/newsroom")


def _folder(packaged: str, in_checkout: str) -> Path:
    # A wheel puts a copy next to the code; an editable install has only the checkout's own folders.
    inside = _PACKAGE / packaged
    return inside if inside.is_dir() else _CHECKOUT / in_checkout
