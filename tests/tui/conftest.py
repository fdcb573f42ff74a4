"""Makes the in-memory port importable by name, for the tests here and for the programs they start in a terminal."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
