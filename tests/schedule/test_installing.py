"""Units and crontab lines: right paths, few rights, and taken by the programs that read them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from digest.pipeline.installing import Program, crontab_lines, program, systemd_unit, unit_name, without_ours
from digest.settings import Settings, load
from tests.conftest import ROOT, required

TOML = """
[newsletter]
name = "Harbour 100 % news"
url = "https://harbour.example"
sender = "daily@harbour.example"
[editions.daily]
schedule = "0 7 * * *"
[editions.weekly]
schedule = "0 9 * * 6"
"""


def newsletter(folder: Path, more: str = "") -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "newsletter.toml").write_text(TOML + more)
    return load(folder)


def verified(unit: str, settings: Settings, folder: Path) -> str:
    """What ``systemd-analyze verify`` has to say of a unit; it asks no running systemd."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        required("systemd-analyze")
        return ""
    path = folder / unit_name(settings)
    path.write_text(unit)
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    ours = [line for line in done.stderr.splitlines() if path.stem in line or path.name in line]
    return "\n".join(ours) + ("" if done.returncode == 0 or not ours else f"\nexit {done.returncode}")


@pytest.mark.service
@pytest.mark.parametrize("name", ["news", "my news", "100 % new$"])
def test_systemd_takes_the_unit(tmp_path: Path, name: str) -> None:
    settings = newsletter(tmp_path / name)
    unit = systemd_unit(settings)
    assert verified(unit, settings, tmp_path) == ""
    assert "schedule run" in unit
    assert "EnvironmentFile=-/etc/default/digest-" in unit


@pytest.mark.service
def test_a_unit_that_is_wrong_would_be_noticed(tmp_path: Path) -> None:
    settings = newsletter(tmp_path / "news")
    wrong = systemd_unit(settings).replace("ExecStart=/", "ExecStart=/nowhere/")
    assert "nowhere" in verified(wrong, settings, tmp_path)


def test_the_unit_may_write_where_the_newsletter_writes_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_DATABASE_URL", "sqlite:////var/lib/harbour/digest.sqlite3")
    bounces = '[bounces]\naddress = "bounce@harbour.example"\nmailbox = "maildir:/var/mail/harbour"\n'
    unit = systemd_unit(newsletter(tmp_path / "news", bounces))
    written = next(line for line in unit.splitlines() if line.startswith("ReadWritePaths="))
    assert written == f"ReadWritePaths={tmp_path}/news /var/lib/harbour /var/mail/harbour"
    assert "ProtectSystem=strict" in unit


def test_the_crontab_fetches_hourly_and_looks_each_five_minutes(tmp_path: Path) -> None:
    lines = crontab_lines(newsletter(tmp_path / "my news")).splitlines()
    jobs = [line for line in lines if not line.startswith("#")]
    assert [line.split()[0] for line in jobs] == ["17", "*/5"]
    assert jobs[0].endswith(" fetch")
    assert jobs[1].endswith(" schedule run --once")
    assert f"-C '{tmp_path}/my news'" in jobs[0]


def test_a_percent_sign_is_no_line_break_to_cron(tmp_path: Path) -> None:
    jobs = [line for line in crontab_lines(newsletter(tmp_path / "100%")).splitlines() if line[0] != "#"]
    assert all(r"/100\%" in line for line in jobs)


def test_installing_again_replaces_our_block_alone(tmp_path: Path) -> None:
    settings = newsletter(tmp_path / "news")
    other = "MAILTO=me\n0 1 * * * backup\n"
    once = other + crontab_lines(settings)
    assert without_ours(once, settings) == other
    assert without_ours(other, settings) == other


def test_the_lines_work_as_cron_starts_them(tmp_path: Path) -> None:
    """From another folder, by /bin/sh, with next to no environment: also from an uninstalled checkout."""
    settings = newsletter(tmp_path / "my news")
    line = crontab_lines(settings).splitlines()[3]
    command = line.split(maxsplit=5)[5].replace(" fetch", " schedule list --json")
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert '"edition": "daily"' in done.stdout


def test_beside_python_there_is_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("python", "digest"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert program() == Program((str(tmp_path / "digest"),))


def test_a_command_that_lies_elsewhere_is_found_as_it_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "digest"
    command.touch()
    command.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(sys, "argv", [str(command), "schedule", "install"])
    assert program() == Program((str(command),))


@pytest.mark.parametrize("installed", [True, False])
def test_run_as_a_module_python_is_named_and_where_the_package_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexit {0 if installed else 1}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(sys, "argv", [str(ROOT / "digest" / "__main__.py"), "schedule"])
    found = program()
    assert found.words == (str(python), "-m", "digest")
    assert found.python_path == ("" if installed else str(ROOT))
    settings = newsletter(tmp_path / "news")
    assert (f"env PYTHONPATH={ROOT}" in crontab_lines(settings)) is not installed
    assert (f"Environment=PYTHONPATH={ROOT}" in systemd_unit(settings)) is not installed


def test_paths_with_spaces_and_signs_are_written_as_systemd_reads_each_key(tmp_path: Path) -> None:
    folder = tmp_path / "5 % off$"
    unit = systemd_unit(newsletter(folder))
    shown = str(folder).replace("%", "%%")
    assert f"\nWorkingDirectory={shown}\n" in unit  # neither quoted nor unescaped there
    assert f'\nReadWritePaths="{shown}"\n' in unit
    assert f'-C "{shown.replace("$", "$$")}" schedule run\n' in unit
