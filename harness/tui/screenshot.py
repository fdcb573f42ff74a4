"""A picture of the review screen as SVG, made by the program itself without a terminal, for README and docs."""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime

from harness.tui.app import ReviewApp, utc_now
from harness.tui.guard import DEAD_AFTER_PAINT, QUIET_AFTER_KEY
from harness.tui.port import ReviewerPort

WAIT = "wait"
# Rich's template loads its font from outside; a picture in a repository must not.
_OUTSIDE_FONT = re.compile(r"@font-face\s*\{[^}]*\}\s*")


def render_svg(
    port: ReviewerPort,
    proposal: str | None,
    size: tuple[int, int] = (140, 40),
    *,
    keys: tuple[str, ...] = (),
    now: Callable[[], datetime] = utc_now,
) -> str:
    """The queue, or one proposal, at a size in columns and rows, after some keys; needs no terminal and no network.

    The key `WAIT` lets the time pass in which decision keys are dead.
    """
    return asyncio.run(_picture(ReviewApp(port, proposal, now=now), size, keys))


async def _picture(app: ReviewApp, size: tuple[int, int], keys: tuple[str, ...]) -> str:
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for key in keys:
            if key == WAIT:
                await pilot.pause(DEAD_AFTER_PAINT + QUIET_AFTER_KEY)
            else:
                await pilot.press(key)
            await pilot.pause()
        drawn = app.export_screenshot(title="holdpoint review")
    style, rest = drawn.split("</style>", 1)
    # Without this attribute some viewers fold runs of spaces, and code loses its indentation.
    style = style.replace("<svg ", '<svg xml:space="preserve" ', 1)
    return _OUTSIDE_FONT.sub("", style) + "</style>" + rest
