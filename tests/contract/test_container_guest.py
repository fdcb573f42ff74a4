"""The guest's entry: what the host may send, what it refuses, and what each role gets to see."""

import io
import json
import tarfile

import pytest

from harness.container import (
    ENTRY_FAILED,
    ContainerSpec,
    Engine,
    Finished,
    ImageRef,
    Limits,
    Line,
    guest_argv,
    judge_image,
    profile_for,
    run_batch,
    stream,
)
from harness.errors import UsageError

pytestmark = pytest.mark.engine

MIB = 1024 * 1024
RUN = "test-guest"
PROFILE = profile_for(Limits(timeout=10, memory=256 * MIB, pids=32, output=MIB, work=16 * MIB))


def spec(image: ImageRef, env: dict[str, str] | None = None) -> ContainerSpec:
    return ContainerSpec(
        image=image.id, argv=guest_argv(image), profile=PROFILE, run_id=RUN, role="guest", env=env or {}
    )


def script(engine: Engine, image: ImageRef, files: dict[str, bytes], **header: object) -> Finished:
    return run_batch(engine, spec(image), stream({"role": "script", "path": "/work/main.py", **header}, files))


def test_script_sees_its_files_arguments_and_the_rest_of_stdin(engine: Engine, image: ImageRef) -> None:
    code = b"import sys, json; print(json.dumps([sys.argv, sys.stdin.read(), __name__, open('data/x').read()]))"
    sent = stream(
        {"role": "script", "path": "/work/main.py", "argv": ["a", "b c"]}, {"main.py": code, "data/x": b"inner"}
    )
    done = run_batch(engine, spec(image), sent + b"line one\nline two")
    assert json.loads(done.stdout) == [["/work/main.py", "a", "b c"], "line one\nline two", "__main__", "inner"]


def test_roots_come_last(engine: Engine, image: ImageRef) -> None:
    files = {
        "main.py": b"import json, pkg; print(pkg.NAME, json.__file__)",
        "src/pkg.py": b"NAME = 'from the tree'",
        "src/json.py": b"raise SystemExit('shadowed')",
    }
    done = script(engine, image, files, roots=["/work/src"])
    assert done.stdout.startswith(b"from the tree /usr")


def test_executable_bit_travels(engine: Engine, image: ImageRef) -> None:
    code = b"import os; print(os.access('tool', os.X_OK), os.access('plain', os.X_OK))"
    header = {"role": "script", "path": "/work/main.py"}
    files = {"main.py": code, "tool": b"#!/bin/sh\n", "plain": b""}
    assert run_batch(engine, spec(image), stream(header, files, executable=("tool",))).stdout == b"True False\n"


def test_serve_speaks_lines(engine: Engine, image: ImageRef) -> None:
    files = {
        "src/agent/__init__.py": b"",
        "src/agent/worker.py": b"import sys\nfor line in sys.stdin: print('got', line.strip(), __name__, flush=True)",
    }
    with engine.start(spec(image)) as session:
        session.send(stream({"role": "serve", "module": "agent.worker", "roots": ["/work/src"]}, files))
        session.send(b"hello\n")
        assert session.read_line(5) == Line(data=b"got hello __main__")


def test_tests_role_loads_the_supervisor_without_taking_the_name_tests(engine: Engine, image: ImageRef) -> None:
    files = {"tests/__init__.py": b"", "main.py": b"import tests, sys; print(tests.__file__, 'pytest' in sys.modules)"}
    done = script(engine, image, files, roots=["/work"])
    assert done.stdout == b"/work/tests/__init__.py False\n"


def test_warm_names_are_imported_and_absent_ones_ignored(engine: Engine, image: ImageRef) -> None:
    sent = stream(
        {"role": "script", "path": "/work/m.py"}, {"m.py": b"import sys; print('pytest' in sys.modules, sys.argv)"}
    )
    done = run_batch(engine, spec(image, {"HOLDPOINT_WARM": "nosuchmodule,pytest"}), sent)
    assert done.stdout == b"True ['/work/m.py']\n"


def test_pytest_is_there_with_bytecode_of_the_images_own_python(engine: Engine, image: ImageRef) -> None:
    code = b"import pytest, os; print(pytest.__version__, os.path.exists(pytest.__cached__))"
    assert script(engine, image, {"main.py": code}).stdout == b"9.2.0 True\n"


def test_a_pool_container_that_nobody_needed_ends_quietly(engine: Engine, image: ImageRef) -> None:
    done = run_batch(engine, spec(image), b"")
    assert (done.state.exit_code, done.stdout, done.stderr) == (0, b"", b"")


def tree(*entries: tuple[str, bytes, bytes]) -> bytes:
    """A tar of (name, type, link or content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, data in entries:
            entry = tarfile.TarInfo(name)
            entry.type = kind
            if kind == tarfile.REGTYPE:
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
            else:
                entry.linkname = data.decode()
                archive.addfile(entry)
    return out.getvalue()


REFUSED_TREES = {
    "parent": tree(("../x", tarfile.REGTYPE, b"")),
    "inner parent": tree(("a/../../x", tarfile.REGTYPE, b"")),
    "absolute": tree(("/work/x", tarfile.REGTYPE, b"")),
    "symlink": tree(("x", tarfile.SYMTYPE, b"/etc/passwd")),
    "hardlink": tree(("a", tarfile.REGTYPE, b""), ("x", tarfile.LNKTYPE, b"a")),
    "fifo": tree(("x", tarfile.FIFOTYPE, b"")),
    "device": tree(("x", tarfile.CHRTYPE, b"")),
    "twice": tree(("x", tarfile.REGTYPE, b"1"), ("x", tarfile.REGTYPE, b"2")),
    "file as folder": tree(("x", tarfile.REGTYPE, b""), ("x/y", tarfile.REGTYPE, b"")),
    "no tar": b"x" * 1024,
}


@pytest.mark.parametrize("what", REFUSED_TREES)
def test_trees_that_are_not_plain_files_are_refused(engine: Engine, image: ImageRef, what: str) -> None:
    data = REFUSED_TREES[what]
    header = {"v": 1, "role": "script", "path": "/work/main.py", "tar": len(data)}
    done = run_batch(engine, spec(image), json.dumps(header).encode() + b"\n" + data)
    assert done.state.exit_code == ENTRY_FAILED
    assert done.stderr.startswith(b"holdpoint guest: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "header",
    [b"{", b"[]", b'{"v":2,"role":"script","tar":0}', b'{"v":1,"role":"shell","tar":0}', b'{"v":1,"role":"script"}'],
)
def test_headers_that_are_none_are_refused(engine: Engine, image: ImageRef, header: bytes) -> None:
    done = run_batch(engine, spec(image), header + b"\n")
    assert (done.state.exit_code, done.stdout) == (ENTRY_FAILED, b"")
    assert done.stderr.startswith(b"holdpoint guest: ")


def test_a_tree_that_stops_early_is_refused(engine: Engine, image: ImageRef) -> None:
    done = run_batch(engine, spec(image), b'{"v":1,"role":"script","tar":100}\nshort')
    assert done.state.exit_code == ENTRY_FAILED
    assert b"after 5 of 100 bytes" in done.stderr


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a//b", "a/./b", ""])
def test_the_host_sends_no_such_path(path: str) -> None:
    with pytest.raises(UsageError, match="cannot be sent"):
        stream({"role": "script"}, {path: b""})


LOOK = b"""
import json, os
found = {}
for folder, _, names in os.walk("/judge"):
    found[folder] = oct(os.stat(folder).st_mode & 0o777)
    for name in names:
        path = f"{folder}/{name}"
        state = os.lstat(path)
        found[path] = os.readlink(path) if os.path.islink(path) else [oct(state.st_mode & 0o777), state.st_uid]
def refused(act):
    try: act()
    except OSError as error: return type(error).__name__
    return "done"
found["write"] = refused(lambda: open("/judge/tests/test_a.py", "w"))
found["chmod"] = refused(lambda: os.chmod("/judge/tests/test_a.py", 0o777))
found["remove"] = refused(lambda: os.unlink("/judge/tests/test_a.py"))
found["add"] = refused(lambda: open("/judge/conftest.py", "w"))
found["cwd"] = os.getcwd()
found["through"] = open("/judge/src/pkg/mod.py").read()
print(json.dumps(found))
"""


def test_judge_image_holds_the_base_read_only_and_the_scope_as_links(engine: Engine, image: ImageRef) -> None:
    judge = judge_image(
        engine,
        image,
        {"tests/test_a.py": b"base", "run.sh": b"#!/bin/sh\n", "src/pkg/mod.py": b"never seen"},
        {"src/pkg/mod.py": "/work/src/pkg/mod.py"},
        {"run.sh"},
    )
    files = {"main.py": LOOK, "src/pkg/mod.py": b"the candidate's"}
    done = run_batch(engine, spec(judge), stream({"role": "script", "path": "/work/main.py"}, files))
    found = json.loads(done.stdout)
    assert found["/judge/tests/test_a.py"] == ["0o444", 0]
    assert found["/judge/run.sh"] == ["0o555", 0]
    assert found["/judge/tests"] == "0o555"
    assert found["/judge/src/pkg/mod.py"] == "/work/src/pkg/mod.py"
    assert found["through"] == "the candidate's"
    assert found["cwd"] == "/judge"
    assert {found["write"], found["add"], found["remove"]} == {"OSError"}
    assert found["chmod"] in {"PermissionError", "OSError"}


def test_equal_content_is_one_image_and_other_content_another(engine: Engine, image: ImageRef) -> None:
    one = judge_image(engine, image, {"a": b"1", "b": b"2"})
    assert judge_image(engine, image, {"b": b"2", "a": b"1"}) == one
    assert judge_image(engine, image, {"a": b"1", "b": b"3"}).id != one.id
    assert judge_image(engine, image, {"a": b"1", "b": b"2"}, executable={"a"}).id != one.id
    assert judge_image(engine, image, {"a": b"1"}, {"b": "/work/b"}).id != one.id
