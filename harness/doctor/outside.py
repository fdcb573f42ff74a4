"""Runs a probe's program outside any container, as the control of protections that no setting can take off.

A child process with a deadline, in a folder where nothing is; each program is bounded in count and time by itself.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from harness.doctor.bench import program_text
from harness.doctor.probe import Blocked, Fired, Outcome, Unclear

_DEADLINE = 10.0  # seconds


def argv_outside(program: str, args: Mapping[str, Any]) -> list[str]:
    """The command that runs sandbox/probes/PROGRAM.py with this Python."""
    return [sys.executable, "-I", "-B", "-c", program_text(program), json.dumps(dict(args))]


def outside(program: str, args: Mapping[str, Any], keep: tuple[int, ...] = ()) -> Outcome:
    """The program's own word; it gets the descriptors in `keep` beside the three that everybody has."""
    try:
        done = subprocess.run(
            argv_outside(program, args),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={},
            cwd="/",
            pass_fds=keep,
            timeout=_DEADLINE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Unclear(detail=f"outside, the program did not end within {_DEADLINE:.0f} s")
    if done.returncode != 0:
        return Unclear(detail=f"outside, the program failed: {done.stderr.decode(errors='replace').strip()[-200:]}")
    said = json.loads(done.stdout)
    return Fired(detail=said["detail"]) if said["fired"] else Blocked(detail=said["detail"])
