"""Makes the attackers' tools importable, and gives each attack a target of its own."""

import sys
from pathlib import Path

import pytest
from gate_stage import Stage, build

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return build(tmp_path)
