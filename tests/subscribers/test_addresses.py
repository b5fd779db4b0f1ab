"""Addresses: the fast path and the library agree, and warnings are only that."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from subscribers.addresses import (
    AddressWarning,
    ascii_envelope,
    deserves_a_look,
    parse_address,
    parse_domain,
    redact,
    warnings_of,
)
from subscribers.domains import likely_meant
from subscribers.errors import InvalidAddress

LETTERS = st.text("abzABZ019.-_+'!@ \"(),:;<>[]\\\u00e9\u4f60\x00\r\n", max_size=12)
LABELS = st.text("abAZ09-xn", min_size=1, max_size=8)


def by_the_library(text: str) -> str | None:
    try:
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError:
        return None
    return found.normalized


@given(LETTERS, st.lists(LABELS, min_size=1, max_size=4))
@example("a", ["ab--c", "com"])
@example("a", ["xn--exmple-cua", "de"])
@example("a" * 65, ["x", "org"])
@example("a", ["x", "local"])
@example("a", ["local", "org"])
@example("a", ["x", "c0m"])
@example("a", ["b" * 64, "org"])
@example("a", ["x", "-a"])
def test_the_fast_path_decides_as_the_library_does(local: str, labels: list[str]) -> None:
    text = f"{local}@{'.'.join(labels)}"
    expected = by_the_library(text)
    try:
        found = parse_address(text)
    except InvalidAddress:
        assert expected is None
    else:
        assert expected is not None
        assert found.normalized.lower() == expected.lower()


@given(LETTERS, st.lists(LABELS, min_size=2, max_size=3))
def test_normalising_twice_changes_nothing(local: str, labels: list[str]) -> None:
    try:
        once = parse_address(f"{local}@{'.'.join(labels)}")
    except InvalidAddress:
        return
    assert parse_address(once.normalized).normalized == once.normalized


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nobody",
        "a@b",
        "b@x.org>\r\nRCPT TO:<z@z>",
        "alice@example.org)bob@evil.com",
        "a@x.org\0",
        "a\r\nBcc: z@z.org@x.org",
        '"quoted"@x.org',
        "a@[127.0.0.1]",
        "a..b@x.org",
        "a" * 250 + "@x.org",
        "x" * 100_000 + "@x.org",
        "Ann <ann@x.org>",
    ],
)
def test_what_could_harm_an_smtp_session_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(InvalidAddress) as refused:
        parse_address(text)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_an_address_of_255_characters_is_too_long_and_one_of_254_is_not() -> None:
    domain = ".".join(["d" * 62] * 3) + ".org"
    fits = "a" * (254 - len(domain) - 1) + "@" + domain
    assert len(fits) == 254
    assert parse_address(fits).address == fits
    with pytest.raises(InvalidAddress):
        parse_address("a" + fits)


def test_the_address_is_kept_as_given_and_people_are_told_apart_by_its_normal_form() -> None:
    found = parse_address("  Ann.Lee+News@Example.ORG ")
    assert found.address == "Ann.Lee+News@Example.ORG"
    assert found.normalized == "ann.lee+news@example.org"


def test_gmail_dots_and_tags_are_not_merged() -> None:
    assert parse_address("a.b+c@gmail.com").normalized != parse_address("ab@gmail.com").normalized


def test_a_domain_in_punycode_and_in_unicode_is_the_same_person() -> None:
    assert parse_address("x@xn--exmple-cua.de").normalized == parse_address("x@Exämple.de").normalized


def test_smtputf8_addresses_are_kept_and_known_as_such() -> None:
    found = parse_address("用户@例子.广告")
    assert found.address == "用户@例子.广告"
    assert ascii_envelope(found.address) is None
    assert ascii_envelope("x@exämple.de") == "x@xn--exmple-cua.de"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("info@example.org", AddressWarning.ROLE),
        ("a@mailinator.com", AddressWarning.DISPOSABLE),
        ("a@gmial.com", AddressWarning.TYPO),
        ("a@hotmai.com", AddressWarning.TYPO),
        ("a@example.con", AddressWarning.TYPO),
    ],
)
def test_what_deserves_a_look_is_a_warning(text: str, warning: AddressWarning) -> None:
    found = parse_address(text)
    assert set(warnings_of(found)) == {warning}
    assert deserves_a_look(found.normalized, found.domain)


@pytest.mark.parametrize(
    "domain", ["gmail.com", "ymail.com", "mail.com", "gmx.at", "example.org", "hotmail.fr"]
)
def test_real_domains_are_no_typos(domain: str) -> None:
    assert likely_meant(domain) is None


@pytest.mark.parametrize("text", ["@example.org", "EXAMPLE.org", "@", "@a@b", "x y"])
def test_a_domain_is_read_with_or_without_its_at_sign(text: str) -> None:
    if "example" in text.lower():
        assert parse_domain(text) == "example.org"
    else:
        with pytest.raises(InvalidAddress):
            parse_domain(text)


def test_addresses_are_taken_out_of_reasons() -> None:
    assert redact("<ann@x.org> wrote, cc bob@y.org.") == "<[address]> wrote, cc [address]"
