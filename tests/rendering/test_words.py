"""The product's words: five catalogues, right plurals, dates as each language writes them."""

from __future__ import annotations

from datetime import date

import pytest

from digest.rendering import words_of
from digest.rendering.words import CATALOGUES, catalogue_languages


def messages(language: str) -> dict[str, object]:
    from babel.messages.pofile import read_po

    with (CATALOGUES / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    return {str(entry.id): entry.string for entry in catalogue if entry.id}


def test_there_are_five_languages() -> None:
    assert {"en", "ar", "hi", "de", "zh"} <= set(catalogue_languages())


def test_every_catalogue_translates_every_message() -> None:
    known = messages("de").keys()
    for language in catalogue_languages():
        if language == "en":
            continue
        assert messages(language).keys() == known
        for message, translation in messages(language).items():
            parts = translation if isinstance(translation, tuple) else (translation,)
            assert all(parts), (language, message)


def test_places_in_messages_are_kept_in_translations() -> None:
    import re

    for language in catalogue_languages():
        if language == "en":
            continue
        for message, translation in messages(language).items():
            if isinstance(translation, str):
                assert set(re.findall(r"\{\w+\}", message)) == set(re.findall(r"\{\w+\}", translation)), (
                    message
                )


@pytest.mark.parametrize(
    ("language", "number", "expected"),
    [
        ("en", 1, "1 min read"),
        ("en", 12, "12 min read"),
        ("de", 1, "1 Min. Lesezeit"),
        ("ar", 1, "قراءة دقيقة واحدة"),
        ("ar", 2, "قراءة دقيقتين"),
        ("ar", 3, "قراءة 3 دقائق"),
        ("ar", 11, "قراءة 11 دقيقة"),
        ("ar", 100, "قراءة 100 دقيقة"),
        ("hi", 2, "2 मिनट का पाठ"),
        ("zh", 2, "阅读约2分钟"),
    ],
)
def test_reading_time_has_the_right_plural(language: str, number: int, expected: str) -> None:
    assert words_of(language).reading(number) == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "Monday, November 23, 2026"),
        ("en-GB", "Monday, 23 November 2026"),
        ("de", "Montag, 23. November 2026"),
        ("ar", "الاثنين، 23 نوفمبر 2026"),
        ("hi", "सोमवार, 23 नवंबर 2026"),
        ("zh", "2026年11月23日星期一"),
    ],
)
def test_dates_are_written_as_the_language_does(language: str, expected: str) -> None:
    assert words_of(language).date(date(2026, 11, 23)) == expected


def test_an_unknown_language_reads_english_and_keeps_its_direction() -> None:
    assert words_of("xx-Arab").text("Unsubscribe") == "Unsubscribe"
    assert words_of("xx-Arab").direction == "rtl"
    assert words_of("fr").date(date(2026, 11, 23)) == "lundi 23 novembre 2026"


def test_a_value_is_never_a_format_of_its_own() -> None:
    assert words_of("en").text("Latest from {name}", name="{n} {0} {name}") == "Latest from {n} {0} {name}"
