"""Keys and passwords stay where they are: no error, log or JSON shows one, and no file is open to others."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.conftest import Runner, free_port

PASSWORD = "hunter2hunter2"
KEYS = ("a-token-key-0123456789abcdef", "a-suppression-key-0123456789")

# One prepared newsletter for all of them.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("secrets")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A newsletter with one story, whose mail server and mailbox nobody answers."""
    made = tmp_path_factory.mktemp("secrets")
    (made / "stories").mkdir()
    for number in range(3):
        (made / f"stories/{number}.md").write_text(
            f"---\ntitle: Story number {number} of the day\nsection: News\n---\nText of it, enough to read.\n"
        )
    dead = free_port()
    (made / "newsletter.toml").write_text(
        '[newsletter]\nname = "N"\nurl = "https://n.example"\nsender = "d@n.example"\n'
        'postal_address = "1 Pier"\n[[sources]]\nname = "desk"\nurl = "stories"\n'
        '[[sections]]\nname = "News"\n'
        f'[editions.daily]\n[bounces]\naddress = "b@n.example"\nmailbox = "imap://u@127.0.0.1:{dead}/INBOX"\n'
    )
    env = made / ".env"
    env.touch(mode=0o600)
    env.write_text(
        f"DIGEST_SECRET_KEY={KEYS[0]}\nDIGEST_SUPPRESSION_KEY={KEYS[1]}\n"
        f"DIGEST_PUBLIC_URL=http://127.0.0.1:{dead}\nDIGEST_MAILBOX_PASSWORD={PASSWORD}\n"
        f"DIGEST_SMTP_URL=smtp://user:{PASSWORD}@127.0.0.1:{dead}?starttls=never\n"
    )
    for command in (
        ["fetch"],
        ["issue", "build", "daily"],
        ["lists", "create", "daily"],
        ["subscribers", "add", "ada@readers.example"],
    ):
        done = Runner.run(*command, cwd=made)
        assert done.returncode == 0, done.stderr
    return made


@pytest.mark.parametrize(
    "command",
    [
        ["-v", "send", "daily@latest"],
        ["-v", "doctor", "--json"],
        ["-v", "bounces", "process"],
        ["-v", "issue", "show", "daily@latest", "--json"],
    ],
    ids=" ".join,
)
def test_what_a_command_says_holds_no_secret(folder: Path, command: list[str]) -> None:
    done = Runner.run(*command, cwd=folder)
    said = done.stdout + done.stderr
    assert said
    assert "Traceback" not in said
    for secret in (PASSWORD, *KEYS):
        assert secret not in said


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://digest:{PASSWORD}@127.0.0.1:1/news",
        f"postgresql://digest:{PASSWORD}@[nonsense/news",
        f"nosuch://digest:{PASSWORD}@host/news",
    ],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(folder: Path, url: str) -> None:
    done = Runner.run("-v", "issue", "list", cwd=folder, DIGEST_DATABASE_URL=url)
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_all_that_holds_people_or_keys_is_its_owners_alone(folder: Path) -> None:
    for command in (
        ["db", "backup", "copy.sqlite3"],
        ["subscribers", "export", "people.csv"],
        ["dkim", "new"],
        ["send", "daily@latest", "--dry-run", "copies"],
    ):
        done = Runner.run(*command, cwd=folder)
        assert done.returncode == 0, done.stderr
    private = [
        *folder.glob("*.sqlite3*"),
        folder / ".env",
        folder / "people.csv",
        *folder.glob("*.pem"),
        *(folder / "copies").rglob("*.eml"),
    ]
    assert len(private) >= 6
    for file in private:
        if not file.name.endswith(".lock"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
