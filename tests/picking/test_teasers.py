"""Teasers: every case of the shared samples, and the oddities that they do not hold."""

from __future__ import annotations

import json
from pathlib import Path

from digest.picking.teasers import clean, cut

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "ingest" / "teasers.jsonl"


def test_every_shared_case_is_cleaned_and_cut_as_expected(test_data: Path) -> None:
    wrong = []
    for line in (test_data / "ingest" / "teasers.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if case["kind"] == "clean":
            got = clean(case["text"], title=case["title"])
        else:
            got = cut(case["text"], case["max_chars"], case["lang"])
        if got != case["expect"]:
            wrong.append((case["id"], got, case["expect"]))
    assert wrong == []
