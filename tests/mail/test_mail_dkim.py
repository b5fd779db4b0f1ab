"""Signatures that others verify: dkimpy for both algorithms, opendkim for RSA."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import dkim
import pytest

from digest.errors import ConfigError
from digest.mail import PROFILES, compile_message, compose_notice
from digest.mail.dkim import Algorithm, DkimKey, DkimSigner, new_key
from digest.values import Envelope
from tests.conftest import required
from tests.mail.letters import ISSUE, NOW, identity, reader

DOMAIN = "asianlite.example"


@pytest.fixture(scope="module", params=["rsa", "ed25519"])
def key(request: pytest.FixtureRequest) -> DkimKey:
    algorithm: Algorithm = request.param
    return new_key(DOMAIN, f"{algorithm}2026", algorithm)


@pytest.fixture(scope="module")
def rsa_key() -> DkimKey:
    return new_key(DOMAIN, "digest")


def signer_of(key: DkimKey) -> DkimSigner:
    return DkimSigner.from_pem(key.pem, domain=DOMAIN, selector=key.selector)


def dns(*keys: DkimKey) -> Callable[..., bytes]:
    records = {f"{key.name}.".encode(): key.record.encode() for key in keys}
    return lambda name, timeout=5: records[name]


def signed(*keys: DkimKey, profile: str = "generic", **person: object) -> Envelope:
    own = identity(
        dkim=tuple(map(signer_of, keys)),
        profile=PROFILES[profile],
        bounce_address="b@asianlite.example",
        round_trip=True,
        feedback_sender_id="asianlite",
    )
    return compile_message(ISSUE, own, issue_id=7).envelope(reader(**person), date=NOW)


def covered(envelope: Envelope) -> list[str]:
    header = envelope.message.partition(b"\r\n\r\n")[0].decode()
    field = re.sub(r"\r\n[ \t]+", "", header[: header.index("\r\nDate:")])
    found = re.search(r"; ?h=([^;]+);", field)
    assert found
    return found[1].replace(" ", "").split(":")


@pytest.mark.parametrize("name", ["", "Anna Smith", "Zoë  Ünal, the (very) long name of somebody " * 2])
def test_dkimpy_verifies_a_copy(key: DkimKey, name: str) -> None:
    assert dkim.verify(signed(key, name=name).message, dnsfunc=dns(key))


def test_two_signatures_stand_beside_each_other(key: DkimKey, rsa_key: DkimKey) -> None:
    letter = dkim.DKIM(signed(key, rsa_key).message)
    assert letter.verify(0, dnsfunc=dns(key, rsa_key))
    assert letter.verify(1, dnsfunc=dns(key, rsa_key))


def test_a_copy_for_chosen_sections_and_a_notice_verify_too(key: DkimKey) -> None:
    assert dkim.verify(signed(key, sections=frozenset({"business"})).message, dnsfunc=dns(key))
    notice = compose_notice(
        subject="Bitte bestätigen",
        text="Hallo",
        html="<p>Hallo</p>",
        identity=identity(dkim=(signer_of(key),)),
        address="anna@example.org",
        notice_id=4,
        date=NOW,
    )
    assert dkim.verify(notice.message, dnsfunc=dns(key))


def test_from_is_oversigned_and_both_unsubscribe_headers_are_covered(rsa_key: DkimKey) -> None:
    names = covered(signed(rsa_key))
    assert names.count("from") == 2
    assert {"list-unsubscribe", "list-unsubscribe-post", "subject", "date", "message-id", "to"} <= set(names)
    assert {"feedback-id", "list-id", "content-type", "reply-to"} <= set(names)


@pytest.mark.parametrize(
    ("tampered", "instead"),
    [
        (b"From: Asian Lite", b"From: Mallory <m@evil.example>\r\nFrom: Asian Lite"),
        (b"/u/", b"/x/"),
        (b"List-Unsubscribe=One-Click", b"List-Unsubscribe=One-Clack"),
        (b"Dear", b"Deer"),
        (b"discuss regional", b"discuss global"),
    ],
)
def test_what_is_changed_on_the_way_does_not_verify(key: DkimKey, tampered: bytes, instead: bytes) -> None:
    message = signed(key).message
    assert tampered in message
    assert not dkim.verify(message.replace(tampered, instead, 1), dnsfunc=dns(key))


def test_ses_gets_its_own_headers_unsigned(rsa_key: DkimKey) -> None:
    envelope = signed(rsa_key, profile="ses")
    assert not {"date", "message-id", "return-path", "bounces-to"} & set(covered(envelope))
    message = re.sub(rb"\r\nDate: [^\r]+", b"\r\nDate: Mon, 1 Jan 2029 00:00:00 +0000", envelope.message)
    message = re.sub(rb"\r\nMessage-ID: [^\r]+", b"\r\nMessage-ID: <ses@amazonses.com>", message)
    assert message != envelope.message
    assert dkim.verify(message, dnsfunc=dns(rsa_key))


@pytest.mark.parametrize("provider", ["postmark", "mailgun", "m365", "gmail"])
def test_where_the_relay_signs_we_do_not(rsa_key: DkimKey, provider: str) -> None:
    assert b"DKIM-Signature" not in signed(rsa_key, profile=provider).message


def test_a_copy_that_is_sent_again_has_the_same_signature(key: DkimKey) -> None:
    assert signed(key) == signed(key)


def test_the_record_is_the_keys_and_fits_into_dns(key: DkimKey) -> None:
    assert signer_of(key).record == (key.name, key.record)
    assert all(len(part) <= 255 for part in re.findall(r'"([^"]*)"', key.zone_line))
    assert "".join(re.findall(r'"([^"]*)"', key.zone_line)) == key.record
    assert key.name == f"{key.selector}._domainkey.{DOMAIN}"


@pytest.mark.parametrize(
    "pem", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_key_that_is_none_is_named_and_not_shown(pem: bytes) -> None:
    with pytest.raises(ConfigError, match="no private key") as caught:
        DkimSigner.from_pem(pem, domain=DOMAIN, selector="digest")
    assert "digest dkim new" in caught.value.remedy


@pytest.mark.parametrize("selector", ["", "a b", "a;b", "-a", "a\r\n", "ä"])
def test_a_selector_must_be_part_of_a_name(selector: str) -> None:
    with pytest.raises(ConfigError, match="selector"):
        new_key(DOMAIN, selector, "ed25519")


@pytest.mark.service
@pytest.mark.parametrize("name", ["", "Zoë Ünal"])
def test_opendkim_verifies_a_copy(rsa_key: DkimKey, name: str, tmp_path: Path) -> None:
    program = shutil.which("opendkim") or "/usr/sbin/opendkim"
    if not Path(program).exists():
        required("opendkim")
    records = tmp_path / "records"
    records.write_text(f"{rsa_key.name} {rsa_key.record}\n")
    settings = tmp_path / "opendkim.conf"
    settings.write_text(f"Mode v\nTestDNSData file:{records}\nUserID root\nSyslog no\n")
    for tampered in (False, True):
        letter = tmp_path / "letter.eml"
        message = signed(rsa_key, name=name).message
        letter.write_bytes(message.replace(b"Dear", b"Deer") if tampered else message)
        run = subprocess.run(
            [program, "-x", settings, "-t", letter, "-v", "-v"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        told = run.stdout + run.stderr
        assert "verification" in told, told
        assert ("succeeded" in told) is not tampered, told


def run_new(folder: Path, *arguments: str, run: type) -> subprocess.CompletedProcess[str]:
    (folder / "newsletter.toml").write_text(
        '[newsletter]\nname = "D"\nurl = "https://example.org"\nsender = "D <d@asianlite.example>"\n'
    )
    return run.run("dkim", "new", *arguments, cwd=folder)  # type: ignore[attr-defined, no-any-return]


def test_the_command_makes_a_key_that_only_its_owner_reads(tmp_path: Path, run_digest: type) -> None:
    import json

    done = run_new(tmp_path, "--selector", "s2026", "--json", run=run_digest)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    file = tmp_path / "dkim-s2026.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    signer = DkimSigner.from_pem(file.read_bytes(), domain=DOMAIN, selector=told["selector"])
    assert signer.record == ("s2026._domainkey.asianlite.example", told["record"])
    kept = file.read_bytes()
    again = run_new(tmp_path, "--selector", "s2026", run=run_digest)
    assert again.returncode == 2
    assert "exists" in again.stderr
    assert file.read_bytes() == kept
