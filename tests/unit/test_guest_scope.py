"""A package that pytest brings along by the name of one in scope is not what the tests import."""

import subprocess
import sys
from pathlib import Path

GUEST = Path(__file__).parents[2] / "sandbox" / "guest" / "scope.py"
PROGRAM = """
import importlib.util, sys
guest, site, root = sys.argv[1:]
sys.path[:0] = [site]
sys.path.append(root)
import thing, kept
held = thing
spec = importlib.util.spec_from_file_location("scope", guest)
scope = importlib.util.module_from_spec(spec)
spec.loader.exec_module(scope)
scope.prefer(["thing", "own"], [root], [site, "/nowhere"])
import own, thing, thing.part
again = sys.modules["kept"]
print(held.WHO, thing.WHO, thing.part.WHO, own.WHO, again is kept, len(sys.meta_path[0].packages))
"""


def test_the_scope_goes_before_what_is_installed_and_only_there(tmp_path: Path) -> None:
    for who in ("site", "arm"):
        (tmp_path / who / "thing").mkdir(parents=True)
        (tmp_path / who / "thing" / "__init__.py").write_text(f"WHO = {who!r}\n")
        (tmp_path / who / "thing" / "part.py").write_text(f"WHO = {who!r}\n")
    (tmp_path / "site" / "kept.py").write_text("")
    (tmp_path / "arm" / "own.py").write_text("WHO = 'arm'\n")
    command = [sys.executable, "-I", "-c", PROGRAM, str(GUEST), str(tmp_path / "site"), str(tmp_path / "arm")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["site", "arm", "arm", "arm", "True", "1"]
