"""The evidence store keeps what it acknowledged and notices what was changed."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.errors import EnvironmentFault, IntegrityError
from harness.evidence import EvidenceStore
from harness.records import ContainerState, Evidence, TestsResult, TrialRecord, canonical_json, sha256


def bundle() -> Evidence:
    state = ContainerState(exit_code=0, oom_killed=False, timed_out=False, output_capped=False, seconds=0.5)
    empty = sha256(b"")
    trial = TrialRecord(
        arm="candidate", purpose="tests", image=empty, profile=empty, argv=("py",), state=state,
        stdout=empty, stderr=empty,
    )  # fmt: skip
    return Evidence(
        proposal="P00001", proposal_digest=empty, base="0" * 40, commit="1" * 40, merge="2" * 40,
        tree="3" * 40, manifest=empty, diff=empty, policy=empty, config=empty, image=empty, profile=empty, findings=(),
        tests=TestsResult(expected=1, passed=1), effects=(), alarms=(), trials=(trial,), verdict="pass",
        reasons=("ü\u202e",), finished=datetime(2026, 1, 2, tzinfo=UTC),
    )  # fmt: skip


def stored_file(root: Path) -> Path:
    (path,) = [p for p in root.rglob("*") if p.is_file()]
    return path


def test_what_went_in_comes_out_once(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path / "evidence")
    digest = store.put(b"\x00\xff" * 1000)
    assert digest == sha256(b"\x00\xff" * 1000)
    assert store.put(b"\x00\xff" * 1000) == digest
    assert store.get(digest) == b"\x00\xff" * 1000
    assert stored_file(tmp_path).stat().st_mode & 0o777 == 0o444


def test_evidence_round_trips_and_its_digest_is_of_the_canonical_bytes(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    digest = store.put_evidence(bundle())
    assert store.evidence(digest) == bundle()
    assert digest == sha256(canonical_json(bundle()))


@pytest.mark.parametrize(
    "tamper",
    [
        lambda data: data[:-1],
        lambda data: data + b"\n",
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda _: b"",
    ],
)
def test_changed_bytes_are_noticed_and_healed_by_storing_again(
    tmp_path: Path, tamper: Callable[[bytes], bytes]
) -> None:
    store = EvidenceStore(tmp_path)
    digest = store.put_evidence(bundle())
    path = stored_file(tmp_path)
    path.chmod(0o600)
    path.write_bytes(tamper(path.read_bytes()))
    with pytest.raises(IntegrityError, match="changed"):
        store.evidence(digest)
    assert store.put_evidence(bundle()) == digest
    assert store.evidence(digest) == bundle()


def test_missing_and_foreign_names(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    with pytest.raises(IntegrityError, match="holds nothing"):
        store.get(sha256(b"never stored"))
    for name in ("", "../../etc/passwd", "sha256:../..", "sha256:" + "A" * 64, "sha256:" + "a" * 64 + "\n"):
        with pytest.raises(IntegrityError, match="no SHA-256"):
            store.get(name)
    with pytest.raises(IntegrityError, match="no evidence record"):
        store.evidence(store.put(b'{"schema":"holdpoint/evidence/1"}'))


def test_a_failed_write_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_bytes(b"a file where the folder should be")
    with pytest.raises(EnvironmentFault, match="could not be written"):
        EvidenceStore(tmp_path / "evidence").put(b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["evidence"]
