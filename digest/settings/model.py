"""What newsletter.toml may say: one pydantic model a table; unknown keys are errors.

Keys that later versions use are accepted and validated already. Nothing secret is here: secrets
come from the environment or ``.env`` (``digest.settings.secrets``).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from digest.settings.parts import (
    Colour,
    Duration,
    HttpUrl,
    Key,
    LanguageTag,
    Mailbox,
    Rates,
    Zone,
    as_list,
    slug,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
Provider = Literal["generic", "postfix", "ses", "postmark", "mailgun", "m365", "gmail"]
StartTls = Literal["required", "optional", "never"]
Layout = Literal["cards", "list", "compact", "opinion"]
Texts = Annotated[list[str], BeforeValidator(as_list)]


class Part(BaseModel):
    """Base of all tables: frozen, and a key that nobody knows is an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        defer_build=True,  # only what is asked is built, and a part inside another not twice
    )


class Newsletter(Part):
    """``[newsletter]``: who publishes."""

    name: str = Field(min_length=1, max_length=200)
    url: HttpUrl
    sender: Mailbox
    reply_to: Mailbox | None = None
    postal_address: str = ""
    language: LanguageTag = "en"
    timezone: Zone = "UTC"
    editors: list[Mailbox] = []


class Smtp(Part):
    """``[smtp]``: where mail goes. User and password come from ``DIGEST_SMTP_URL`` only."""

    host: str = "127.0.0.1"
    port: int = Field(default=2525, ge=1, le=65535)
    provider: Provider | None = None
    connections: int | None = Field(default=None, ge=1, le=256)
    starttls: StartTls | None = None
    rate: Rates | None = None
    domain_rate: Rates | None = None
    messages_per_connection: int = Field(default=1000, ge=1)
    timeout: Duration = timedelta(seconds=60)
    dot_timeout: Duration = timedelta(minutes=10)
    helo: str | None = None
    ca_file: str | None = None
    oauth_token_command: list[str] | None = None
    precedence: Literal["bulk", "list", "none"] = "none"
    auto_submitted: bool = True
    feedback_sender_id: str = ""


class Dkim(Part):
    """``[dkim]``: sign copies ourselves; off where the relay signs."""

    domain: str
    selector: str = "digest"
    key_file: str
    algorithm: Literal["rsa", "ed25519"] = "rsa"


class Bounces(Part):
    """``[bounces]``: the mailbox in which reports arrive."""

    address: Mailbox
    mailbox: str
    poll: Duration = timedelta(minutes=5)
    soft_after: int = Field(default=4, ge=1)
    soft_over: Duration = timedelta(days=10)
    pause_bounce_rate: float = Field(default=0.02, ge=0, le=1)
    pause_complaint_rate: float = Field(default=0.001, ge=0, le=1)
    after: Literal["delete", "move", "keep"] = "delete"


class Source(Part):
    """``[[sources]]``: where articles come from."""

    name: Key
    url: str = Field(min_length=1)
    kind: Literal["auto", "feed", "wordpress", "site", "article", "sitemap", "folder"] = "auto"
    full_text: Literal["auto", "always", "never"] = "auto"
    weight: float = Field(default=1.0, gt=0, le=100)
    images: Literal["own", "link", "none"] = "link"  # own: print only those on [links] own_domains
    allow_private: bool = False
    front_page: HttpUrl | None = None
    section: str | None = None
    language: LanguageTag | None = None
    label: str = ""
    refresh: Duration = HOUR
    title: str = ""


class Section(Part):
    """``[[sections]]``: a named group of stories; matching ignores case and accents."""

    key: Key
    name: str = Field(min_length=1)
    match: Texts = []
    match_url: Texts = []
    match_title: Texts = []
    max: int = Field(default=5, ge=1, le=100)
    min: int = Field(default=0, ge=0)
    layout: Layout = "cards"
    weight: float = Field(default=1.0, gt=0, le=100)

    @model_validator(mode="before")
    @classmethod
    def _key_from_name(cls, values: object) -> object:
        if isinstance(values, dict) and "key" not in values and isinstance(values.get("name"), str):
            return {**values, "key": slug(values["name"])}
        return values

    @model_validator(mode="after")
    def _min_fits(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is more than max ({self.max})")
        return self

    @property
    def categories(self) -> list[str]:
        """What is matched against an article's categories: ``match``, else the section's own name
        (unless the section is matched by address or title only)."""
        return self.match or ([] if self.match_url or self.match_title else [self.name])


class DontMiss(Part):
    """``[dont_miss]``: the picks from across the paper."""

    count: int = Field(default=4, ge=0, le=20)
    max_age: Duration = 7 * DAY
    half_life: Duration = 96 * HOUR
    exclude: Texts = []
    title: str = ""


class Ranking(Part):
    """``[ranking]``: the numbers of the score (docs/picking.md)."""

    half_life: Duration = DAY
    cluster: float = Field(default=0.5, ge=0, le=10)
    diversity: float = Field(default=0.7, ge=0, le=1)
    repeat: float = Field(default=0.6, gt=0, le=1)
    prominence: float = Field(default=0.5, ge=0, le=10)
    sticky: float = Field(default=1.5, gt=0, le=10)
    per_source: int = Field(default=2, ge=1)
    embargo_tolerance: Duration = timedelta(minutes=15)


class Teasers(Part):
    """``[teasers]``: lengths in code points."""

    lead: int = Field(default=280, ge=40, le=1000)
    first: int = Field(default=200, ge=40, le=1000)
    story: int = Field(default=160, ge=40, le=1000)
    dont_miss: int = Field(default=110, ge=40, le=1000)


class Edition(Part):
    """``[editions.NAME]``: the standing product. What is None is the newsletter's own."""

    list_name: str | None = Field(default=None, alias="list")
    schedule: str | None = None
    sections: list[str] | None = None
    min_articles: int = Field(default=3, ge=1)
    min_articles_action: Literal["skip", "send", "merge"] = "skip"
    max_age: Duration = 36 * HOUR
    late: Duration | Literal["always", "ask"] = 3 * HOUR
    in_doubt: Literal["resend", "hold"] = "resend"
    expire_after: Duration = 20 * HOUR
    approve: bool = False
    send_at: str | None = Field(default=None, pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    unapproved: Literal["skip", "send"] = "skip"
    ledger: str | None = None
    template: str = "daily"
    language: LanguageTag | None = None
    timezone: Zone | None = None
    sender: Mailbox | None = None
    reply_to: Mailbox | None = None
    subject: str = ""
    preheader: str = ""
    segment: str | None = None
    welcome: bool = False
    title: str = ""
    skip_dates: list[date] = []
    only_dates: list[date] = []
    ping_url: HttpUrl | None = None
    more: bool = True
    dead_links: Literal["drop", "swap", "keep"] = "drop"

    @field_validator("late", mode="before")
    @classmethod
    def _words_or_duration(cls, value: object) -> object:
        from digest.settings.parts import parse_duration

        if value in {"always", "ask"}:
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            raise ValueError(f'{error}, or "always" or "ask"') from None


class Palette(Part):
    """One set of colours as ``#rrggbb``."""

    paper: Colour
    ink: Colour
    grey: Colour
    accent: Colour
    tint: Colour
    rule: Colour


LIGHT = Palette(
    paper="#ffffff", ink="#1a1a1a", grey="#5f6368", accent="#b3261e", tint="#f6f3ee", rule="#e0ddd6"
)
DARK = Palette(
    paper="#15181c", ink="#e8e6e3", grey="#a9adb3", accent="#ff8a80", tint="#1f242a", rule="#363c44"
)


class PaletteChange(Part):
    """What a theme changes of a palette."""

    paper: Colour | None = None
    ink: Colour | None = None
    grey: Colour | None = None
    accent: Colour | None = None
    tint: Colour | None = None
    rule: Colour | None = None

    def over(self, base: Palette) -> Palette:
        """``base`` with these colours put over it."""
        return base.model_copy(update=self.model_dump(exclude_none=True))


class Theme(Part):
    """``[theme]``: colours light and dark, fonts, logo. Logos are https addresses, widths in pixels."""

    light: PaletteChange = PaletteChange()
    dark: PaletteChange = PaletteChange()
    headline_font: str = ""
    text_font: str = ""
    logo: HttpUrl | None = None
    logo_dark: HttpUrl | None = None
    logo_width: int = Field(default=200, ge=20, le=552)
    radius: int = Field(default=4, ge=0, le=16)

    @property
    def light_palette(self) -> Palette:
        return self.light.over(LIGHT)

    @property
    def dark_palette(self) -> Palette:
        return self.dark.over(DARK)


class Links(Part):
    """``[links]``: what is appended to links of one's own domains. Placeholders: {edition} {date} {slot}."""

    append: str = ""
    own_domains: list[str] = []


class Retention(Part):
    """``[retention]``: how long rows are kept."""

    articles: Duration = 400 * DAY
    deliveries: Duration = 90 * DAY


class Web(Part):
    """``[web]``: the public pages."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    trusted_proxies: list[str] = []
    cors_origins: list[str] = []
    clicks: bool = False
    private_lists: list[str] = []
    # The name of a variable, not a secret: which one holds the monitor's token.
    metrics_token_env: str = Field(default="DIGEST_METRICS_TOKEN", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")
    serve: bool = False


class File(Part):
    """The whole newsletter.toml."""

    newsletter: Newsletter
    smtp: Smtp = Smtp()
    dkim: Dkim | None = None
    bounces: Bounces | None = None
    sources: list[Source] = []
    sections: list[Section] = []
    dont_miss: DontMiss = DontMiss()
    ranking: Ranking = Ranking()
    teasers: Teasers = Teasers()
    editions: dict[Key, Edition] = {}
    theme: Theme = Theme()
    links: Links = Links()
    retention: Retention = Retention()
    web: Web = Web()

    @model_validator(mode="after")
    def _names_are_unique_and_known(self) -> Self:
        from digest.settings.parts import nearest

        for what, names in (
            ("sources", [source.name for source in self.sources]),
            ("sections", [section.key for section in self.sections]),
        ):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"two of the {what} are named {name!r}")
        keys: list[str] = [section.key for section in self.sections]
        for name, edition in self.editions.items():
            if not edition.more and not (keys if edition.sections is None else edition.sections):
                raise ValueError(
                    f"editions.{name} prints nothing: it has no sections, and more = false; "
                    "add [[sections]], or leave more out"
                )
            for key in edition.sections or []:
                if key not in keys:
                    guess = nearest(key, keys)
                    hint = f"; did you mean {guess!r}?" if guess else f"; known: {', '.join(keys) or 'none'}"
                    raise ValueError(f"editions.{name}.sections names {key!r}, which is no section{hint}")
        return self
