"""Draws the sample newsroom's pictures: flat posters, 1200 by 675 pixels, one for each story.

Each is a small SVG that Chromium turns into a picture; nothing is random, so drawing again gives the same.
Run by hand when a scene has changed: ``python examples/drawings`` (needs Playwright and Chromium).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import indoors
import outdoors
from shapes import HEIGHT, WIDTH, svg

TARGET = Path(__file__).parent.parent / "newsroom" / "pictures"
# Many fine curves: these weigh less as JPEG than as PNG.
FINE = {
    "lost-keys",
    "listening-to-ice",
    "two-rivers-race",
    "mussel-glue",
    "ten-maps",
    "salt-meadows-from-above",
    "tunnel-choir",
}
SCENES: dict[str, Callable[[], Iterator[str]]] = {
    "night-ferries": outdoors.night_ferry,
    "kessel-street-tram": indoors.tram,
    "library-of-things": indoors.shelf_of_books,
    "cathedral-bats": outdoors.bats,
    "dawn-swim": outdoors.swimmers,
    "rope-makers-week": indoors.ropes,
    "skarr-bank-wind": outdoors.turbines,
    "one-price-loaf": indoors.loaf,
    "repair-shops": indoors.workbench,
    "fish-auction-bell": outdoors.bell_and_fish,
    "two-rivers-race": outdoors.rowing,
    "goalkeeper-debut": indoors.goal,
    "chess-in-the-fish-hall": indoors.chess,
    "marathon-without-bridge": outdoors.road,
    "velodrome-boards": indoors.velodrome,
    "waiting-room-piano": indoors.piano,
    "museum-store": indoors.vases,
    "one-take-film": indoors.cinema,
    "bread-for-a-week": indoors.bread_slices,
    "mail-boat-to-hollen": outdoors.islands,
    "skarr-bank": outdoors.sea_floor,
    "tide-clock": indoors.tide_clock,
    "mussel-glue": outdoors.mussels,
    "barn-roof-comet": outdoors.comet,
    "white-gravel": outdoors.white_roofs,
    "weather-diary": indoors.diary,
    "seals-return": outdoors.seals,
    "listening-to-ice": outdoors.ice,
    "tunnel-choir": indoors.tunnel,
    "sign-painter": indoors.sign,
    "lost-keys": indoors.keys,
    "ten-maps": outdoors.contour_river,
    "slow-crossing": outdoors.lone_boat,
    "salt-meadows-from-above": outdoors.salt_meadow,
    "quiet-rooms": indoors.window,
    "harbour-street-book-cafe": outdoors.book_cafe,
    "bridge-opening-live": outdoors.bascule,
    "seven-small-things": outdoors.balloons,
    "why-we-print-the-tide-table": outdoors.tide_table,
    "corner-shop-ledger": outdoors.corner_shop,
}


def main() -> None:
    """Draw every scene into the newsroom's folder of pictures."""
    from playwright.sync_api import sync_playwright

    TARGET.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        for name, scene in SCENES.items():
            page.set_content(f"<style>body{{margin:0}}svg{{display:block}}</style>{svg(scene())}")
            if name in FINE:
                page.screenshot(path=str(TARGET / f"{name}.jpg"), type="jpeg", quality=72)
            else:
                page.screenshot(path=str(TARGET / f"{name}.png"))
        browser.close()


if __name__ == "__main__":
    main()
