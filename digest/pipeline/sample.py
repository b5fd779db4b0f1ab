"""A small issue of made-up stories, to see whether an edition's template renders."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from digest.pipeline.render import render_issue
from digest.values import Draft, Item, ItemKind, Masthead, SectionHeading, Slot

if TYPE_CHECKING:
    from digest.settings import Settings


def render_samples(settings: Settings) -> str:
    """Render a sample of each edition. Returns a line that says what was tried; raises ``RenderError``."""
    names = list(settings.file.editions)
    for name in names:
        render_issue(sample_draft(settings, name), settings)
    return f"rendered a sample of {', '.join(names) or 'no edition'}"


def sample_draft(settings: Settings, edition_name: str) -> Draft:
    """A draft with a lead, a section, Don't Miss, and one item of each other kind."""
    edition = settings.edition(edition_name)
    newsletter = settings.file.newsletter

    def story(place: int, slot: Slot, section: str = "") -> Item:
        return Item(
            id=place,
            slot=slot,
            section=section,
            position=1,
            headline=f"A headline of a sample story, number {place}",
            teaser="Two sentences tell what it is about. They end here.",
            url=f"{newsletter.url.rstrip('/')}/sample-{place}",
            reading_minutes=2,
            language=edition.language,
        )

    return Draft(
        issue_id=0,
        edition=edition_name,
        date=date(2026, 1, 1),
        number=1,
        ordinal=0,
        subject="A sample",
        preheader="Made to see whether the template renders.",
        language=edition.language,
        timezone=edition.timezone,
        template=edition.own.template,
        masthead=Masthead(
            name=newsletter.name,
            url=newsletter.url,
            postal_address=newsletter.postal_address or "–",
            list_title=edition.title,
        ),
        sections=(SectionHeading("sample", "Sample"),),
        items=(
            story(1, Slot.LEAD),
            story(2, Slot.SECTION, "sample"),
            story(3, Slot.DONT_MISS),
            Item(id=4, kind=ItemKind.NOTE, slot=Slot.TOP, position=1, headline="A note", teaser="Its text."),
        ),
    )
