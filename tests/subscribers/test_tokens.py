"""Tokens: what was signed comes back, nothing else is believed."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.errors import TokenExpired, TokenForged
from subscribers.tokens import CONFIRM_MAX_AGE, Purpose, TokenSigner

OLD, NEW = b"old key " * 4, b"new key " * 4
SIGNER = TokenSigner([NEW])
NOW = datetime(2026, 3, 1, tzinfo=UTC)
IDS = st.integers(min_value=0, max_value=2**48 - 1)


@given(ids=st.lists(IDS, max_size=4))
def test_ids_come_back(ids: list[int]) -> None:
    assert SIGNER.verify("view", SIGNER.sign("view", *ids)) == tuple(ids)


@given(subscription=IDS, message=IDS)
def test_a_return_path_survives_lower_and_upper_casing(subscription: int, message: int) -> None:
    token = SIGNER.sign_verp(subscription, message)
    assert len(token) <= 49
    assert token == token.lower()
    assert SIGNER.verify_verp(token.upper()) == (subscription, message)


@given(st.data())
def test_one_changed_character_is_a_forgery(data: st.DataObject) -> None:
    link, verp = SIGNER.sign("unsubscribe", 77), SIGNER.sign_verp(77, 5)
    place = data.draw(st.integers(0, len(link) - 1))
    other = data.draw(st.sampled_from("ABCabc019-_"))
    if link[place] != other:
        with pytest.raises(TokenForged):
            SIGNER.verify("unsubscribe", link[:place] + other + link[place + 1 :])
    place = data.draw(st.integers(0, len(verp) - 1))
    other = data.draw(st.sampled_from("abcxyz234567"))
    if verp[place] != other:
        with pytest.raises(TokenForged):
            SIGNER.verify_verp(verp[:place] + other + verp[place + 1 :])


@given(st.text(max_size=120))
def test_any_text_is_refused_calmly(text: str) -> None:
    with pytest.raises(TokenForged):
        SIGNER.verify("unsubscribe", text)
    with pytest.raises(TokenForged):
        SIGNER.verify_verp(text)


def test_a_token_for_one_purpose_is_worth_nothing_for_another() -> None:
    with pytest.raises(TokenForged):
        SIGNER.verify(Purpose.CONFIRM, SIGNER.sign(Purpose.UNSUBSCRIBE, 1))


def test_links_in_old_mails_stay_good_when_the_key_rotates() -> None:
    old_link, old_path = TokenSigner([OLD]).sign("unsubscribe", 9), TokenSigner([OLD]).sign_verp(9, 2)
    rotated = TokenSigner([NEW, OLD])
    assert rotated.verify("unsubscribe", old_link) == (9,)
    assert rotated.verify_verp(old_path) == (9, 2)
    assert rotated.sign("unsubscribe", 9) == SIGNER.sign("unsubscribe", 9)
    with pytest.raises(TokenForged):
        SIGNER.verify("unsubscribe", old_link)


def test_a_confirm_link_is_good_for_seven_days() -> None:
    token = SIGNER.sign(Purpose.CONFIRM, 4, issued_at=NOW)
    later = NOW + CONFIRM_MAX_AGE
    assert SIGNER.verify(Purpose.CONFIRM, token, now=later, max_age=CONFIRM_MAX_AGE) == (4,)
    with pytest.raises(TokenExpired):
        SIGNER.verify(Purpose.CONFIRM, token, now=later + timedelta(minutes=1), max_age=CONFIRM_MAX_AGE)


def test_an_undated_token_is_refused_where_an_age_is_asked() -> None:
    with pytest.raises(TokenExpired):
        SIGNER.verify("confirm", SIGNER.sign("confirm", 4), now=NOW, max_age=CONFIRM_MAX_AGE)


@pytest.mark.parametrize(
    "damage", ["{}=", " {}", "{}\r\n", "{}==", "{} ", "{}%20", "{}%3D%0D%0A", "{}%253D%250D%250A"]
)
def test_what_mail_clients_add_to_a_link_is_taken_out(damage: str) -> None:
    assert SIGNER.verify("view", damage.format(SIGNER.sign("view", 3))) == (3,)


@pytest.mark.parametrize("damage", ["<{}>", "{}.", "{})", "{},", "x{}", "{}x", "{}/", "{}%41", '{}"', "{}\0"])
def test_nothing_else_is_taken_out(damage: str) -> None:
    with pytest.raises(TokenForged):
        SIGNER.verify("view", damage.format(SIGNER.sign("view", 3)))


@given(st.data())
def test_one_flipped_bit_is_a_forgery(data: st.DataObject) -> None:
    raw = bytearray(urlsafe_b64decode(SIGNER.sign("unsubscribe", 77)))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(TokenForged):
        SIGNER.verify("unsubscribe", urlsafe_b64encode(raw).decode())


@given(st.integers(0, 35))
def test_a_truncated_link_is_a_forgery(length: int) -> None:
    with pytest.raises(TokenForged):
        SIGNER.verify("unsubscribe", SIGNER.sign("unsubscribe", 77)[:length])


def test_a_soft_line_break_inside_a_link_is_repaired() -> None:
    token = SIGNER.sign("view", 3)
    assert SIGNER.verify("view", token[:20] + "=\r\n" + token[20:]) == (3,)


@pytest.mark.parametrize("keys", [[], [b"short"]])
def test_a_signer_needs_a_real_key(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="key"):
        TokenSigner(keys)
