"""Only the rows that changed are drawn anew; whatever was pressed, the screen is as if all of it had been."""

import asyncio
import random

import pytest
from memory_port import DIFF, NOW, MemoryPort, sheet
from textual.pilot import Pilot

from harness.tui.app import ReviewApp
from harness.tui.diffview import DiffView

MOVES = ("j", "k", "n", "p", "space", "b", "]", "[", "G", "g", "s", "w", "|", "}", "{", "z", "e", "tab")
LONGER = "".join(DIFF.replace("src/tinker/", f"src/tinker_{number}/") for number in range(6))


def lines_of(app: ReviewApp) -> list[str]:
    """What the screen shows, styles included."""
    width, height = app.size
    return [str(line) for line in app.screen._compositor.render_strips()[:height]] or [str(width)]


async def settled(pilot: Pilot[None]) -> None:
    for _ in range(3):
        await pilot.pause()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("seed", range(2))
def test_a_screen_in_parts_is_the_screen_as_a_whole(seed: int) -> None:
    async def run() -> None:
        pick = random.Random(seed)
        app = ReviewApp(MemoryPort(sheet(1, diff=LONGER)), "P00001", now=lambda: NOW)
        async with app.run_test(size=(110, 30)) as pilot:
            await settled(pilot)
            for _ in range(8):
                keys = [pick.choice(MOVES) for _ in range(pick.randrange(1, 6))]
                await pilot.press(*keys)
                await settled(pilot)
                in_parts = lines_of(app)
                for view in app.screen.query(DiffView):
                    view.restyle()
                await settled(pilot)
                assert lines_of(app) == in_parts, keys

    asyncio.run(run())


def test_what_a_key_brings_into_sight_is_drawn_before() -> None:
    async def run() -> None:
        app = ReviewApp(MemoryPort(sheet(1, diff=LONGER)), "P00001", now=lambda: NOW)
        async with app.run_test(size=(110, 30)) as pilot:
            await settled(pilot)
            view = app.screen.query_one(DiffView)
            for _ in range(200):
                if all(row in view._drawn for row in view.coming()):
                    break
                await asyncio.sleep(0.02)
            wanted = [view.row_of(view.diff.hunks[view.hunk + 1].start), view.bottom_row() + 1]
            assert set(wanted) <= set(view._drawn)

    asyncio.run(run())
