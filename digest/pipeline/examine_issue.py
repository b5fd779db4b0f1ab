"""The preflight of one issue: render it, put a copy together, ask the links if wanted, run the rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session, sessionmaker

from digest.checks import Finding, IssueUnderCheck, Level, examine
from digest.errors import ConfigError, PreflightFailed, RenderError
from digest.issues.drafts import load_draft
from digest.pipeline.asking import AskLink, AskPicture, ask_all
from digest.pipeline.render import render_issue
from digest.pipeline.templates import templates_of
from digest.rendering.theme import contrasts_of
from digest.settings import Settings
from digest.values import Draft, Progress, Recipient, RenderedIssue, Silent

if TYPE_CHECKING:
    from subscribers.tokens import TokenSigner

# The largest values that are likely, so that what fits for this person fits for all.
_SAMPLE = "W" * 36


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
    ask_picture: AskPicture | None = None,
    progress: Progress | None = None,
) -> Examination:
    """Examine a stored issue as it would be rendered now.

    :param signer: makes the links of the sample copy; None: the headers are not examined.
    :param ask_link: tells the state of a story's link; None: links are only read.
    :param ask_picture: the same of a picture that is printed.
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
    found = _under_check(draft, rendered, settings, headers, fault)
    progress = progress or Silent()
    if ask_link is not None:
        stories = (item.url for item in draft.items if item.url.startswith("http"))
        found = replace(found, links=ask_all(stories, ask_link, progress, "links"))
    if ask_picture is not None:
        printed = (image.src for image in found.page.images if image.src.startswith("http"))
        found = replace(found, pictures=ask_all(printed, ask_picture, progress, "pictures"))
    return Examination(issue_id, tuple(examine(found)))


def _under_check(
    draft: Draft,
    rendered: RenderedIssue,
    settings: Settings,
    headers: tuple[tuple[str, str], ...] | None,
    fault: str,
) -> IssueUnderCheck:
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
        logos=tuple(logo for logo in (settings.file.theme.logo, settings.file.theme.logo_dark) if logo),
        sources={
            name: templates.source(name)
            for folder in folders
            for name in (*templates.own_files(folder), *templates.files(folder))
        },
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
