"""newsletter.toml, .env and the environment: what is right is read, what is wrong is named."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from digest.errors import ConfigError
from digest.settings import find_folder, load
from digest.settings.parts import Rate, format_duration, parse_duration, parse_rates, slug, split_mailbox

MINIMAL = """
[newsletter]
name = "The Harbour"
url = "https://harbour.example"
sender = "The Harbour <daily@harbour.example>"
"""

FULL = (
    MINIMAL
    + """
reply_to = "desk@harbour.example"
postal_address = "1 Quay Street"
language = "en"
timezone = "Asia/Dubai"
editors = ["editor@harbour.example"]

[smtp]
host = "127.0.0.1"
port = 2525
provider = "generic"
connections = 8
starttls = "required"
rate = ["10/s", "20000/day"]

[bounces]
address = "bounce@harbour.example"
mailbox = "imaps://user@host/INBOX"

[[sources]]
name = "harbour"
url = "https://harbour.example/feed/"
kind = "feed"
full_text = "auto"
weight = 1.0
images = "link"
allow_private = false
front_page = "https://harbour.example/"

[[sections]]
key = "arab-news"
name = "Arab News"
match = ["Arab News", "Middle East"]
match_url = "/arab/"
max = 5
min = 0
layout = "cards"
weight = 1.0

[dont_miss]
count = 4
max_age = "7d"
exclude = ["horoscope"]

[ranking]
half_life = "24h"

[editions.daily]
list = "daily"
schedule = "0 7 * * *"
sections = ["arab-news"]
min_articles = 3
min_articles_action = "skip"
max_age = "36h"
late = "3h"
in_doubt = "resend"
expire_after = "20h"
approve = false
send_at = "07:30"
ledger = "daily"
template = "daily"
subject = "{{ lead.headline }}"

[theme]
light = { accent = "#aa3300" }
[links]
append = "utm_source=newsletter"
own_domains = ["harbour.example"]
[retention]
articles = "400d"
deliveries = "90d"
[web]
trusted_proxies = []
"""
)


def written(folder: Path, text: str) -> Path:
    (folder / "newsletter.toml").write_text(text, encoding="utf-8")
    return folder


def test_every_key_of_the_contract_is_accepted(tmp_path: Path) -> None:
    settings = load(written(tmp_path, FULL))
    daily = settings.edition("daily")
    assert daily.own.late == timedelta(hours=3)
    assert daily.timezone == "Asia/Dubai"
    assert [section.key for section in daily.sections] == ["arab-news"]
    assert settings.file.smtp.rate == (Rate(10, 1), Rate(20000, 86400))
    assert settings.file.theme.light_palette.accent == "#aa3300"
    assert settings.file.sections[0].match_url == ["/arab/"]


def test_an_edition_inherits_from_the_newsletter(tmp_path: Path) -> None:
    daily = load(written(tmp_path, MINIMAL + "[editions.daily]\n")).edition("daily")
    assert (daily.list_name, daily.ledger, daily.language) == ("daily", "daily", "en")
    assert (daily.sender_name, daily.sender_address) == ("The Harbour", "daily@harbour.example")


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("[[sections]]\nname = 'X'\nmaks = 3", r"sections\[X\]\.maks: no such key; did you mean max\?"),
        ("[smpt]\nhost = 'x'", r"smpt: no such key; did you mean smtp\?"),
        ("[smtp]\nport = 99999", r"smtp\.port = 99999: .*less than or equal to 65535"),
        ("[smtp]\nrate = 'fast'", r'smtp\.rate = \'fast\': give "10/s"'),
        (
            "[editions.daily]\nmax_age = '36 hours'",
            r"editions\.daily\.max_age = '36 hours': give a number and",
        ),
        ("[editions.daily]\nlate = 'soon'", r"editions\.daily\.late = 'soon': .*\"always\" or \"ask\""),
        (
            "[editions.daily]\nin_doubt = 'maybe'",
            r"editions\.daily\.in_doubt = 'maybe': .*'resend' or 'hold'",
        ),
        ("[editions.daily]\ntimezone = 'Asia/Dubay'", r"did you mean Asia/Dubai\?"),
        ("[[sections]]\nkey='arab'\nname='A'\n[editions.d]\nsections=['arb']", r"did you mean 'arab'\?"),
        ("[[sections]]\nname = 'A'\n[[sections]]\nname = 'A'", r"two of the sections are named 'a'"),
        ("[[sections]]\nname = 'A'\nmin = 9", r"min \(9\) is more than max \(5\)"),
        ("[editions.daily]\nmore = false", r"editions\.daily prints nothing: it has no sections, and more"),
        (
            "[[sections]]\nname = 'A'\n[editions.daily]\nsections = []\nmore = false",
            r"editions\.daily prints nothing",
        ),
        ("[theme]\nlight = { accent = 'red' }", r"theme\.light\.accent = 'red'"),
        ("[[sources]]\nname = 'x'", r"sources\[x\]\.url: is required"),
        ("x = [", r"newsletter\.toml: .*document"),
    ],
)
def test_a_wrong_value_names_file_key_value_and_what_is_allowed(
    tmp_path: Path, added: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(written(tmp_path, MINIMAL + added))
    assert str(tmp_path / "newsletter.toml") in str(caught.value)


def test_an_unknown_edition_names_the_nearest(tmp_path: Path) -> None:
    settings = load(written(tmp_path, MINIMAL + "[editions.daily]\n"))
    with pytest.raises(ConfigError, match="dayly") as caught:
        settings.edition("dayly")
    assert "did you mean 'daily'?" in caught.value.remedy


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = written(tmp_path, MINIMAL) / ".env"
    env.write_text("DIGEST_PUBLIC_URL=https://file.example/\nDIGEST_SECRET_KEY=0123456789abcdef0123\n")
    env.chmod(0o600)
    assert load(tmp_path).public_url == "https://file.example"
    monkeypatch.setenv("DIGEST_PUBLIC_URL", "https://environment.example")
    assert load(tmp_path).public_url == "https://environment.example"
    assert load(tmp_path).token_keys == (b"0123456789abcdef0123",)


def test_an_env_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    env = written(tmp_path, MINIMAL) / ".env"
    env.write_text("DIGEST_SECRET_KEY=0123456789abcdef0123\n")
    env.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read") as caught:
        load(tmp_path)
    assert caught.value.remedy.startswith("chmod 600")


def test_secrets_are_never_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SECRET_KEY", "a-very-secret-key-0123456789")
    monkeypatch.setenv("DIGEST_SMTP_URL", "smtp://user:hunter2hunter2@host")
    settings = load(written(tmp_path, MINIMAL))
    shown = f"{settings!r} {settings} {settings.environment!r} {settings.environment.model_dump()}"
    assert "very-secret" not in shown
    assert "hunter2" not in shown


def test_a_missing_key_says_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIGEST_SECRET_KEY", raising=False)
    with pytest.raises(ConfigError, match="DIGEST_SECRET_KEY is not set") as caught:
        _ = load(written(tmp_path, MINIMAL)).token_keys
    assert "digest init" in caught.value.remedy


def test_old_token_keys_follow_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SECRET_KEY", "new-key-0123456789, old-key-0123456789")
    assert load(written(tmp_path, MINIMAL)).token_keys == (b"new-key-0123456789", b"old-key-0123456789")


def test_the_folder_is_the_nearest_parent_with_a_newsletter(tmp_path: Path) -> None:
    written(tmp_path, MINIMAL)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_folder(inner) == tmp_path
    with pytest.raises(ConfigError, match=r"no newsletter\.toml"):
        find_folder(Path("/nowhere/at/all"))


def test_the_database_stands_in_the_folder_unless_said_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, MINIMAL)
    assert load(tmp_path).database_url == f"sqlite:///{tmp_path}/digest.sqlite3"
    monkeypatch.setenv("DIGEST_DATABASE_URL", "postgresql://u:p@h/n")
    assert load(tmp_path).database_url == "postgresql://u:p@h/n"


@pytest.mark.parametrize("text", ["45s", "90min", "36h", "7d", "2w"])
def test_durations_come_back_as_they_were_written(text: str) -> None:
    assert parse_duration(format_duration(parse_duration(text))) == parse_duration(text)


def test_rates_and_mailboxes_and_keys() -> None:
    assert parse_rates("unlimited") == ()
    assert parse_rates(["10/s", "20000/day"]) == (Rate(10, 1), Rate(20000, 86400))
    assert split_mailbox('"The Harbour" <daily@harbour.example>') == ("The Harbour", "daily@harbour.example")
    assert slug("Arab News & Views") == "arab-news-views"
    assert slug("भारत") == "भारत"
