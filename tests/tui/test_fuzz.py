"""No way of pressing keys approves in fewer steps than the protocol has: on the pure parts, and on the real screen."""

import asyncio
import random
from dataclasses import replace
from time import monotonic

import pytest
from keyboard import LONG, REASON, SHORT, Keyboard, Press, attempt, script, shortcut
from memory_port import NOW, MemoryPort, sheet
from textual import events

from harness.records import Finding, ReviewSheet
from harness.tui.app import ReviewApp

GRAVE = tuple(
    Finding(rule=f"rule-{number}", severity="high", path="src/tinker/policy.py", line=15 + number, message="look here")
    for number in range(2)
)


def tried() -> ReviewSheet:
    """A sheet with three hunks and two findings to acknowledge."""
    return sheet(1, findings=GRAVE)


def answered(keys: list[Press]) -> bool:
    """Whether these keys end in an approval, without a screen."""
    board = Keyboard(tried())
    for one in keys:
        board.press(one)
    board.rest()
    return board.approved


def pure(count: int) -> None:
    pick = random.Random(7)
    approved = 0
    for number in range(count):
        keys = attempt(pick, 3, 2)
        if answered(keys):
            approved += 1
            assert shortcut(keys, 3, 2) == "", (number, keys)
    assert count * 0.02 < approved < count * 0.7  # both ways out are tried


def test_random_keys_on_the_pure_machine() -> None:
    pure(500)


@pytest.mark.soak
def test_ten_thousand_random_sequences_on_the_pure_machine() -> None:
    pure(10_000)


def test_every_single_step_is_needed() -> None:
    keys = script(3, 2)
    assert answered(keys)
    last = len(keys) - 1
    opened = keys.index(Press("A"))
    for number in [*range(opened + 1), last]:
        assert not answered([*keys[:number], *keys[number + 1 :]]), keys[number]
    for number in [*(n for n in range(opened + 1) if keys[n].key in "aA4"), last]:
        burst = [*keys[: number + 1], Press("j", SHORT), *keys[number + 1 :]]
        assert not answered(burst), f"{keys[number]} counts although more was typed right behind it"
    for number in [opened + 1, last - len(REASON) - 1]:
        pasted = [*keys[:number], Press("pasted", paste=True), *keys[number + 1 :]]
        assert not answered(pasted), "a field was filled by pasting"


async def _play(keys: list[Press], dead: float) -> tuple[bool, list[Press]]:
    """Whether these keys approve, and when they really came: a busy machine presses nothing in a burst."""
    port = MemoryPort(tried())
    came: list[Press] = []
    app = ReviewApp(port, "P00001", now=lambda: NOW)
    app.guard.dead = dead
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.pause()
        await asyncio.sleep(dead * 1.2)
        last = monotonic()
        for one in keys:
            await asyncio.sleep(max(dead * 1.2, 0.12) if one.gap == LONG else 0)
            last, before = monotonic(), last
            came.append(replace(one, gap=last - before))
            if one.paste:
                app.post_message(events.Paste(one.key))
            else:
                names = {" ": "space", "\r": "enter", "\t": "tab", "\x1b": "escape", "?": "question_mark"}
                if one.gap == SHORT:
                    app.simulate_key(names.get(one.key, one.key))
                else:
                    await pilot.press(names.get(one.key, one.key))
            if not app.is_running:
                break
        await asyncio.sleep(0.15)
        await pilot.pause()
    return any(one.decision == "approve" for one in port.decisions), came


def real(count: int, seed: int) -> None:
    pick = random.Random(seed)
    approved = 0
    for _ in range(count):
        answer, came = asyncio.run(_play(attempt(pick, 3, 2), 0.1))
        if answer:
            approved += 1
            assert shortcut(came, 0, 2) == "", came  # a page may show several hunks
    assert approved < count


def test_the_script_approves_on_the_real_screen_and_random_keys_take_no_short_cut() -> None:
    assert asyncio.run(_play(script(3, 2), 0.1))[0]
    real(1, seed=3)


@pytest.mark.soak
def test_a_hundred_random_sequences_on_the_real_screen() -> None:
    real(100, seed=11)
