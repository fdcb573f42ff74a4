"""First program in every container: reads a header and a tree from stdin, then hands over to one role.

Standard library only. It trusts the host's header and nothing in the tree; it judges nothing.
"""

import importlib
import importlib.util
import io
import json
import os
import runpy
import sys
import tarfile
import types
from pathlib import Path

WORK = "/work"
JUDGE = "/judge"
HOME = "/opt/holdpoint"
SITES = (f"{HOME}/target", f"{HOME}/site")
LONGEST_HEADER = 1024 * 1024
REFUSED = 97


class RefusedInputError(Exception):
    """Header or tree are not what the host promised."""


def main():
    sys.path.extend(site for site in SITES if Path(site).is_dir())
    warm(os.environ.get("HOLDPOINT_WARM", ""))
    if os.environ.pop("HOLDPOINT_PIPES", ""):
        shorten()
    try:
        header = read_header(sys.stdin.buffer)
        unpack(read_exactly(sys.stdin.buffer, header["tar"]), WORK)
        role = ROLES[header["role"]]
    except (RefusedInputError, KeyError, OSError, tarfile.TarError) as error:
        print(f"holdpoint guest: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return REFUSED
    sys.path.extend(root for root in header.get("roots", ()) if root not in sys.path)
    return role(header)


def shorten():
    """Offers the host pipes in the place of stdin and stdout, while no file of an arm is here yet."""
    inward, outward = os.pipe(), os.pipe()
    os.write(1, json.dumps({"pipes": [inward[1], outward[0]]}).encode() + b"\n")
    taken = os.read(0, 2) == b"1\n"  # not through sys.stdin, which might read ahead
    if taken:
        os.dup2(inward[0], 0)
        os.dup2(outward[1], 1)
    for end in (*inward, *outward):
        os.close(end)


def warm(names):
    """Imports what the role will need while the container waits; what is not installed is not needed."""
    for name in filter(None, names.split(",")):
        try:
            importlib.import_module(name)
        except ImportError:
            continue


def read_header(source):
    line = source.readline(LONGEST_HEADER)
    if not line:
        # The pool closes containers that nobody needed.
        raise SystemExit(0)
    try:
        header = json.loads(line)
    except ValueError as error:
        raise RefusedInputError(f"the header is no JSON ({error})") from None
    if not isinstance(header, dict) or header.get("v") != 1:
        raise RefusedInputError("the header is not version 1")
    if header.get("role") not in ROLES or not isinstance(header.get("tar"), int) or header["tar"] < 0:
        raise RefusedInputError("the header lacks role or tar")
    return header


def read_exactly(source, size):
    data = source.read(size) if size else b""
    if len(data) != size:
        raise RefusedInputError(f"the tree ended after {len(data)} of {size} bytes")
    return data


def unpack(data, root):
    """Regular files only, each path new and below root."""
    if not data:
        return
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for entry in archive:
            parts = entry.name.split("/")
            if not entry.isreg() or any(part in {"", ".", ".."} for part in parts):
                raise RefusedInputError(f"the tree holds {entry.name!r}, which is no plain file below {root}")
            path = Path(root, entry.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as out:
                out.write(archive.extractfile(entry).read())
            path.chmod(0o755 if entry.mode & 0o100 else 0o644)


def run_script(header):
    """Runs one file as the main program; stdin and stdout stay the container's."""
    enter()
    sys.argv = [header["path"], *header.get("argv", ())]
    runpy.run_path(header["path"], run_name="__main__")
    return 0


def run_suite(header):
    """Runs a benchmark suite that the target has; stdout is the container's."""
    enter()
    return part("suites").main(header)


def serve(header):
    """Runs one module as the main program; the line protocol is its stdin and stdout."""
    enter()
    sys.argv = [header["module"]]
    runpy.run_module(header["module"], run_name="__main__", alter_sys=True)
    return 0


def run_tests(header):
    """Hands over to the test supervisor, loaded by path so that no name of the target is taken."""
    enter()
    name = "holdpoint_guest_tests"
    spec = importlib.util.spec_from_file_location(name, f"{HOME}/guest/tests.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module.main(header)


def run_oracle(header):
    """The base's tests without the candidate's code; the worker is elsewhere."""
    enter()
    return part("oracle").main(header)


def run_worker(header):
    """The candidate's code, called from the oracle through the host; it needs no package that is only ours."""
    os.chdir(WORK)
    sys.path[:] = [place for place in sys.path if place != f"{HOME}/site"]
    return part("worker").main(header)


def part(name):
    """A guest module that has others beside it; none of their names is one of the target's."""
    package = types.ModuleType("holdpoint_guest")
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules["holdpoint_guest"] = package
    return importlib.import_module(f"holdpoint_guest.{name}")


def enter():
    os.chdir(JUDGE if Path(JUDGE).is_dir() else WORK)


ROLES = {
    "script": run_script,
    "suite": run_suite,
    "serve": serve,
    "tests": run_tests,
    "oracle": run_oracle,
    "worker": run_worker,
}

if __name__ == "__main__":
    sys.exit(main())
