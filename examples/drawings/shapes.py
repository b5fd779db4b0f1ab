"""Colours and shapes of the newsroom's drawings, as SVG text; lengths in pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator

WIDTH, HEIGHT = 1200, 675

NAVY, TEAL, SEA, ICE = "#1f2d3d", "#2f6f73", "#4f9096", "#bcd6d9"
CREAM, SAND, OCHRE, RUST, RED = "#f6efe2", "#e9cfa3", "#d99a2b", "#c4622d", "#b3261e"
LEAF, MOSS, PINK, PLUM, INK = "#6f9a5b", "#3f6b4a", "#eab8a6", "#5b3a52", "#14202b"


def svg(shapes: Iterator[str]) -> str:
    """The whole drawing."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(shapes)}</svg>'
    )


def box(x: float, y: float, w: float, h: float, fill: str, more: str = "") -> str:
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{w:.0f}" height="{h:.0f}" fill="{fill}" {more}/>'


def disc(x: float, y: float, r: float, fill: str, more: str = "") -> str:
    return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{r:.0f}" fill="{fill}" {more}/>'


def oval(x: float, y: float, rx: float, ry: float, fill: str, turn: float = 0) -> str:
    return (
        f'<ellipse cx="{x:.0f}" cy="{y:.0f}" rx="{rx:.0f}" ry="{ry:.0f}" fill="{fill}" '
        f'transform="rotate({turn:.0f} {x:.0f} {y:.0f})"/>'
    )


def shape(points: str, fill: str) -> str:
    return f'<path d="{points}" fill="{fill}"/>'


def line(points: str, stroke: str, width: float, more: str = "") -> str:
    return (
        f'<path d="{points}" fill="none" stroke="{stroke}" stroke-width="{width}" '
        f'stroke-linecap="round" stroke-linejoin="round" {more}/>'
    )


def scatter(count: int, seed: int) -> Iterator[tuple[float, float]]:
    """Points in the unit square that look thrown but are the same every time (R2 sequence)."""
    for n in range(1, count + 1):
        yield (seed * 0.37 + n * 0.7548776662) % 1, (seed * 0.61 + n * 0.5698402909) % 1


def sky(fill: str, sun: str = "", x: float = 900, y: float = 180, r: float = 90) -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, fill)
    if sun:
        yield disc(x, y, r, sun)


def waves(top: float, fill: str, crest: str, seed: int = 1) -> Iterator[str]:
    yield box(0, top, WIDTH, HEIGHT - top, fill)
    for u, v in scatter(26, seed):
        y = top + 20 + v * v * (HEIGHT - top - 30)
        reach = 26 + 60 * (y - top) / (HEIGHT - top)
        yield line(f"M{u * WIDTH:.0f} {y:.0f}q{reach / 2:.0f} -8 {reach:.0f} 0", crest, 4)


def hills(*layers: tuple[float, float, float, str]) -> Iterator[str]:
    """Rolling hills; each layer is (height of its middle, swing, shift, colour)."""
    for middle, swing, shift, fill in layers:
        path = f"M0 {HEIGHT}"
        for x in range(0, WIDTH + 1, 40):
            y = middle + swing * math.sin(x / 190 + shift) + swing / 2 * math.sin(x / 83 + shift * 2)
            path += f"L{x} {y:.0f}"
        yield shape(path + f"L{WIDTH} {HEIGHT}Z", fill)


def houses(
    base: float, colours: tuple[str, ...], roof: str, seed: int = 0, lit: str = CREAM
) -> Iterator[str]:
    x, n = -20.0, seed
    while x < WIDTH:
        w, h = 90 + (n * 37) % 50, 130 + (n * 53) % 110
        yield box(x, base - h, w, h, colours[n % len(colours)])
        half, gable = w / 2 + 4, 40 + n % 3 * 16
        yield shape(f"M{x - 4:.0f} {base - h:.0f}l{half:.0f} -{gable} {half:.0f} {gable}z", roof)
        for row in range(int(h // 60)):
            for column in range(2):
                yield box(
                    x + 18 + column * (w - 58),
                    base - h + 22 + row * 56,
                    22,
                    30,
                    lit if (n + row + column) % 3 else roof,
                )
        x, n = x + w, n + 1


def boat(x: float, y: float, size: float, hull: str, cabin: str = CREAM, funnel: str = RED) -> Iterator[str]:
    s = size
    yield box(x + 1.1 * s, y - 1.15 * s, 1.9 * s, 0.7 * s, cabin)
    yield box(x + 2.1 * s, y - 1.75 * s, 0.42 * s, 0.65 * s, funnel)
    for n in range(4):
        yield box(x + 1.25 * s + n * 0.43 * s, y - 1.0 * s, 0.25 * s, 0.25 * s, OCHRE)
    yield shape(f"M{x:.0f} {y - 0.5 * s:.0f}h{4.2 * s:.0f}l-{0.6 * s:.0f} {0.75 * s:.0f}h-{3 * s:.0f}z", hull)
