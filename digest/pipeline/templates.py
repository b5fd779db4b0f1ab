"""``templates`` as a use case: what there is, and copies into the newsletter's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from digest.errors import ConfigError
from digest.rendering.environment import CONTRACT, Templates, contract_of
from digest.resources import templates_dir
from digest.settings import Settings

SETS = {
    "daily": "The morning paper: pictures, sections, Don't Miss.",
    "brief": "Text-led, one column, read in two minutes.",
    "parts": "What both are made of: head and foot, one macro for each kind of item.",
    "notices": "Mails to one person: confirm, welcome, approval.",
}


@dataclass(frozen=True, slots=True)
class TemplateSet:
    """A template: ``own`` files of the newsletter's stand before the shipped ones."""

    name: str
    summary: str
    files: tuple[str, ...]
    own: tuple[str, ...]
    editions: tuple[str, ...]
    outdated: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "summary": self.summary,
            "files": list(self.files),
            "own": list(self.own),
            "editions": list(self.editions),
            "outdated": list(self.outdated),
            "contract": CONTRACT,
        }


def list_templates(settings: Settings) -> list[TemplateSet]:
    """All templates, the newsletter's own included."""
    templates = templates_of(settings)
    names = [*SETS, *(name for name in templates.names() if name not in SETS)]
    return [_set(settings, name) for name in names]


def eject(settings: Settings, name: str, *, force: bool = False) -> list[Path]:
    """Copy a template into the newsletter's folder, where it may be changed.

    :param force: write over copies that are there.
    :raises ConfigError: there is no such template, or a copy is there already.
    """
    if name not in SETS:
        raise ConfigError(f"there is no template {name!r}", remedy=f"there are {', '.join(SETS)}")
    target = own_templates(settings)
    files = templates_of(settings).files(name)
    there = [file for file in files if (target / file).exists()]
    if there and not force:
        raise ConfigError(
            f"{target / there[0]} is there already",
            remedy="--force writes over it, and your changes are lost",
        )
    written = []
    for file in files:
        path = target / file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((templates_dir() / file).read_bytes())
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}") from error
        written.append(path)
    return written


def templates_of(settings: Settings) -> Templates:
    """The newsletter's own templates before those that ship."""
    folder = own_templates(settings)
    return Templates(folder if folder.is_dir() else None)


def own_templates(settings: Settings) -> Path:
    """Where ``templates eject`` puts copies; it need not exist."""
    return settings.folder / "templates"


def _set(settings: Settings, name: str) -> TemplateSet:
    templates = templates_of(settings)
    own = tuple(templates.own_files(name))
    return TemplateSet(
        name=name,
        summary=SETS.get(name, "The newsletter's own."),
        files=tuple(templates.files(name)) or own,
        own=own,
        editions=tuple(
            edition for edition, values in settings.file.editions.items() if values.template == name
        ),
        outdated=tuple(file for file in own if contract_of(templates.source(file)) != CONTRACT),
    )
