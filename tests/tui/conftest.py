"""Makes the in-memory port importable by name, for the tests here and for the programs they start in a terminal."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from terminals import Open, program_at

from tests.shared.terminal import Terminal


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Open]:
    """Opens the screen over a named port at a size; what is still open at the end is ended."""
    opened: list[Terminal] = []

    def start(name: str, size: tuple[int, int] = (80, 24), **environ: str) -> Terminal:
        opened.append(program_at(tmp_path, name, size, **environ))
        return opened[-1]

    yield start
    for terminal in opened:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()
