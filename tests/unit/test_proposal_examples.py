"""The shipped examples do to the policy what their meta.json says, against the shipped target; nothing of them runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.data import data_dir
from harness.limited import Limited
from harness.patch import EditsDocument, Malformed, edits_schema, from_diff, from_edits, from_overlay, parse_edits
from harness.policy import blocked, check, load_policy, open_inspector
from harness.records import Finding, Patch
from harness.target import parse_config

EXAMPLES = data_dir("proposals") / "examples"
TINKER = data_dir("examples") / "tinker"
KINDS = {"good": {"accepted"}, "malformed": {"refused"}, "hostile": {"refused", "failed"}}
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/*/meta.json"))


@pytest.fixture(scope="module")
def inspector() -> Iterator[Limited]:
    with open_inspector() as child:
        yield child


def read(path: str) -> bytes | None:
    return (TINKER / path).read_bytes() if (TINKER / path).is_file() else None


def built(folder: Path) -> Patch | Malformed:
    overlay = folder / "overlay"
    if overlay.is_dir():
        files = [path for path in overlay.rglob("*") if path.is_file()]
        return from_overlay({str(p.relative_to(overlay)): p.read_bytes() for p in files}, (), read)
    if (folder / "change.diff").is_file():
        return from_diff((folder / "change.diff").read_bytes(), read)
    return from_edits((folder / "edits.json").read_bytes(), read)


def found(patch: Patch, inspector: Limited) -> tuple[Finding, ...]:
    config = parse_config((TINKER / "holdpoint.toml").read_text())
    policy, _ = load_policy(config.policy.use, read)
    return check(patch, policy, config, "agent", inspector)


def test_there_are_enough_of_each_kind() -> None:
    count = {kind: len([f for f in FOLDERS if f.parent.name == kind]) for kind in KINDS}
    assert set(count) == {folder.name for folder in EXAMPLES.iterdir()}
    assert count["good"] >= 3
    assert count["malformed"] >= 6
    assert count["hostile"] >= 10


@pytest.mark.parametrize("folder", [pytest.param(folder, id=folder.name) for folder in FOLDERS])
def test_an_example_does_what_it_says(folder: Path, inspector: Limited) -> None:
    meta = json.loads((folder / "meta.json").read_bytes())
    assert set(meta) == {"title", "expect", "why"}
    assert meta["expect"] in KINDS[folder.parent.name]
    inputs = {path.name for path in folder.iterdir()} - {"meta.json"}
    assert len(inputs) == 1
    assert inputs < {"overlay", "edits.json", "change.diff"}
    patch = built(folder)
    if isinstance(patch, Malformed):
        assert meta["expect"] == "refused"
        return
    findings = found(patch, inspector)
    assert blocked(findings) == (meta["expect"] == "refused"), findings
    named = meta["why"].rstrip(".").rpartition("(")[2].rstrip(")").split(", ") if meta["why"].endswith(").") else []
    assert set(named) <= {finding.rule for finding in findings if finding.blocking}


@pytest.mark.parametrize("kind", ["good", "hostile"])
def test_these_are_well_formed(kind: str) -> None:
    for folder in FOLDERS:
        if folder.parent.name == kind:
            assert isinstance(built(folder), Patch), folder.name
            if (folder / "edits.json").is_file():
                document = parse_edits((folder / "edits.json").read_bytes())
                assert isinstance(document, EditsDocument)
                assert document.title == json.loads((folder / "meta.json").read_bytes())["title"]


def test_the_schema_is_in_step_with_the_record() -> None:
    assert (data_dir("proposals") / "schema.json").read_text() == edits_schema(), (
        "write edits_schema() to proposals/schema.json"
    )
