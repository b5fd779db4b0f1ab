"""What rendering costs: compile once an issue, then merge per recipient; against rendering for each.

    python benchmarks/render.py

CPU time of this process; the median of several rounds. Aims: compile ≤ 10 ms an issue of 40 stories,
merge ≤ 15 µs a recipient with section variants, ratio to rendering per recipient ≥ 500.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from digest.mail import Identity, compile_message, profile_of
from digest.rendering import render
from digest.settings.model import Theme
from digest.values import Recipient
from subscribers.tokens import TokenSigner
from tests.rendering.drafts import html_of, paper

ROUNDS = 30
COPIES = 20_000


def cpu(action: Callable[[], object], rounds: int) -> float:
    """Median seconds of CPU of one call."""
    spent = []
    for _ in range(rounds):
        before = time.process_time()
        action()
        spent.append(time.process_time() - before)
    return statistics.median(spent)


def main() -> None:
    draft = paper(sections=5, each=7, pictures=True)
    theme = Theme()
    rendered = render(draft, theme)
    stories = sum(item.kind == "story" for item in draft.items)
    size = len(html_of(rendered).encode())
    print(f"issue: {stories} stories, {size / 1000:.1f} KB of HTML, notes {list(rendered.notes)}")

    # Drafts differ, so that nothing is remembered of the one before.
    drafts = iter([paper(sections=5, each=7, number=number) for number in range(1, ROUNDS + 1)])
    compile_ = cpu(lambda: render(next(drafts), theme), ROUNDS)
    print(f"compile: {compile_ * 1000:.2f} ms an issue (aim 10)")

    signer = TokenSigner([b"0123456789abcdef0123456789abcdef"])
    identity = Identity(
        sender_name="The Creek Courier", sender_address="daily@paper.example", list_name="daily",
        list_title="The Daily", edition="daily", public_url="https://news.example", signer=signer,
        profile=profile_of("127.0.0.1", None),
    )  # fmt: skip
    template = compile_message(rendered, identity, issue_id=7)
    choices = [None, frozenset({"s0", "s2"}), frozenset({"s1"}), frozenset({"s0", "s1", "s3", "s4"})]
    people = [
        Recipient(
            subscriber_id=number,
            subscription_id=number,
            address=f"reader{number}@example.org",
            sections=choices[number % 4],
        )
        for number in range(1, COPIES + 1)
    ]
    at = datetime(2026, 11, 23, 4, tzinfo=UTC)
    for person in people[:8]:
        template.envelope(person, date=at)

    def merge() -> None:
        for person in people:
            template.envelope(person, date=at)

    merge_ = cpu(merge, 5) / COPIES
    print(f"merge: {merge_ * 1e6:.1f} µs a copy with section variants (aim 15)")

    # What a copy would cost without fragments: rendered, encoded and put together for each reader.
    drafts = iter([paper(sections=5, each=7, number=number) for number in range(1, ROUNDS + 1)])

    def one_by_one() -> None:
        compile_message(render(next(drafts), theme), identity, issue_id=7).envelope(people[0], date=at)

    each = cpu(one_by_one, ROUNDS)
    print(
        f"rendered for one recipient alone: {each * 1000:.2f} ms, {each / merge_:.0f} times as much (aim 500)"
    )


if __name__ == "__main__":
    main()
