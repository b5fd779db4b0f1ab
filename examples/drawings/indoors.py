"""Scenes of streets, shops and rooms."""

# ruff: noqa: E501 - a path is drawn in one line
from __future__ import annotations

import math
from collections.abc import Iterator

from shapes import (
    CREAM,
    HEIGHT,
    ICE,
    INK,
    LEAF,
    MOSS,
    NAVY,
    OCHRE,
    PINK,
    PLUM,
    RED,
    RUST,
    SAND,
    SEA,
    TEAL,
    WIDTH,
    box,
    disc,
    houses,
    line,
    oval,
    scatter,
    shape,
    sky,
)


def tram() -> Iterator[str]:
    yield from sky("#f3dcc0")
    yield from houses(470, (OCHRE, PINK, SEA, SAND, RUST), NAVY, 4)
    yield shape(f"M0 520L{WIDTH} 430V{HEIGHT}H0z", "#8b8378")
    yield line("M0 580L1200 490M0 640L1200 550", "#5d574f", 8)
    yield line("M0 150L1200 70", NAVY, 4)
    yield '<g transform="rotate(-4.3 600 500)">'
    yield box(330, 300, 520, 220, RED, 'rx="26"') + box(330, 410, 520, 18, CREAM)
    for n in range(5):
        yield box(358 + n * 96, 328, 78, 70, "#dcebee", 'rx="8"')
    yield disc(440, 528, 34, INK) + disc(740, 528, 34, INK) + line("M590 300l40 -150l60 -30", INK, 7) + "</g>"


def shelf_of_books() -> Iterator[str]:
    yield from sky("#efe3cd")
    colours = (RED, TEAL, OCHRE, NAVY, LEAF, PLUM, RUST, SEA)
    for row in range(3):
        x, n, base = 40.0, row * 5, 215 + row * 215
        while x < WIDTH - 70:
            w, h = 26 + (n * 17) % 34, 110 + (n * 29) % 60
            if (n * 7 + row) % 11 == 3:
                yield shape(f"M{x:.0f} {base}v-90l35 -40 35 40v90z", "#caa877") + disc(
                    x + 35, base - 45, 16, LEAF
                )
                x += 84
            elif (n * 5 + row) % 13 == 6:
                yield shape(f"M{x:.0f} {base}l70 -120 70 120z", OCHRE) + shape(
                    f"M{x + 50:.0f} {base}l20 -60 20 60z", NAVY
                )
                x += 150
            else:
                yield box(x, base - h, w, h, colours[n % 8]) + box(x, base - h + 18, w, 8, CREAM)
                x += w + 4
            n += 1
        yield box(0, base, WIDTH, 16, "#8a5f3a")


def ropes() -> Iterator[str]:
    yield from sky("#d9c7a8")
    for n in range(6):
        yield box(n * 200, 0, 196, HEIGHT, ("#d2be9c", "#cdb792")[n % 2])
    for n, (x, y, colour) in enumerate(((230, 300, RED), (600, 360, CREAM), (970, 300, TEAL))):
        yield disc(x, y - 150, 20, INK)
        for ring in range(5):
            yield line(
                f"M{x} {y - 150}c{-150 + ring * 12} {60 + ring * 8} {-150 + ring * 14} {300 - ring * 14} 0 {320 - ring * 14}c{150 - ring * 14} {-20} {150 - ring * 12} {-260 + ring * 8} 0 {-320 + ring * 14}",
                colour,
                19,
            )
        yield line(f"M{x - 46} {y + 20}h92", (NAVY, RUST, OCHRE)[n], 26)


def loaf() -> Iterator[str]:
    yield from sky("#f0dfc3")
    yield (
        box(0, 430, WIDTH, 245, "#9a6a42")
        + oval(600, 520, 440, 60, "#7d5433")
        + box(170, 470, 860, 50, "#b98556", 'rx="25"')
    )
    yield shape("M270 470c-10 -190 120 -290 330 -290s340 100 330 290z", "#b9692f")
    yield shape("M300 470c0 -160 110 -250 300 -250s300 90 300 250z", "#cf8440")
    for n in range(4):
        yield line(f"M{420 + n * 100} 420q-30 -70 40 -140", "#f3d7a6", 18)


def workbench() -> Iterator[str]:
    yield (
        box(0, 0, WIDTH, HEIGHT, "#34595b")
        + box(0, 540, WIDTH, 135, "#a8703f")
        + box(0, 540, WIDTH, 18, "#c58a52")
    )
    yield box(90, 90, 1020, 14, "#e3cfa8")
    for n in range(6):
        x, c = 170 + n * 170, (RED, OCHRE, CREAM)[n % 3]
        yield disc(x, 97, 9, INK)
        if n % 3 == 0:
            yield box(x - 12, 180, 24, 200, c, 'rx="8"') + box(x - 60, 130, 120, 52, "#b9c4c4", 'rx="8"')
        elif n % 3 == 1:
            yield line(f"M{x} 110V250", "#b9c4c4", 14) + box(x - 18, 240, 36, 130, c, 'rx="14"')
        else:
            yield line(f"M{x - 34} 370L{x} 220L{x + 34} 370", c, 22) + line(
                f"M{x} 220l-22 -90M{x} 220l22 -90", "#b9c4c4", 14
            )
    yield (
        box(430, 440, 150, 100, ICE, 'rx="18"')
        + box(700, 470, 230, 70, RUST, 'rx="10"')
        + box(450, 415, 110, 28, INK, 'rx="10"')
    )


def goal() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#a9cdbb") + box(0, 470, WIDTH, 205, "#4d8a4f")
    for n in range(6):
        yield box(n * 200, 470, 100, 205, "#579659")
    for n in range(27):
        yield line(f"M{220 + n * 30} 150V500", "#ffffff", 2, 'opacity=".7"')
    for n in range(12):
        yield line(f"M220 {165 + n * 30}H1000", "#ffffff", 2, 'opacity=".7"')
    yield line("M210 510V140H1010V510", "#ffffff", 18)
    yield disc(870, 260, 46, CREAM) + shape("M870 236l24 18 -9 28h-30l-9 -28z", INK)
    yield line("M560 470l60 -140l150 -60M620 330l-90 -70M560 470l-90 30M560 470l-30 90", OCHRE, 40) + disc(
        650, 250, 36, "#8d5b3f"
    )


def chess() -> Iterator[str]:
    for row in range(5):
        for column in range(9):
            yield box(column * 135, row * 135, 135, 135, (CREAM, TEAL)[(row + column) % 2])
    yield shape(
        "M470 600h300l-30 -70h-20c20 -150 40 -320 -110 -400l-14 -50l-34 46c-70 20 -120 90 -160 190l40 44l80 -40c10 40 -50 110 -62 210h-20z",
        INK,
    )
    yield disc(580, 220, 14, CREAM)


def velodrome() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#e9d3a8")
    for n in range(13):
        yield line(
            f"M-50 {150 + n * 60}Q600 {-60 + n * 90} 1250 {150 + n * 60}", ("#d9b87e", "#cfa967")[n % 2], 26
        )
    yield line("M-50 640Q600 520 1250 640", TEAL, 20)
    for x in (470, 730):
        yield disc(x, 420, 92, "none", f'stroke="{INK}" stroke-width="10"')
    yield line(
        "M470 420L560 290H690L590 420H470M690 290L730 420M590 420L545 265M520 262h60M690 290l-10 -40h50",
        RED,
        12,
    )
    yield line("M560 250L650 170L720 240M560 250L600 340L585 420", NAVY, 34) + disc(690, 150, 32, OCHRE)


def piano() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#e6d2ae")
    for n in range(5):
        x = 60 + n * 240
        yield shape(f"M{x} 560V200a90 90 0 0 1 180 0V560z", "#d5bb8c")
    yield disc(600, 175, 120, "#f9efd6") + line(
        "M600 55V295M480 175H720M515 90L685 260M685 90L515 260", "#b8935c", 8
    )
    yield box(0, 560, WIDTH, 115, "#8f6f4a")
    yield shape("M330 400h520c40 0 60 20 60 50s-30 40 -60 40H330z", INK) + shape(
        "M330 400L420 190c200 -10 330 60 470 190z", NAVY
    )
    yield box(300, 400, 60, 90, INK) + box(290, 440, 160, 22, CREAM)
    for x in (350, 620, 850):
        yield box(x, 490, 18, 110, INK)
    yield box(180, 520, 90, 18, RED, 'rx="9"') + line("M195 538v62M255 538v62", INK, 8)


def vases() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#6b4a3a")
    for row in range(3):
        base = 210 + row * 215
        for n in range(9):
            x, c = 90 + n * 128, (OCHRE, TEAL, CREAM, RUST, ICE, PINK)[(n * 5 + row * 2) % 6]
            h = 90 + (n * 31 + row * 17) % 60
            if (n + row) % 3 == 0:
                yield shape(f"M{x - 30} {base}c-30 -40 -20 -80 18 -{h}h24c38 {h - 80} 48 {h - 40} 18 {h}z", c)
            elif (n + row) % 3 == 1:
                yield oval(x, base - 44, 40, 44, c) + box(x - 16, base - h, 32, h - 70, c)
            else:
                yield box(x - 34, base - h, 68, h, c, 'rx="16"') + box(
                    x - 34, base - h + 30, 68, 12, "#6b4a3a"
                )
        yield box(0, base, WIDTH, 14, "#3f2a20")


def cinema() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#2a1f2d") + shape("M220 60H980V400H220z", "#f2e2b6")
    yield from (disc(780, 150, 46, RUST), shape("M220 400L440 230L580 330L720 250L980 400z", TEAL))
    yield shape("M480 400c40 -60 60 -60 90 -50l20 -26l12 32l40 8l-12 26h-40v10z", INK)
    yield shape("M0 0H150C190 220 170 420 120 675H0zM1200 0H1050C1010 220 1030 420 1080 675H1200z", RED)
    for row in range(3):
        for n in range(12 - row):
            yield oval(70 + n * 105 + row * 45, 560 + row * 62, 40, 46, ("#3d2c40", "#4a354d")[n % 2])


def bread_slices() -> Iterator[str]:
    for n in range(15):
        yield box(n * 80, 0, 80, HEIGHT, ("#dfe9ea", "#b9d2d5")[n % 2])
    for n in range(4):
        x = 130 + n * 235
        yield f'<g transform="rotate({-10 + n * 7} {x + 110} 340)">'
        yield shape(f"M{x} 500V300c-50 -60 0 -150 110 -150s160 90 110 150V500z", "#a8632f")
        yield shape(f"M{x + 20} 480V300c-44 -50 0 -126 90 -126s134 76 90 126V480z", "#f1d9ac")
        for u, v in scatter(9, n + 2):
            yield oval(x + 45 + u * 130, 230 + v * 220, 8, 5, "#dcb981")
        yield "</g>"


def tide_clock() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, NAVY)
    yield disc(600, 330, 270, CREAM) + disc(600, 330, 240, "#fffaf0")
    for n in range(12):
        a = math.radians(n * 30)
        yield disc(600 + 205 * math.sin(a), 330 - 205 * math.cos(a), 12 if n % 3 == 0 else 6, INK)
    yield (
        line("M600 330q50 -40 40 -90t50 -80", TEAL, 16)
        + line("M600 330q60 20 100 0t80 30", RED, 12)
        + disc(600, 330, 20, INK)
    )
    for n in range(3):
        yield line(f"M-60 {560 + n * 44}" + "q50 -44 100 0t100 0" * 7, (SEA, TEAL, ICE)[n], 18)


def tunnel() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#2b2f38")
    for n in range(7):
        r = 620 - n * 84
        yield shape(
            f"M{600 - r} 690V{560}a{r} {r * 0.82:.0f} 0 0 1 {2 * r} 0V690z", ("#39404c", "#2f3540")[n % 2]
        )
        yield line(
            f"M{600 - r + 14} 560a{r - 14} {(r - 14) * 0.82:.0f} 0 0 1 {2 * r - 28} 0",
            (OCHRE, "#f2d58a")[n % 2],
            6,
        )
    for n in range(13):
        x = 180 + n * 70
        yield disc(x, 560 - (n % 3) * 22, 24, (PINK, "#8d5b3f", SAND)[n % 3]) + shape(
            f"M{x - 38} 690V640c0 -64 76 -64 76 0V690z", (RED, TEAL, OCHRE, CREAM)[n % 4]
        )


def sign() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, TEAL) + box(
        70, 70, 1060, 535, "none", f'stroke="{SAND}" stroke-width="8" rx="20"'
    )
    yield shape("M330 530L480 130H580L730 530H610L586 450H474L450 530zM498 370H562L530 255z", CREAM)
    yield shape("M352 540L502 140L480 130L330 530z", OCHRE)
    yield (
        line("M780 500L980 240", "#a8703f", 26)
        + line("M980 240l28 -36", "#c9cfd2", 30)
        + shape("M996 222l54 -92 -10 104z", RED)
    )
    yield line("M760 500q110 60 240 20", RED, 20)


def keys() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#243746")
    for n in range(14):
        yield f'<g transform="translate(600 338) rotate({n * 360 / 14:.1f})">'
        c = (OCHRE, "#b9a27a", RUST, "#8fa3a6")[n % 4]
        yield (
            disc(0, -260, 34, "none", f'stroke="{c}" stroke-width="15"')
            + line("M0 -226V-110M0 -120h26M0 -150h20", c, 14)
            + "</g>"
        )
    yield disc(600, 338, 46, RED) + disc(600, 330, 13, "#243746") + shape("M594 334h12l8 34h-28z", "#243746")


def diary() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#6e8894") + shape(
        "M130 120L590 150V590L130 560zM1070 120L610 150V590L1070 560z", CREAM
    )
    yield shape("M590 150h20V590h-20z", "#c9b58e")
    for n in range(8):
        yield line(f"M180 {220 + n * 40}l{300 + (n * 67) % 70} {14}", "#8a8272", 6)
    for n, (x, y) in enumerate(((760, 250), (900, 350), (750, 450))):
        yield oval(x, y, 90, 34, ICE) + oval(x - 40, y - 22, 44, 36, ICE) + oval(x + 24, y - 30, 50, 42, ICE)
        for drop in range(4):
            yield line(f"M{x - 50 + drop * 34} {y + 46}l-10 24", (TEAL, SEA, NAVY)[n], 6)


def window() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#efe0cb") + box(330, 60, 540, 500, "#ffffff")
    yield box(355, 85, 490, 450, "#bfe0e6") + box(355, 350, 490, 185, SEA) + disc(720, 190, 46, "#fdf0c8")
    yield (
        shape("M470 350l14 -150h32l14 150z", "#ffffff")
        + box(484, 232, 32, 30, RED)
        + box(486, 176, 28, 26, NAVY)
    )
    yield box(592, 60, 16, 500, "#ffffff") + box(330, 300, 540, 14, "#ffffff")
    yield shape("M240 40H400C420 240 330 380 250 600H200z", PINK) + shape(
        "M960 40H800C780 240 870 380 950 600H1000z", PINK
    )
    yield (
        box(280, 560, 640, 30, "#c9a877")
        + shape("M700 560v-70h70v70z", TEAL)
        + line("M735 490q-30 -60 -10 -90M735 490q40 -40 40 -84", MOSS, 8)
    )
