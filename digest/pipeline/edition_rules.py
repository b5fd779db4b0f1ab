"""From newsletter.toml to the rules that an edition is picked by."""

from __future__ import annotations

from digest.picking.matching import Matcher
from digest.picking.rules import Rules
from digest.settings import EditionSettings, Settings
from digest.settings.model import Section

LATEST = "latest"
LATEST_MAX = 10


def rules_of(settings: Settings, edition: EditionSettings) -> Rules:
    """The rules of an edition; its expressions are compiled once to be sure of them.

    A newsletter without any section prints all its stories as one. Raises ``ConfigError`` for an
    expression that cannot be used.
    """
    file = settings.file
    printed = {section.key for section in edition.sections}
    latest = Section(key=LATEST, name=edition.title, max=LATEST_MAX)
    rules = Rules(
        sections=edition.sections or (latest,),
        others=tuple(s for s in file.sections if s.key not in printed) if edition.sections else (),
        everything="" if edition.sections else LATEST,
        ranking=file.ranking,
        dont_miss=file.dont_miss,
        teasers=file.teasers,
        max_age=edition.own.max_age,
        more=edition.own.more,
        source_weights={source.name: source.weight for source in file.sources},
        source_sections=sections_of_sources(settings) if edition.sections else {},
    )
    Matcher((*rules.sections, *rules.others))
    return rules


def sections_of_sources(settings: Settings) -> dict[str, str]:
    """Which section a source's stories belong to, by the section's key or name."""
    by_name = {section.name: section.key for section in settings.file.sections}
    return {
        source.name: by_name.get(source.section, source.section)
        for source in settings.file.sources
        if source.section
    }
