"""The public pages under load: one process, and ``wrk`` on the same machine, over loopback.

``wrk`` (a Debian package) posts one-click requests to different tokens and reads an archive page of about
60 KB, with and without its ETag. Figures are of server and load generator together on the cores there are;
CPU seconds are the server's own. Arguments: seconds of each round (5), readers (20000), connections (64).
With ``DIGEST_DATABASE_URL`` set it runs on that database, else on SQLite.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

from digest.app import App
from digest.clock import SystemClock
from digest.models import IssueRow, IssueStatus, RenditionRow
from digest.settings import load
from subscribers.addresses import parse_address
from subscribers.membership import How, subscribe
from subscribers.membership.lists import create_list
from subscribers.models import ConsentMethod
from subscribers.suppression import SuppressionKey
from subscribers.tokens import Purpose

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
ONE_CLICK = """
local file = io.open("{tokens}", "r")
local tokens = {{}}
for line in file:lines() do tokens[#tokens + 1] = line end
local each = math.floor(#tokens / {threads})
local started = 0
function setup(thread) thread:set("first", started * each); started = started + 1 end
local at = 0
function request()
  local token = tokens[first + at % each + 1]
  at = at + 1
  return wrk.format("POST", "/u/" .. token, {{["Content-Type"] = "application/x-www-form-urlencoded"}},
    "List-Unsubscribe=One-Click")
end
"""


def newsletter(folder: Path, readers: int) -> list[str]:
    """A newsletter with so many readers and a sent issue; the readers' unsubscribe tokens."""
    (folder / "newsletter.toml").write_text(
        '[newsletter]\nname = "Bench"\nurl = "https://bench.example"\nsender = "d@bench.example"\n'
        "[editions.daily]\n"
    )
    app = App(load(folder), SystemClock())
    key = SuppressionKey(app.settings.suppression_key)
    now = datetime.now(UTC)
    how = How(ConsentMethod.COMMAND)
    tokens = []
    with app.sessions.begin() as session:
        mailing_list = create_list(session, "daily", now=now)
        for number in range(readers):
            address = parse_address(f"reader{number}@bench.example")
            joined = subscribe(session, address, mailing_list, key, now=now, how=how, confirmed=True)
            tokens.append(app.signer.sign(Purpose.UNSUBSCRIBE, joined.subscription_id))
        issue = IssueRow(
            edition="daily",
            date=date(2026, 11, 20),
            status=IssueStatus.SENT,
            ledger="daily",
            list_name="daily",
            language="en",
            timezone="UTC",
            subject="An issue",
            preheader="",
            built_at=now,
            sent_at=now,
        )
        session.add(issue)
        session.flush()
        html = "<!doctype html><html lang=en><head><title>t</title></head><body>" + "<p>Story</p>" * 5000
        session.add(
            RenditionRow(
                issue_id=issue.id,
                subject="An issue",
                preheader="",
                language="en",
                html=[{"text": html + "</body></html>"}],
                text=[{"text": "An issue"}],
                at=now,
            )
        )
    app.close()
    return tokens


class Served:
    """``digest serve`` as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "digest", "serve", "--port", "0", "--json"],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._process.stdout is not None
        told = json.JSONDecoder().raw_decode(_document(self._process.stdout))[0]
        self.url = str(told["url"])

    def cpu(self) -> float:
        """User and system seconds so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> float:
        """The most MiB so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)


def _document(lines: object) -> str:
    text = ""
    for line in lines:  # type: ignore[attr-defined]
        text += line
        if line.strip() == "}" or (line.startswith("{") and line.rstrip().endswith("}")):
            break
    return text


def round_of(served: Served, what: str, path: str, *more: str, seconds: int, connections: int) -> None:
    """Run ``wrk`` and print a line."""
    cpu = served.cpu()
    done = subprocess.run(
        ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--latency", *more, served.url + path],
        capture_output=True,
        text=True,
        check=True,
    )
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])  # type: ignore[index]
    total = int(re.search(r"(\d+) requests in", done.stdout)[1])  # type: ignore[index]
    slow = re.search(r"99%\s+(\S+)", done.stdout)[1]  # type: ignore[index]
    wrong = re.findall(r"(?:Non-2xx or 3xx responses|Socket errors).*", done.stdout)
    used = (served.cpu() - cpu) / total * 1e6
    print(
        f"{what:28} {rate:8.0f}/s  99 %: {slow:>9}  server CPU {used:5.0f} µs  "
        f"{served.memory():4.0f} MiB  {'; '.join(wrong) or 'no error'}",
        flush=True,
    )


def main() -> None:
    """Print a table."""
    seconds, readers, connections = (
        int(sys.argv[place]) if len(sys.argv) > place else usual
        for place, usual in ((1, 5), (2, 20_000), (3, 64))
    )
    os.environ |= {"DIGEST_SECRET_KEY": "k" * 32, "DIGEST_SUPPRESSION_KEY": "s" * 32}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokens = folder / "tokens"
        tokens.write_text("\n".join(newsletter(folder, readers)))
        script = folder / "one_click.lua"
        script.write_text(ONE_CLICK.format(tokens=tokens, threads=2))
        served = Served(folder)
        issue = "/archive/daily/2026-11-20"
        try:
            import urllib.request

            with urllib.request.urlopen(served.url + issue) as answer:
                etag = answer.headers["ETag"]
                print(f"one archive page: {len(answer.read()) / 1000:.0f} KB; load: {os.getloadavg()[0]:.1f}")
            given = {"seconds": seconds, "connections": connections}
            round_of(served, "one-click POST", "/", "-s", str(script), **given)
            round_of(served, "one-click POST again", "/", "-s", str(script), **given)
            round_of(served, "archive page, has its ETag", issue, "-H", f"If-None-Match: {etag}", **given)
            round_of(served, "archive page, whole", issue, **given)
            round_of(served, "archive list", "/archive", **given)
            round_of(served, "search", "/archive/search?q=issue", **given)
            round_of(served, "sign-up page", "/subscribe", **given)
        finally:
            served.close()


if __name__ == "__main__":
    main()
