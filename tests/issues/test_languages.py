"""Whole issues in five languages, from the stock to the rendered mail: sections, teasers, minutes, dates."""

# ruff: noqa: E501 - tables of samples, one a line
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from digest.issues.drafts import load_draft
from digest.issues.view import IssueView
from digest.pipeline.build import build_issue
from digest.pipeline.render import render_issue
from digest.values import RenderedIssue, Slot
from tests.issues.conftest import HOUR, NOW, PAPER, Newsroom

TOML = (
    PAPER
    + """
[[sections]]
key = "city"
name = "{city}"
match = ["{wanted}"]
max = 2

[[sections]]
key = "vote"
name = "{vote}"
match_title = ["{pattern}"]
min = 2

[editions.local]
language = "{language}"
timezone = "{timezone}"
sender = "{name} <local@lagoon.example>"
title = "{name}"
subject = "{name}, {{{{ date }}}}"
template = "{template}"
min_articles = 1
"""
)


@dataclass(frozen=True, slots=True)
class Paper:
    """One language: what is configured, how the sources write it, and what readers must see.

    ``wanted`` is how the editor writes the category, ``written`` how the sources do. ``stories`` are pairs
    of headline and text; the last one matches ``pattern``.
    """

    language: str
    timezone: str
    template: str
    name: str
    city: str
    vote: str
    wanted: str
    written: str
    pattern: str
    stories: tuple[tuple[str, str], ...]
    date: str
    teaser: str
    more: str
    minutes: Mapping[int, str] = field(default_factory=dict)


PAPERS = [
    Paper(
        "en", "America/New_York", "daily", "Creek Post", "City", "Vote", "Café life", "CAFE  LIFE", "ballot",
        (
            ("Night market opens on the creek", "Traders say that rents have doubled. Visitors tripled, too."),
            ("Rain comes early", "The first drops fell before dawn. Farmers had waited for weeks."),
            ("Mobile library reaches the last village", "Children queued from six. The van stays a day."),
            ("Bus lines change on Monday", "The way to work gets longer for many. Others gain ten minutes."),
            ("Bállot papers printed twice", "The printer found a wrong name. Nobody noticed before."),
        ),
        date="March 9, 2026", teaser="Traders say that rents have doubled. Visitors tripled, too.", more="More",
        minutes={1: "1 min read", 2: "2 min read", 3: "3 min read", 11: "11 min read"},
    ),
    Paper(
        "de", "Europe/Berlin", "brief", "Lagunenblatt", "Stadt", "Wahl", "Öffentliches Leben",
        "offentliches leben", "stimmzettel",
        (
            ("Nachtmarkt am Fluss eröffnet", "Die Händler sprechen von doppelten Mieten. Es kamen viele Gäste."),
            ("Früher Regen überrascht", "Die ersten Tropfen fielen vor Sonnenaufgang. Die Bauern sind froh."),
            ("Bücherbus erreicht letztes Dorf", "Kinder standen seit sechs Uhr an. Der Bus bleibt einen Tag."),
            ("Buslinien ändern sich", "Der Weg zur Arbeit wird für viele länger. Andere gewinnen Zeit."),
            ("STIMMZETTEL doppelt gedruckt", "Die Druckerei fand einen falschen Namen. Niemand hatte es bemerkt."),
        ),
        date="10. März 2026", teaser="Die Händler sprechen von doppelten Mieten. Es kamen viele Gäste.",
        more="Mehr",
        minutes={1: "1 Min. Lesezeit", 2: "2 Min. Lesezeit", 3: "3 Min. Lesezeit", 11: "11 Min. Lesezeit"},
    ),
    Paper(
        "ar", "Asia/Dubai", "daily", "صحيفة الخور", "المدينة", "الانتخابات", "أخبار المدينة",
        "أَخبارُ  المَدينة", "الاقتراع",
        (
            ("افتتاح سوق ليلي على ضفة الخور", "يقول التجار إن الإيجارات تضاعفت. وزاد عدد الزوار ثلاثة أضعاف."),
            ("أمطار مبكرة", "هطلت القطرات الأولى قبل الفجر. وكان المزارعون ينتظرون منذ أسابيع."),
            ("مكتبة متنقلة تصل إلى آخر قرية", "وقف الأطفال في الطابور منذ السادسة. وتبقى الحافلة يوما واحدا."),
            ("تغيير خطوط الحافلات", "يطول الطريق إلى العمل على كثيرين. ويكسب آخرون عشر دقائق."),
            ("أوراق الاقتِراع طبعت مرتين", "وجدت المطبعة اسما خاطئا. ولم يلاحظه أحد من قبل."),
        ),
        date="10 مارس 2026", teaser="يقول التجار إن الإيجارات تضاعفت. وزاد عدد الزوار ثلاثة أضعاف.",
        more="المزيد",
        minutes={1: "قراءة دقيقة واحدة", 2: "قراءة دقيقتين", 3: "قراءة 3 دقائق", 11: "قراءة 11 دقيقة"},
    ),
    Paper(
        "hi", "Asia/Kolkata", "daily", "खाड़ी समाचार", "शहर", "चुनाव", "बा\u091c\u093cार", "बा\u095bार", "मतपत्र",
        (
            ("नदी किनारे रात का बाज़ार खुला", "दुकानदार कहते हैं कि किराया दोगुना हो गया है। आने वाले तीन गुना हैं।"),
            ("बारिश जल्दी आई", "पहली बूँदें भोर से पहले गिरीं। किसान हफ़्तों से इंतज़ार कर रहे थे।"),
            ("चलता पुस्तकालय आख़िरी गाँव पहुँचा", "बच्चे सुबह छह बजे से कतार में थे। गाड़ी एक दिन रुकेगी।"),
            ("बस के रास्ते बदले", "कई लोगों का काम पर जाने का रास्ता लंबा हो गया। कुछ के दस मिनट बचेंगे।"),
            ("मतपत्र दो बार छपे", "छापेख़ाने को एक ग़लत नाम मिला। पहले किसी ने ध्यान नहीं दिया।"),
        ),
        date="10 मार्च 2026", teaser="दुकानदार कहते हैं कि किराया दोगुना हो गया है। आने वाले तीन गुना हैं।",
        more="और",
        minutes={1: "1 मिनट का पाठ", 2: "2 मिनट का पाठ", 3: "3 मिनट का पाठ", 11: "11 मिनट का पाठ"},
    ),
    Paper(
        "zh", "Asia/Shanghai", "brief", "河湾日报", "城市", "选举", "AI 城市", "ＡＩ 城市", "选票",
        (
            ("河畔夜市开张", "商贩们说，租金翻了一番。游客增加了两倍。"),
            ("雨季提前到来", "第一滴雨在黎明前落下。农民已经等了好几个星期。"),
            ("流动图书馆抵达最后一个村庄", "孩子们从早上六点开始排队。车会停留一天。"),
            ("公交线路调整", "许多人上班的路更远了。另一些人省下十分钟。"),
            ("选票印了两次", "印刷厂发现一个错误的名字。之前没有人注意到。"),
        ),
        date="2026年3月10日", teaser="商贩们说，租金翻了一番。游客增加了两倍。", more="更多",
        minutes={1: "阅读约1分钟", 2: "阅读约2分钟", 3: "阅读约3分钟", 11: "阅读约11分钟"},
    ),
]  # fmt: skip


def published(newsroom: Newsroom, paper: Paper) -> tuple[IssueView, RenderedIssue]:
    """The paper's stories in the stock, an issue built from them and rendered. Four are of the city, and
    one of a section that needs two."""
    settings = newsroom.configure(TOML.format(**{name: getattr(paper, name) for name in Paper.__slots__}))
    for hours, (minutes, (title, text)) in enumerate(zip((1, 2, 3, 11, 1), paper.stories, strict=True), 1):
        newsroom.article(
            title, "" if hours == len(paper.stories) else paper.written, at=NOW - hours * HOUR,
            summary=text, word_count=minutes * 238, language=paper.language,
        )  # fmt: skip
    view = build_issue(newsroom.sessions, settings, "local", now=NOW)
    with newsroom.sessions() as session:
        return view, render_issue(load_draft(session, settings, view.id or 0), settings)


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.language)
def test_an_issue_is_whole_in_its_language(newsroom: Newsroom, paper: Paper) -> None:
    view, rendered = published(newsroom, paper)
    headlines = [title for title, _ in paper.stories]
    assert view.lead is not None
    assert (view.lead.headline, view.lead.teaser) == (headlines[0], paper.teaser)
    sections = [
        (heading.name, [item.headline for item in view.in_slot(Slot.SECTION, heading.key)])
        for heading in view.sections
        if view.in_slot(Slot.SECTION, heading.key)
    ]
    assert sections == [(paper.city, headlines[1:3]), (paper.more, [headlines[4], headlines[3]])]
    assert view.subject == f"{paper.name}, {paper.date}"
    html, text = rendered.html_for({}), rendered.text_for({})
    assert f'lang="{paper.language}"' in html
    assert f'dir="{"rtl" if paper.language == "ar" else "ltr"}"' in html
    for part in (html, text):
        assert paper.name in part
        for shown in (*headlines, paper.city, paper.more, *paper.minutes.values()):
            assert shown in part, shown
