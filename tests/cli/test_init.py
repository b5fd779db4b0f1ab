"""``digest init`` when the site cannot be read: a newsletter is made all the same."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from digest.cli.edge import run
from tests.conftest import free_port


@pytest.mark.parametrize("option", ["--url", "--feed"])
def test_a_site_that_does_not_answer_is_a_warning_and_a_comment_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    address = f"http://127.0.0.1:{free_port()}/news"
    folder = tmp_path / "n"
    assert run(["init", str(folder), "--name", "N", option, address]) == 0
    said = capsys.readouterr()
    warning = " ".join(said.err.split())
    assert "127.0.0.1" in warning
    assert "that source as a comment" in warning
    text = (folder / "newsletter.toml").read_text()
    assert "sources" not in tomllib.loads(text)
    commented = text.split("# could not be read")[1].split("\n\n")[0].splitlines()[1:]
    [source] = tomllib.loads("\n".join(line.removeprefix("# ") for line in commented))["sources"]
    assert source == {"name": "127-0-0-1", "url": address}
