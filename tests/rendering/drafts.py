"""Drafts for the tests of rendering: a whole morning paper in each language, of our own writing."""

# ruff: noqa: E501 - tables of samples, one a line
from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from digest.values import (
    Access,
    ArticleKind,
    Draft,
    Item,
    ItemKind,
    Masthead,
    Picture,
    PreviousIssue,
    RenderedIssue,
    SectionHeading,
    Slot,
)

AT = datetime(2026, 11, 23, 4, tzinfo=UTC)
LINKS = {
    "unsubscribe_url": "https://news.example/u/abc",
    "preferences_url": "https://news.example/p/abc",
}
HEADLINES = {
    "en": ["Night market opens on the creek", "What the new bus lines mean for the long way to work, and for everybody who lives beyond the bridge", "Rain comes early"],
    "de": ["Nachtmarkt am Fluss eröffnet", "Straßenbahn fährt künftig bis zum Großmarkt: Größere Änderungen für Pendlerinnen", "Früher Regen überrascht"],
    "hi": ["नदी किनारे रात का बाज़ार खुला", "हिन्दी पुस्तक मेले में बच्चों की भीड़, क्षत्रिय कला भी", "बारिश जल्दी आई"],
    "ar": ["افتتاح سوق ليلي على ضفة الخور", "مكتبة متنقلة تصل إلى آخر قرية في الوادي بعد أعوام من الانتظار", "أمطار مبكرة"],
    "zh": ["河畔夜市开张", "流动图书馆终于抵达最后一个村庄，孩子们等待多年", "雨季提前到来"],
}  # fmt: skip
TEASERS = {
    "en": "Traders say that rents have doubled & visitors tripled. The city’s “quiet quarter” is not quiet.",
    "de": "Die Händler sprechen von doppelten Mieten – und dreimal so vielen Gästen. Für die Stadt ist das neu.",
    "hi": "दुकानदार कहते हैं कि किराया दोगुना हो गया है और आने वाले तीन गुना। शहर के लिए यह नया है।",
    "ar": "يقول التجار إن الإيجارات تضاعفت وإن الزوار زادوا ثلاثة أضعاف. هذا جديد على المدينة.",
    "zh": "商贩们说，租金翻了一番，游客增加了两倍。对这座城市来说，这是新鲜事。",
}
LAYOUTS = ("cards", "list", "opinion", "compact")


def picture(number: int = 1, **changes: Any) -> Picture:
    return Picture(
        **{
            "url": f"https://img.example/{number}.jpg",
            "alt": "Boats at the quay",
            "credit": "Photo: our own",
            "width": 1200,
            "height": 675,
            **changes,
        }
    )


def story(slot: Slot = Slot.SECTION, section: str = "s0", position: int = 0, **changes: Any) -> Item:
    return Item(
        **{
            "id": 1,
            "slot": slot,
            "section": section,
            "position": position,
            "headline": HEADLINES["en"][0],
            "teaser": TEASERS["en"],
            "url": "https://paper.example/story?a=1&b=2",
            "published_at": AT,
            "reading_minutes": 2,
            **changes,
        }
    )


def paper(
    language: str = "en",
    *,
    sections: int = 4,
    each: int = 3,
    pictures: bool = True,
    template: str = "daily",
    extra: tuple[Item, ...] = (),
    **changes: Any,
) -> Draft:
    """A whole issue: lead, sections of every layout, Don't Miss, and every kind of item."""
    texts = HEADLINES[language]
    items: list[Item] = []

    def add(slot: Slot, section: str, position: int, **more: Any) -> None:
        number = len(items) + 1
        items.append(
            story(
                slot,
                section,
                position,
                **{
                    "id": number,
                    "headline": texts[number % len(texts)],
                    "teaser": TEASERS[language],
                    "url": f"https://paper.example/story/{number}?a=1&b=2",
                    "reading_minutes": number % 7,
                    "picture": picture(number) if pictures else None,
                    **more,
                },
            )
        )

    add(Slot.LEAD, "s0", 0)
    for section in range(sections):
        for position in range(each):
            add(Slot.SECTION, f"s{section}", position, **_variety(section, position))
    for position in range(4):
        add(Slot.DONT_MISS, "s0", position)
    everything = (
        Item(id=801, kind=ItemKind.INTRO, slot=Slot.TOP, teaser=f"{TEASERS[language]}\n\n{texts[0]}"),
        Item(id=802, kind=ItemKind.SPONSOR, slot=Slot.SPONSOR, headline="Tea by post", teaser=TEASERS["en"], url="https://tea.example/"),
        Item(id=803, kind=ItemKind.CORRECTION, slot=Slot.CORRECTIONS, teaser=TEASERS[language]),
        Item(id=804, kind=ItemKind.EVENT, slot=Slot.BOTTOM, headline=texts[2], teaser=TEASERS[language], url="https://paper.example/event"),
        Item(id=805, kind=ItemKind.NOTE, slot=Slot.BOTTOM, teaser=TEASERS[language]),
    )  # fmt: skip
    return Draft(
        **{
            "issue_id": 7,
            "edition": "daily",
            "date": date(2026, 11, 23),
            "number": 128,
            "ordinal": 0,
            "subject": texts[0],
            "preheader": texts[2],
            "language": language,
            "timezone": "Asia/Dubai",
            "template": template,
            "masthead": Masthead(
                name="The Creek Courier",
                url="https://paper.example",
                postal_address="Creek Courier\n12 Quay Road, Springfield",
                list_title="The Daily",
                reply_to="desk@paper.example",
            ),
            "sections": tuple(
                SectionHeading(f"s{number}", f"{texts[0].split()[0]} {number}", LAYOUTS[number % 4])
                for number in range(sections)
            ),
            "items": (*items, *everything, *extra),
            "archive_url": "https://news.example/archive/daily/2026-11-23",
            "previous": PreviousIssue(texts[1], date(2026, 11, 22), "https://news.example/archive/daily/2026-11-22"),
            **changes,
        }
    )  # fmt: skip


def _variety(section: int, position: int) -> dict[str, Any]:
    return {
        (0, 1): {"article_kind": ArticleKind.VIDEO, "duration_seconds": 200},
        (0, 2): {"article_kind": ArticleKind.SPONSORED},
        (1, 0): {"headline": HEADLINES["ar"][1], "teaser": TEASERS["ar"], "language": "ar"},
        (1, 1): {"access": Access.PAID, "updated": True, "also": ("The Wire", "Gulf Post")},
        (2, 0): {"article_kind": ArticleKind.OPINION, "byline": "Meera Nair"},
        (2, 1): {"article_kind": ArticleKind.AUDIO, "duration_seconds": 3725},
        (3, 0): {"article_kind": ArticleKind.LIVE},
    }.get((section, position), {})


def html_of(rendered: RenderedIssue, **values: str) -> str:
    return rendered.html_for({**LINKS, **values})


def text_of(rendered: RenderedIssue, **values: str) -> str:
    return rendered.text_for({**LINKS, **values})
