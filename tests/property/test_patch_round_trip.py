"""Any patch survives its own diff, and no input of any kind gets past as something else."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.patch import Malformed, counts, from_diff, from_edits, from_overlay, path_fault, unified
from harness.patch.diff import changes, lines
from harness.records import FileEdit, Patch

LINES = st.lists(
    st.sampled_from(["a", "b", "c", "", " ", "\\ No newline", "-x", "+x", "@@ -1 +1 @@", "\r", "\x0c", "é"]),
    max_size=12,
)
TEXT = st.builds(lambda parts, end: "\n".join(parts) + end, LINES, st.sampled_from(["", "\n"]))
ANY = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
PATHS = st.sampled_from(["a.py", "d/b.py", "d/e f.py", "ü.py", "z"])
SIDES = st.one_of(st.none(), TEXT, ANY)
PATCHES = st.dictionaries(PATHS, st.tuples(SIDES, SIDES).filter(lambda pair: pair[0] != pair[1]), min_size=1).map(
    lambda found: Patch(edits=tuple(FileEdit(path=p, before=b, after=a) for p, (b, a) in sorted(found.items())))
)


def base_of(patch: Patch) -> dict[str, bytes]:
    return {edit.path: edit.before.encode() for edit in patch.edits if edit.before is not None}


@given(PATCHES)
@settings(deadline=None)
def test_a_patch_survives_its_diff(patch: Patch) -> None:
    diff = unified(patch)
    assert from_diff(diff, base_of(patch).get) == patch
    assert from_diff(diff.encode(), base_of(patch).get) == patch
    signs = [line[:1] for line in diff.split("\n") if line[:4] not in ("--- ", "+++ ")]
    added, removed = counts(patch)
    assert added >= signs.count("+") or removed >= signs.count("-")


@given(PATCHES)
@settings(deadline=None)
def test_overlay_and_edits_make_the_same_patch(patch: Patch) -> None:
    read = base_of(patch).get
    files = {edit.path: edit.after.encode() for edit in patch.edits if edit.after is not None}
    gone = [edit.path for edit in patch.edits if edit.after is None]
    assert from_overlay(files, gone, read) == patch
    edits = [
        {"path": e.path, "delete": True} if e.after is None else {"path": e.path, "content": e.after}
        for e in patch.edits
    ]
    document = {"schema": "holdpoint/edits/1", "title": "t", "author": "a", "edits": edits}
    assert from_edits(json.dumps(document).encode(), read) == patch


@given(TEXT | ANY, TEXT | ANY)
@settings(deadline=None)
def test_changes_rebuild_the_other_side(before: str, after: str) -> None:
    a, b = lines(before), lines(after)
    assert "".join(a) == before
    rebuilt: list[str] = []
    at = 0
    for a0, a1, b0, b1 in changes(a, b):
        assert at <= a0 <= a1
        assert (a0, b0) != (a1, b1)
        rebuilt += a[at:a0] + b[b0:b1]
        at = a1
    assert rebuilt + a[at:] == b


@given(PATCHES, st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_diff_is_refused_or_says_what_it_does(patch: Patch, data: st.DataObject) -> None:
    diff = unified(patch)
    place = data.draw(st.integers(0, len(diff) - 1))
    damaged = diff[:place] + data.draw(st.sampled_from(["", "x", "\n", "-", "@", "\0", "\u202e"])) + diff[place + 1 :]
    found = from_diff(damaged, base_of(patch).get)
    if isinstance(found, Malformed):
        assert found.why
    else:
        assert from_diff(unified(found), base_of(patch).get) == found


@given(st.text(max_size=80))
@example("a\xa0b")
@settings(deadline=None)
def test_a_path_is_plain_or_refused(path: str) -> None:
    if path_fault(path) is None:
        assert not path.startswith(("/", "-"))
        assert path.isprintable()
        assert not {"", ".", "..", ".git"} & set(path.casefold().split("/"))


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(deadline=None)
def test_noise_is_malformed(noise: bytes) -> None:
    assert isinstance(from_edits(noise, {}.get), Malformed)
    assert isinstance(from_diff(noise, {}.get), Malformed)
