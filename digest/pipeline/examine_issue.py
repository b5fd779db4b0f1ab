"""The preflight of one issue: render it, put a copy together, ask the links if wanted, run the rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session, sessionmaker

from digest.checks import Finding, IssueUnderCheck, Level, LinkState, examine
from digest.errors import ConfigError, PreflightFailed, RenderError, SourceError
from digest.issues.drafts import load_draft
from digest.pipeline.render import render_issue
from digest.pipeline.templates import templates_of
from digest.rendering.theme import contrasts_of
from digest.settings import Settings
from digest.values import Draft, Progress, Recipient, RenderedIssue, Silent

if TYPE_CHECKING:
    from digest.sources.http import Http
    from subscribers.tokens import TokenSigner

AskLink = Callable[[str], LinkState]
# The largest values that are likely, so that what fits for this person fits for all.
_SAMPLE = "W" * 36
_LINKS_AT_ONCE = 8
_ANSWERED = re.compile(r"the server answers (\d{3})")


@dataclass(frozen=True, slots=True)
class Examination:
    """What the preflight found of an issue."""

    issue_id: int
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> list[Finding]:
        """What stops the sending."""
        return [finding for finding in self.findings if finding.level is Level.ERROR]

    @property
    def warnings(self) -> list[Finding]:
        """What does not."""
        return [finding for finding in self.findings if finding.level is Level.WARNING]

    def as_json(self) -> dict[str, object]:
        """``{"issue", "errors": [{rule, message, where}], "warnings": […]}``."""

        def entry(finding: Finding) -> dict[str, str]:
            return {"rule": finding.rule, "message": finding.message, "where": finding.where}

        return {
            "issue": self.issue_id,
            "errors": [entry(finding) for finding in self.errors],
            "warnings": [entry(finding) for finding in self.warnings],
        }


def examine_issue(
    readers: sessionmaker[Session],
    settings: Settings,
    issue_id: int,
    signer: TokenSigner | None,
    *,
    now: datetime,
    ask_link: AskLink | None = None,
    progress: Progress | None = None,
) -> Examination:
    """Examine a stored issue as it would be rendered now.

    :param signer: makes the links of the sample copy; None: the headers are not examined.
    :param ask_link: tells the state of a story's link; None: links are only read.
    :raises UnknownIssue: there is no such issue.
    """
    with readers() as session:
        draft = load_draft(session, settings, issue_id)
    try:
        rendered = render_issue(draft, settings)
    except (RenderError, ConfigError) as error:
        # What cannot be rendered is a finding, not the end of the preflight: editors see one list.
        rule = "contrast" if isinstance(error, ConfigError) else "render"
        where = f"{error.template}:{error.line}" if isinstance(error, RenderError) and error.line else ""
        return Examination(issue_id, (Finding(rule, Level.ERROR, str(error), where),))
    headers: tuple[tuple[str, str], ...] | None = None
    fault = ""
    if signer is not None:
        try:
            with readers() as session:
                headers = _sample_headers(session, settings, issue_id, rendered, signer, now)
        except (ConfigError, ValueError) as error:
            fault = str(error)
    links: dict[str, LinkState] = {}
    if ask_link is not None:
        theme = settings.file.theme
        logos = [logo for logo in (theme.logo, theme.logo_dark) if logo]
        links = _ask(draft, logos, ask_link, progress or Silent())
    return Examination(
        issue_id,
        tuple(examine(under_check(draft, rendered, settings, headers=headers, fault=fault, links=links))),
    )


def under_check(
    draft: Draft,
    rendered: RenderedIssue,
    settings: Settings,
    *,
    headers: tuple[tuple[str, str], ...] | None = None,
    fault: str = "",
    links: dict[str, LinkState] | None = None,
) -> IssueUnderCheck:
    """A rendered issue as the rules look at it (the preview runs them on unsaved edits, too)."""
    base = settings.public_url or "https://public-url-is-not-set.invalid"
    values = {
        "unsubscribe_url": f"{base}/u/{_SAMPLE}",
        "preferences_url": f"{base}/p/{_SAMPLE}",
        "view_url": draft.archive_url,
    }
    templates = templates_of(settings)
    folders = (draft.template, "parts")
    return IssueUnderCheck(
        draft=draft,
        rendered=rendered,
        html=rendered.html_for(values),
        text=rendered.text_for(values),
        contrasts={
            f"{pair.scheme}: {pair.text} on {pair.ground}": pair.ratio
            for pair in contrasts_of(settings.file.theme)
        },
        headers=headers,
        header_fault=fault,
        links=links or {},
        sources={name: templates.source(name) for folder in folders for name in templates.files(folder)},
    )


def require_sound(examination: Examination) -> None:
    """Raises ``PreflightFailed`` that names the first error and how many more there are."""
    errors = examination.errors
    if not errors:
        return
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    where = f" ({first.where})" if first.where else ""
    raise PreflightFailed(
        f"issue {examination.issue_id}: {first.rule}: {first.message}{where}{more}",
        remedy=f"`digest issue check {examination.issue_id}` shows all; --force sends in spite of them",
    )


def ask_through(http: Http) -> AskLink:
    """Asks links by the safe fetcher: checked addresses, total deadlines, few bytes."""
    from digest.sources.http import Gone, Request, RetryLater

    def ask(url: str) -> LinkState:
        try:
            return LinkState(http.get(Request(url=url, max_body=2048, head_only=True, deadline=20.0)).status)
        except Gone as error:
            return LinkState(410, str(error))
        except RetryLater:
            return LinkState(200)  # it answers, only not to programs in a hurry
        except SourceError as error:
            answered = _ANSWERED.search(str(error))
            return LinkState(int(answered[1]) if answered else 0, str(error))

    return ask


def _ask(draft: Draft, logos: list[str], ask: AskLink, progress: Progress) -> dict[str, LinkState]:
    stories = [item.url for item in draft.items if item.url.startswith("http")]
    urls = list(dict.fromkeys([*stories, *logos]))
    progress.start("links", len(urls))
    found: dict[str, LinkState] = {}
    with ThreadPoolExecutor(_LINKS_AT_ONCE) as pool:
        for url, state in zip(urls, pool.map(ask, urls), strict=True):
            found[url] = state
            progress.advance("links")
    progress.finish("links")
    return found


def _sample_headers(
    session: Session,
    settings: Settings,
    issue_id: int,
    rendered: RenderedIssue,
    signer: TokenSigner,
    now: datetime,
) -> tuple[tuple[str, str], ...]:
    from digest.pipeline.composing import template_of

    template = template_of(session, settings, issue_id, rendered, signer)
    person = Recipient(subscriber_id=1, subscription_id=1, address="reader@example.org", name="A Reader")
    return headers_of(template.envelope(person, date=now).message)


def headers_of(message: bytes) -> tuple[tuple[str, str], ...]:
    """The header block of a message, in order, as it stands on the wire."""
    from email import policy
    from email.parser import BytesHeaderParser

    parsed = BytesHeaderParser(policy=policy.compat32).parsebytes(message.partition(b"\r\n\r\n")[0])
    return tuple((name, str(value)) for name, value in parsed.items())
