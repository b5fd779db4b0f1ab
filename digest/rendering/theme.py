"""The look of an issue: colours checked for contrast, fonts and sizes of its script."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from digest.errors import ConfigError
from digest.rendering.scripts import Typography, typography_of
from digest.settings.model import Palette, Theme

AA_TEXT = 4.5  # WCAG 2.2, success criterion 1.4.3, for text of any size
_FONTS = re.compile(r"[\w\s,.'\-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """One set of colours as ``#rrggbb``; a plain value, since templates must not reach a model's methods."""

    paper: str
    ink: str
    grey: str
    accent: str
    tint: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What templates know of colours, fonts and the logo."""

    light: Colours
    dark: Colours
    type: Typography
    logo: str
    logo_dark: str
    logo_width: int
    radius: int


@dataclass(frozen=True, slots=True)
class Contrast:
    """How a text colour stands on a ground, as a ratio from 1 to 21."""

    scheme: str
    text: str
    ground: str
    ratio: float

    @property
    def readable(self) -> bool:
        return self.ratio >= AA_TEXT


def contrasts_of(theme: Theme) -> list[Contrast]:
    """The contrast of each pair of colours that the templates use, light and dark."""
    found = []
    for scheme, palette in (("light", theme.light_palette), ("dark", theme.dark_palette)):
        for ground in ("paper", "tint"):
            for text in ("ink", "grey", "accent"):
                ratio = contrast(getattr(palette, text), getattr(palette, ground))
                found.append(Contrast(scheme, text, ground, ratio))
    return found


def look_of(theme: Theme, language: str) -> Look:
    """The look in that language. Raises ``ConfigError`` with the figure when a colour is unreadable."""
    for pair in contrasts_of(theme):
        if not pair.readable:
            palette = theme.light_palette if pair.scheme == "light" else theme.dark_palette
            colour, ground = getattr(palette, pair.text), getattr(palette, pair.ground)
            raise ConfigError(
                f"theme.{pair.scheme}.{pair.text} {colour} on {pair.ground} {ground} "
                f"has a contrast of {pair.ratio:.1f}:1, which cannot be read",
                remedy=f"choose colours with at least {AA_TEXT}:1 (WCAG AA)",
            )
    return Look(
        light=_colours(theme.light_palette),
        dark=_colours(theme.dark_palette),
        type=_with_fonts(typography_of(language), theme),
        logo=theme.logo or "",
        logo_dark=theme.logo_dark or "",
        logo_width=theme.logo_width,
        radius=theme.radius,
    )


def _colours(palette: Palette) -> Colours:
    return Colours(**palette.model_dump())


@lru_cache(maxsize=1024)
def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours ``#rrggbb`` (WCAG 2.2, definition of contrast ratio)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    def linear(part: str) -> float:
        value = int(part, 16) / 255
        return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(colour[at : at + 2]) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _with_fonts(kind: Typography, theme: Theme) -> Typography:
    for key, font in (("headline_font", theme.headline_font), ("text_font", theme.text_font)):
        if not _FONTS.fullmatch(font):
            raise ConfigError(
                f"theme.{key} = {font!r} is no list of font names",
                remedy="for example: \"'Palatino Linotype', Georgia, serif\"",
            )
    # The newsletter's fonts come first; the script's own follow for what those lack.
    return replace(
        kind,
        headline_font=_joined(theme.headline_font, kind.headline_font),
        text_font=_joined(theme.text_font, kind.text_font),
    )


def _joined(first: str, rest: str) -> str:
    first = first.strip().strip(",")
    for generic in ("sans-serif", "serif"):
        if first.endswith(generic):
            first = first.removesuffix(generic).rstrip(" ,")
    return f"{first}, {rest}" if first else rest
