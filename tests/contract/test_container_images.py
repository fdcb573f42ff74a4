"""The sandbox image: what is fetched, checked and built, and what is not fetched twice; no network is used."""

import base64
import csv
import hashlib
import io
import time
import zipfile
from pathlib import Path

import pytest

from harness.container import (
    ContainerSpec,
    Engine,
    Limits,
    check_lock,
    ensure_sandbox_image,
    guest_argv,
    profile_for,
    run_batch,
    stream,
)
from harness.container.base import base_image
from harness.errors import EnvironmentFault, HoldpointError, UsageError

HASH = "--hash=sha256:" + "0" * 64
MIB = 1024 * 1024


def silent(_: str) -> None:
    """Reports nothing."""


def wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> str:
    """A wheel in `folder`; answers the line that locks it."""
    info = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.writerow([path, f"sha256={digest}", len(text.encode())])
    rows.writerow([f"{info}/RECORD", "", ""])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in [*content.items(), (f"{info}/RECORD", record.getvalue())]:
            archive.writestr(zipfile.ZipInfo(inner), text)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is all pip can see; the user's cache is elsewhere and empty."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.mark.engine
def test_a_known_image_is_not_made_again(engine: Engine) -> None:
    first = ensure_sandbox_image(engine, silent)
    said: list[str] = []
    began = time.monotonic()
    assert ensure_sandbox_image(engine, said.append) == first
    assert time.monotonic() - began < 1
    assert said == []


@pytest.mark.engine
def test_the_targets_wheels_come_before_the_sandboxes_own(engine: Engine, shelf: Path) -> None:
    lock = wheel(shelf, "tinydep", "1.2", {"tinydep/__init__.py": "ANSWER = 42\n", "py.py": "OURS = True\n"})
    said: list[str] = []
    # Not a lock seen before: the engine keeps the images of earlier runs.
    comment = f"# {time.time_ns()}\n"
    image = ensure_sandbox_image(engine, said.append, (comment + lock).encode(), "requirements.lock")
    try:
        assert any("requirements.lock" in text for text in said)
        code = b"import tinydep, py, os; print(tinydep.ANSWER, py.OURS, os.path.exists(tinydep.__cached__))"
        spec = ContainerSpec(
            image=image.id,
            argv=guest_argv(image),
            profile=profile_for(Limits(timeout=10)),
            run_id="test-images",
            role="t",
        )
        done = run_batch(engine, spec, stream({"role": "script", "path": "/work/m.py"}, {"m.py": code}))
        assert done.stdout == b"42 True True\n", done.stderr

        # Known to the engine: nothing is fetched. Unknown to it: the cache has the wheels.
        for path in shelf.iterdir():
            path.unlink()
        assert ensure_sandbox_image(engine, said.append, (comment + lock).encode()) == image
        engine.images.discard(image.tag)
        assert ensure_sandbox_image(engine, silent, (comment + lock).encode()).tag == image.tag
    finally:
        engine.images.discard(image.tag)


@pytest.mark.engine
def test_requirements_that_lock_nothing_add_no_layer(engine: Engine) -> None:
    assert ensure_sandbox_image(engine, silent, b"# nothing\n\n") == ensure_sandbox_image(engine, silent)


@pytest.mark.engine
def test_a_wheel_that_is_not_the_locked_one_is_refused(engine: Engine, shelf: Path) -> None:
    wheel(shelf, "tinydep", "1.3", {"tinydep/__init__.py": "ANSWER = 43\n"})
    with pytest.raises(EnvironmentFault, match=r"could not fetch the wheels of reqs\.lock: .*HASHES") as caught:
        ensure_sandbox_image(engine, silent, f"tinydep==1.3 {HASH}\n".encode(), "reqs.lock")
    assert "reqs.lock" in caught.value.next_step


@pytest.mark.engine
def test_a_wheel_that_nobody_has_is_one_sentence(engine: Engine, shelf: Path) -> None:
    with pytest.raises(EnvironmentFault, match="could not fetch the wheels") as caught:
        ensure_sandbox_image(engine, silent, f"nosuchthing==1.0 {HASH}\n".encode())
    assert "\n" not in str(caught.value)


@pytest.mark.engine
def test_a_bad_lock_is_refused_before_anything_is_done(engine: Engine) -> None:
    said: list[str] = []
    with pytest.raises(UsageError):
        ensure_sandbox_image(engine, said.append, b"requests\n")
    assert said == []


@pytest.mark.engine
def test_a_named_base_image_is_used_as_it_is(engine: Engine) -> None:
    ours = base_image(engine, silent, {})
    named = base_image(engine, silent, {"HOLDPOINT_BASE_IMAGE": ours.tag})
    assert (named.id, named.python) == (ours.id, "/usr/bin/python3")


@pytest.mark.engine
def test_a_named_base_image_without_digest_is_not_fetched(engine: Engine) -> None:
    with pytest.raises(UsageError, match="has no digest to fetch it by"):
        base_image(engine, silent, {"HOLDPOINT_BASE_IMAGE": "python:3.11-slim"})


@pytest.mark.engine
def test_a_base_image_that_cannot_be_fetched_is_one_sentence(engine: Engine) -> None:
    # Port 1 of this machine: nobody listens.
    named = "127.0.0.1:1/python@sha256:" + "0" * 64
    with pytest.raises(EnvironmentFault, match="connection refused") as caught:
        base_image(engine, silent, {"HOLDPOINT_BASE_IMAGE": named})
    assert caught.value.next_step.startswith("unset HOLDPOINT_BASE_IMAGE")


@pytest.mark.parametrize(
    ("lock", "names"),
    [
        ("", ()),
        ("# only words\n", ()),
        (f"a==1 {HASH}\n", ("a",)),
        (f"A.b_c-d==1.0.post1+local  {HASH} {HASH}\n", ("a.b_c-d",)),
        (f"a[x, y]==1 ; python_version < '3.13' {HASH}\n", ("a",)),
        (f"a==1 \\\n    {HASH} \\\n    {HASH}\n    # via b\nb==2 {HASH}", ("a", "b")),
        (f"a==1 {HASH}  # why\n\nb==2 \\\n  {HASH}", ("a", "b")),
    ],
)
def test_locks(lock: str, names: tuple[str, ...]) -> None:
    assert check_lock(lock.encode(), "r.txt") == names


@pytest.mark.parametrize(
    "line",
    [
        "a",
        "a==1",
        "a>=1 " + HASH,
        "a==1.* " + HASH,
        "a==1 --hash=md5:00",
        "a==1 --hash=sha256:00",
        f"a==1 {HASH} --index-url=x",
        f"a==1 {HASH} --config-settings=x",
        "--index-url x",
        "-r other.txt",
        "-e .",
        f"a @ file:///x {HASH}",
        f"a==1 ; x @ y {HASH}",
        f"./a.whl {HASH}",
        f"a==1 {HASH}\\",
        "a==1 \\",
        f"-c x {HASH}",
        f"a==1 ; {HASH} --trusted-host x {HASH}",
    ],
)
def test_lines_that_lock_nothing_are_refused_with_file_and_line(line: str) -> None:
    lock = f"# first\nok==1 {HASH}\n{line}\n"
    if line.endswith(f"{HASH}\\"):
        # A last line that is continued by nothing is the same line.
        assert check_lock(lock.encode(), "r.txt") == ("ok", "a")
        return
    with pytest.raises(UsageError, match=r"r\.txt, line 3: found ") as caught:
        check_lock(lock.encode(), "r.txt")
    assert isinstance(caught.value, HoldpointError)


def test_a_lock_that_is_no_text_is_refused() -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        check_lock(b"\xff", "r.txt")
