"""Scenes of water, land and sky."""

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
    boat,
    box,
    disc,
    hills,
    houses,
    line,
    oval,
    scatter,
    shape,
    sky,
    waves,
)


def night_ferry() -> Iterator[str]:
    yield from sky("#22344a", "#f4e3b8", 880, 190, 86)
    for u, v in scatter(40, 3):
        yield disc(u * WIDTH, v * 330, 2 + (u * 10) % 2, "#dfe6ea")
    yield from houses(430, ("#2b4159", "#30485f", "#263a50"), "#1b2b3c", 2, "#f0b64a")
    yield from waves(430, "#1a2b3d", "#33516b", 4)
    for n in range(7):
        yield box(850 - n * 6, 455 + n * 30, 60 + n * 12, 8, "#f4e3b8", 'opacity=".75"')
    yield from boat(330, 540, 92, CREAM, "#ffffff")


def bats() -> Iterator[str]:
    yield from sky("#d98e5f", "#f3d38a", 300, 300, 150)
    yield from hills((560, 14, 1, PLUM))
    yield box(720, 220, 200, 455, INK) + shape("M700 220l120 -190 120 190z", INK)
    for n in range(3):
        yield box(765, 280 + n * 70, 110, 12, "#d98e5f") + box(765, 304 + n * 70, 110, 12, "#d98e5f")
    for n, (u, v) in enumerate(scatter(24, 2)):
        x, y, s = 60 + u * 700, 40 + v * 430, 0.5 + (n % 5) * 0.22
        yield f'<g transform="translate({x:.0f} {y:.0f}) scale({s:.2f})">'
        yield (
            shape(
                "M0 0c-10 -22 -40 -26 -60 -8c14 0 22 8 26 18c10 -6 22 -4 34 6c12 -10 24 -12 34 -6c4 -10 12 -18 26 -18c-20 -18 -50 -14 -60 8z",
                INK,
            )
            + "</g>"
        )


def swimmers() -> Iterator[str]:
    yield from sky("#f2b98f", "#fbe3b0", 600, 250, 120)
    yield from hills((265, 12, 2, "#b9776a"))
    yield from waves(290, "#4f8a92", "#83b3b5", 6)
    for n in range(8):
        yield box(540 - n * 10, 305 + n * 44, 120 + n * 20, 9, "#fbe3b0", 'opacity=".7"')
    for n, (u, v) in enumerate(scatter(34, 5)):
        y = 330 + v * 320
        r = 8 + (y - 330) / 16
        yield disc(u * WIDTH, y, r, (RED, OCHRE, CREAM, NAVY)[n % 4]) + oval(
            u * WIDTH, y + r, r * 1.7, r * 0.4, "#3f777f"
        )


def turbines(colour: str = "#cfe3df", water: str = TEAL) -> Iterator[str]:
    yield from sky(colour, "#f7e9c4", 220, 170, 80)
    yield from waves(470, water, SEA, 7)
    for n in range(7):
        x, s = 140 + n * 160, 0.55 + ((n * 3) % 4) * 0.22
        y = 470 + s * 40
        yield line(f"M{x} {y:.0f}V{y - 300 * s:.0f}", "#ffffff", 12 * s)
        for blade in range(3):
            a = math.radians(blade * 120 + n * 37)
            yield line(
                f"M{x} {y - 300 * s:.0f}l{150 * s * math.sin(a):.0f} {-150 * s * math.cos(a):.0f}",
                "#ffffff",
                9 * s,
            )
        yield disc(x, y - 300 * s, 11 * s, RED)


def sea_floor() -> Iterator[str]:
    yield from turbines("#e8d8b8", "#2b5f6b")
    yield box(0, 540, WIDTH, 135, "#1f4b57")
    for n, (u, v) in enumerate(scatter(18, 9)):
        x, y = u * 1160, 560 + v * 90
        yield oval(x, y, 26, 10, (OCHRE, PINK, ICE)[n % 3]) + shape(
            f"M{x - 22:.0f} {y:.0f}l-20 -11v22z", (OCHRE, PINK, ICE)[n % 3]
        )


def bell_and_fish() -> Iterator[str]:
    yield from sky("#dbe5e2")
    yield box(0, 470, WIDTH, 205, "#c8a878")
    for n in range(6):
        yield box(n * 205 - 10, 490, 190, 150, "#a57c4c") + box(n * 205 - 10, 540, 190, 12, "#c8a878")
        for m in range(3):
            x, y = n * 205 + 50 + m * 40, 492 - (m % 2) * 14
            yield oval(x, y, 52, 17, ("#8fa9b3", "#b4c6cc", "#6f8d99")[m], -18) + disc(x + 34, y - 14, 4, INK)
    yield line("M600 0V90", INK, 10)
    yield shape("M600 80c-80 0 -110 70 -118 170l-42 70h320l-42 -70c-8 -100 -38 -170 -118 -170z", OCHRE)
    yield box(430, 316, 340, 20, "#b47a1c", 'rx="10"') + disc(600, 352, 24, "#8a5a12")


def rowing() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, SEA)
    for n in range(9):
        yield line(f"M-20 {60 + n * 75}q300 -40 620 0t640 0", "#6ba6aa", 5)
    yield (
        '<g transform="rotate(-14 600 340)">' + oval(600, 340, 520, 26, CREAM) + oval(600, 340, 500, 14, RED)
    )
    for n in range(8):
        x, side = 250 + n * 95, -1 if n % 2 else 1
        yield line(f"M{x} 340l-40 {side * 210}", NAVY, 7) + oval(
            x - 44, 340 + side * 222, 13, 34, RED, 10 * side
        )
        yield disc(x, 340, 19, NAVY) + disc(x + 4, 340, 9, PINK)
    yield "</g>"


def road() -> Iterator[str]:
    yield from sky("#f6e1bd", "#f4b860", 920, 150, 80)
    yield from hills((380, 40, 0.4, "#9db88a"), (450, 44, 2.1, LEAF), (540, 34, 4, MOSS))
    yield shape(
        "M520 675C640 560 420 520 560 440C640 400 700 400 690 370L704 368C730 400 660 420 620 450C540 510 820 540 760 675z",
        CREAM,
    )
    for n in range(9):
        yield disc(560 + (n * 61) % 130, 470 + n * 21, 6 + n, (RED, NAVY, OCHRE)[n % 3])


def islands() -> Iterator[str]:
    yield from sky("#cfe0dd", "#f8ecc9", 930, 150, 70)
    yield from waves(310, "#5f9ba0", "#8dbcbd", 8)
    for n, (x, y, s) in enumerate(((80, 330, 1.0), (860, 350, 1.3), (420, 318, 0.6), (1080, 560, 1.6))):
        yield shape(
            f"M{x - 140 * s:.0f} {y + 20 * s:.0f}q{140 * s:.0f} {-90 * s:.0f} {280 * s:.0f} 0z", "#a9977d"
        )
        for tree in range(5):
            tx = x - 70 * s + tree * 34 * s
            yield shape(
                f"M{tx - 22 * s:.0f} {y - 20 * s:.0f}l{22 * s:.0f} {-(90 + (tree * 29 + n) % 40) * s:.0f} {22 * s:.0f} {(90 + (tree * 29 + n) % 40) * s:.0f}z",
                (MOSS, "#2f5540")[tree % 2],
            )
    yield from boat(330, 530, 62, NAVY, CREAM, OCHRE)


def mussels() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#a9c6c9") + shape(
        "M0 675V420c180 -120 300 -30 460 -110s330 -130 520 -20s150 40 220 10V675z", "#39454d"
    )
    for n, (u, v) in enumerate(scatter(34, 11)):
        x, y, a = 40 + u * 1120, 400 + v * 240, (n * 47) % 360
        yield f'<g transform="translate({x:.0f} {y:.0f}) rotate({a})">'
        yield shape(
            "M0 -60c46 10 60 80 0 120c-60 -40 -46 -110 0 -120z", ("#243a63", "#2f4b7d", "#1c2c4d")[n % 3]
        )
        yield line("M0 -44c22 16 26 60 0 86", "#7f9bc4", 5) + "</g>"


def comet() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#172238")
    for u, v in scatter(90, 6):
        yield disc(u * WIDTH, v * 520, 1.4 + (u * 13) % 2, "#cfd9e6")
    yield (
        shape("M360 330L1080 40L1130 110z", "#2c4a63")
        + shape("M360 330L1040 90L1070 130z", "#6fae9e")
        + disc(362, 328, 26, "#e6fff2")
    )
    yield from hills((590, 16, 2, "#0d1524"))
    yield shape("M700 600V440l130 -90 130 90v160z", "#3a1f22") + shape(
        "M680 446l150 -106 150 106v-24L830 312L680 420z", "#0d1524"
    )
    yield box(790, 480, 80, 120, "#f0b64a") + line("M800 322l-60 -84", "#8793a5", 24)


def white_roofs() -> Iterator[str]:
    yield from sky("#f7c77c", "#fff1c4", 940, 150, 120)
    for n in range(8):
        x, h = n * 155 - 20, 180 + (n * 67) % 160
        yield box(x, HEIGHT - h, 150, h, ("#c9855b", "#b9724d", "#d69a70")[n % 3]) + box(
            x - 6, HEIGHT - h - 26, 162, 30, "#ffffff"
        )
        for row in range(4):
            yield box(x + 26, HEIGHT - h + 34 + row * 66, 34, 40, "#5f4437") + box(
                x + 90, HEIGHT - h + 34 + row * 66, 34, 40, "#f5dfbd"
            )


def seals() -> Iterator[str]:
    yield from sky("#e6ddcb", "#f4c98b", 260, 160, 80)
    yield from waves(330, "#7aa7aa", "#a6c7c6", 9)
    yield shape("M-20 675V560c260 -90 700 -140 1240 -40V675z", SAND)
    for n, (x, y, s) in enumerate(
        ((210, 540, 1.0), (480, 520, 1.25), (770, 530, 0.9), (960, 560, 0.6), (650, 600, 0.55))
    ):
        yield f'<g transform="translate({x} {y}) scale({s})">'
        yield shape(
            "M-130 40C-120 -40 -20 -60 40 -50C60 -110 130 -110 138 -60C144 -20 110 20 60 40z",
            ("#55606b", "#6d7882", "#48525c", "#c8c3b6", "#c8c3b6")[n],
        )
        yield disc(108, -68, 6, INK) + shape("M-130 40l-50 -36 10 46z", "#48525c") + "</g>"


def ice() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#a8d0da")
    for n, (u, v) in enumerate(scatter(9, 13)):
        yield shape(
            f"M{u * 1200:.0f} {v * 675:.0f}l{180 - n * 9} 60 90 150 -220 40 -140 -120z",
            ("#9ac6d2", "#b7dae2", "#8ebccb")[n % 3],
        )
    yield line("M-10 500L220 430L380 470L600 300L760 340L920 180L1210 90", "#ffffff", 9)
    yield line(
        "M220 430L260 675M600 300L560 120L470 -10M760 340L900 480L880 690M920 180L860 -10", "#ffffff", 6
    )
    yield disc(600, 300, 70, "#1f4a63") + disc(600, 300, 70, "none", 'stroke="#ffffff" stroke-width="10"')
    for n in range(3):
        yield disc(
            600, 300, 120 + n * 56, "none", 'stroke="#2f6f86" stroke-width="5" stroke-dasharray="26 18"'
        )


def contour_river() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#efe6cf")
    for n in range(9):
        yield line(
            f"M-20 {40 + n * 78}C260 {-60 + n * 96} 420 {170 + n * 60} 700 {40 + n * 84}S1100 {120 + n * 70} 1230 {10 + n * 88}",
            "#d9c9a3",
            4,
        )
    for n, c in enumerate((ICE, "#8fbcc1", SEA, TEAL, NAVY)):
        yield line(
            f"M-20 {330 + n * 8}C120 {90 + n * 40} 260 {640 - n * 60} 420 {350 + n * 10}S640 {60 + n * 50} 780 {330 + n * 8}S1020 {640 - n * 56} 1220 {300 + n * 12}",
            c,
            20 - n * 3,
        )


def lone_boat() -> Iterator[str]:
    yield from sky("#e9a77f", "#f7dca4", 600, 300, 140)
    yield box(0, 330, WIDTH, 345, "#7b5a6b")
    for n in range(9):
        yield box(560 - n * 22, 345 + n * 34, 80 + n * 44, 8, "#f7dca4", 'opacity=".65"')
    yield from boat(500, 470, 44, INK, "#3a2a3a", RED)


def salt_meadow() -> Iterator[str]:
    yield box(0, 0, WIDTH, HEIGHT, "#7fa568")
    for n, (u, v) in enumerate(scatter(40, 4)):
        yield oval(
            u * WIDTH, v * HEIGHT, 60 + (n * 13) % 50, 24, ("#8fb277", "#74995e", "#a9bd7c")[n % 3], n * 23
        )
    for path, width in (
        ("M-20 120C200 60 260 320 470 300S700 120 860 240S1100 420 1230 360", 58),
        ("M470 300C420 420 560 470 500 700", 40),
        ("M860 240C900 120 1010 110 1040 -20", 30),
        ("M500 560C620 540 640 620 760 600", 22),
        ("M200 170C160 260 220 330 150 420", 20),
    ):
        yield line(path, "#cfe6ea", width) + line(path, "#8fc0cb", width * 0.6)


def book_cafe() -> Iterator[str]:
    yield (
        box(0, 0, WIDTH, HEIGHT, "#e2b98a")
        + box(690, 70, 420, 380, "#23384c")
        + disc(980, 160, 40, "#f4e3b8")
    )
    yield from boat(790, 410, 38, CREAM, "#ffffff")
    yield (
        box(690, 430, 420, 20, "#1a2b3d")
        + line("M900 70V450M690 260H1110", "#8a5f3a", 12)
        + box(676, 56, 448, 408, "none", 'stroke="#8a5f3a" stroke-width="22"')
    )
    for row in range(2):
        for n in range(14):
            h = 100 + (n * 37 + row * 23) % 60
            yield box(
                50 + n * 42,
                215 + row * 210 - h,
                36,
                h,
                (RED, TEAL, NAVY, MOSS, CREAM, PLUM)[(n * 5 + row) % 6],
            )
        yield box(30, 215 + row * 210, 620, 14, "#8a5f3a")
    yield (
        box(0, 540, WIDTH, 135, "#7d5433")
        + shape("M520 450h160c0 70 -20 96 -80 96s-80 -26 -80 -96z", CREAM)
        + disc(694, 486, 26, "none", f'stroke="{CREAM}" stroke-width="12"')
    )
    yield (
        oval(600, 450, 80, 12, "#5a3b24")
        + line("M570 420q-16 -30 0 -54t0 -54M630 420q-16 -30 0 -54t0 -54", "#f6e6cf", 7)
        + oval(600, 552, 130, 12, "#e9d9bd")
    )


def bascule() -> Iterator[str]:
    yield from sky("#bcd6dd", "#fbeec8", 180, 150, 70)
    yield from waves(470, "#3d7780", "#6fa3a8", 3)
    yield (
        box(120, 330, 160, 345, "#7b6a5c")
        + box(920, 330, 160, 345, "#7b6a5c")
        + box(0, 400, 130, 40, INK)
        + box(1070, 400, 130, 40, INK)
    )
    yield line("M270 420L470 130M930 420L730 130", RED, 34) + line(
        "M300 420L480 160M900 420L720 160", "#7e1a15", 8
    )
    yield shape("M470 520h260l-50 70H520z", INK) + line("M600 520V150M540 520V230M660 520V230", "#6b4a32", 9)
    for x, top, w in ((600, 170, 84), (540, 250, 60), (660, 250, 60)):
        yield shape(f"M{x} {top}q{w} 60 0 130zM{x} {top + 140}q{w} 60 0 130z", CREAM)


def balloons() -> Iterator[str]:
    yield from sky("#d8e8ea")
    yield from houses(675, ("#d7b48c", "#c99f7a", "#e3c7a0"), "#8a5a48", 3)
    for n, c in enumerate((RED, OCHRE, TEAL, PINK, LEAF, NAVY, RUST)):
        x, y = 130 + n * 158, 130 + (n * 97) % 150
        yield (
            line(f"M{x} {y + 60}q-16 60 8 120", "#6d6a66", 3)
            + oval(x, y, 52, 62, c)
            + oval(x - 18, y - 22, 10, 16, "#ffffff")
        )


def tide_table() -> Iterator[str]:
    yield (
        box(0, 0, WIDTH, HEIGHT, "#c9d8d8")
        + '<g transform="rotate(-4 600 338)">'
        + box(240, 30, 720, 620, CREAM)
    )
    yield box(290, 80, 420, 34, NAVY) + box(290, 130, 620, 6, RED)
    for row in range(9):
        y = 180 + row * 52
        for column in range(4):
            yield box(290 + column * 165, y, 70 + (row * 31 + column * 17) % 50, 13, "#8a8272")
        if row % 3 == 2:
            yield line(f"M290 {y + 33}" + "q26 -18 52 0t52 0" * 6, SEA, 6)
    yield "</g>"


def corner_shop() -> Iterator[str]:
    yield (
        box(0, 0, WIDTH, HEIGHT, "#c98f6b")
        + box(0, 590, WIDTH, 85, "#8b8378")
        + box(180, 190, 840, 400, "#5c3a2e")
    )
    yield (
        box(220, 300, 380, 220, "#f3dfb4")
        + box(690, 300, 150, 290, TEAL)
        + box(712, 322, 106, 150, "#cfe3df")
        + box(880, 300, 110, 220, "#f3dfb4")
    )
    for n in range(12):
        yield shape(f"M{150 + n * 75} 190h75v80a37 37 0 0 1 -75 0z", (RED, CREAM)[n % 2])
    for n in range(9):
        yield disc(250 + n * 40, 490 - (n % 2) * 4, 19, (OCHRE, RED, LEAF)[n % 3]) + box(
            232 + n * 40, 350, 28, 66, (TEAL, RUST, NAVY)[n % 3]
        )
    yield (
        box(220, 510, 380, 20, "#8a5f3a")
        + box(330, 90, 540, 70, NAVY, 'rx="8"')
        + box(380, 118, 440, 14, SAND)
    )
