"""Whatever arrives as an archive of artifacts, only whole, plain, small files of the allow-list come out of it."""

import io
import itertools
import tarfile
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.container.artifacts import Artifact, ArtifactLimits, ArtifactReader, Refused
from harness.patch.paths import path_fault
from harness.policy.globs import allows, fold
from harness.text import visible_line

ALLOWED = ("report/*.xml", "out/**")
LIMITS = ArtifactLimits(file=3000, total=5000, count=3, refusals=5)
HOSTILE = settings(max_examples=150, deadline=None)

NAMES = st.one_of(
    st.sampled_from(
        [
            "report/a.xml", "report/A.xml", "report/b.xml", "out/x", "out/x/y", "out/X", "out", "report/a.xml/z",
            "/report/a.xml", "../report/a.xml", "out/../../etc/passwd", "out/./x", "out//x", "out/.git/hooks/x",
            "out/\x1b]52;c;aGk=\x07", "out/a\rb", "out/a\nb", "out/\u202egpj", "out/\u200b", "-rf", "C:\\x", "out/a:b",
            "", ".", "..", "elsewhere", "out/" + "d/" * 60 + "x", "out/" + "n" * 300, "out/ﬁ", "out/e\u0301",
        ]
    ),
    st.text(max_size=30).map(lambda text: "out/" + text.replace("\0", "")),
    st.integers(0, 9).map(lambda number: f"out/{number}"),
)  # fmt: skip
KINDS = st.sampled_from([bytes([kind]) for kind in b"\x001234567BUxgLKS"])


@st.composite
def entries(draw: st.DrawFn) -> bytes:
    """An archive that Python's own writer makes of hostile entries, in one of its three formats."""
    out = io.BytesIO()
    form = draw(st.sampled_from([tarfile.USTAR_FORMAT] * 3 + [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for _ in range(draw(st.integers(0, 12))):
            entry = tarfile.TarInfo(draw(NAMES))
            entry.type = draw(KINDS) if draw(st.integers(0, 4)) == 4 else tarfile.REGTYPE
            entry.mode = draw(st.sampled_from([0o644, 0o4777, 0]))
            entry.linkname = draw(st.sampled_from(["", "", "", "", "", "/etc/passwd"]))
            entry.size = draw(st.sampled_from([0, 1, 511, 512, 513, 1900, 1900, 3000, 3001]))
            if form == tarfile.PAX_FORMAT:
                entry.pax_headers = draw(
                    st.sampled_from([{}, {"path": "/x"}, {"size": "1"}, {"GNU.sparse.major": "1"}])
                )
            try:
                archive.addfile(entry, io.BytesIO(b"x" * entry.size))
            except (ValueError, UnicodeError):  # its own format cannot hold this name
                continue
    return out.getvalue()


@st.composite
def forged(draw: st.DrawFn) -> bytes:
    """An archive with altered header fields, some under a right checksum, some bits flipped, some cut off."""
    data = bytearray(draw(entries()))
    for _ in range(draw(st.integers(0, 3))):
        if not data:
            break
        block = 512 * draw(st.integers(0, len(data) // 512 - 1))
        field, length = draw(
            st.sampled_from([(0, 100), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155)])
        )
        value = draw(
            st.one_of(
                st.binary(min_size=length, max_size=length),
                st.sampled_from([b"77777777777\0", b"\x80" + b"\xff" * 11, b"-0000000001\0", b"00000000000\0", b" 1 "]),
            )
        )[:length]
        data[block + field : block + field + len(value)] = value
        if draw(st.booleans()):
            data[block + 148 : block + 156] = b" " * 8
            data[block + 148 : block + 156] = b"%06o\0 " % sum(data[block : block + 512])
    for _ in range(draw(st.integers(0, 2))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


def read(data: bytes, cuts: Iterable[int] = (), limits: ArtifactLimits = LIMITS) -> list[Artifact | Refused]:
    reader = ArtifactReader(ALLOWED, limits)
    found: list[Artifact | Refused] = []
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(places):
        found += reader.feed(data[start:end])
    return [*found, *reader.end()]


def check(found: list[Artifact | Refused], data: bytes) -> None:
    files = [each for each in found if isinstance(each, Artifact)]
    refused = [each for each in found if isinstance(each, Refused)]
    for file in files:
        assert path_fault(file.path) is None
        assert any(allows(pattern, file.path) for pattern in ALLOWED)
        assert len(file.data) <= LIMITS.file
        assert file.data in data
    assert len(files) <= LIMITS.count
    assert sum(len(file.data) for file in files) <= LIMITS.total
    folded = [fold(file.path) for file in files]
    assert len(set(folded)) == len(folded)
    assert not any(other.startswith(one + "/") for one in folded for other in folded)
    assert len(refused) <= LIMITS.refusals + 1
    for each in refused:
        assert each.name == visible_line(each.name)
        assert each.why == visible_line(each.why)


def archive_of(*given: tuple[str, bytes] | tuple[str, bytes, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content, *kind in given:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.type = kind[0] if kind else tarfile.REGTYPE
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def resealed(data: bytes, at: int, value: bytes) -> bytes:
    """The archive with these bytes in its first header, under a right checksum."""
    header = bytearray(data[:512])
    header[at : at + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[512:]


ONE = archive_of(("out/x", b"x"))
GOOD = ("out/good", b"good")
REFUSED = {
    "listed": (archive_of(("elsewhere", b"x"), GOOD), "not on the list", 1),
    "case of a pattern": (archive_of(("Report/a.xml", b"x"), GOOD), "not on the list", 1),
    "absolute": (archive_of(("/out/x", b"x"), GOOD), "absolute", 1),
    "climbs": (archive_of(("out/../../x", b"x"), GOOD), "'..'", 1),
    "escape": (archive_of(("out/\x1b]0;x\x07", b"x"), GOOD), "control", 1),
    "git": (archive_of(("out/.GIT/x", b"x"), GOOD), "git's own", 1),
    "twice": (archive_of(GOOD, ("out/good", b"other")), "came before", 1),
    "case": (archive_of(GOOD, ("out/GOOD", b"other")), "only in case", 1),
    "folder of a file": (archive_of(GOOD, ("out/good/x", b"other")), "a file and a folder", 1),
    "file of a folder": (archive_of(("out/good/x", b""), GOOD), "a file and a folder", 1),
    "count": (archive_of(*((f"out/{number}", b"") for number in range(4))), "3 files came before", 3),
    "file": (archive_of(GOOD, ("out/big", b"x" * 3001), ("out/later", b"")), "at most 3000", 1),
    "total": (archive_of(("out/a", b"x" * 3000), ("out/b", b"x" * 2001), GOOD), "5000 in all", 1),
    "hard link": (archive_of(("out/x", b"", b"1"), GOOD), "hard link", 1),
    "symbolic link": (archive_of(("out/x", b"", b"2"), GOOD), "symbolic link", 1),
    "device": (archive_of(("out/x", b"", b"3"), GOOD), "device", 1),
    "pipe": (archive_of(("out/x", b"", b"6"), GOOD), "pipe", 1),
    "directory": (archive_of(("out/x", b"", b"5"), GOOD), "directory", 1),
    "link with content": (archive_of(("out/x", b"x" * 600, b"2"), GOOD), "symbolic link", 1),
    "extended header": (archive_of(("out/x", b"9 path=z\n", b"x"), GOOD), "nor is what follows", 0),
    "long name": (archive_of(("././@LongLink", b"out/z\0", b"L"), GOOD), "nor is what follows", 0),
    "sparse": (archive_of(("out/x", b"", b"S"), GOOD), "nor is what follows", 0),
    "form": (resealed(ONE, 257, b"ustar  \0"), "plain ustar", 0),
    "checksum": (ONE[:136] + b"1" + ONE[137:], "checksum", 0),
    "size in binary": (resealed(ONE, 124, b"\x80" + bytes(10) + b"\x01"), "octal", 0),
    "huge size": (resealed(ONE, 124, b"77777777777\0"), "at most", 0),
    "name goes on": (resealed(ONE, 90, b"hidden"), "behind its end", 0),
    "regular with a target": (resealed(ONE, 157, b"/etc/passwd"), "links to", 0),
    "not UTF-8": (resealed(ONE, 4, b"\xff"), "UTF-8", 0),
    "cut off": (ONE[:513], "broke off", 0),
    "no end": (ONE[:1024], "broke off", 1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_words(name: str) -> None:
    data, why, kept = REFUSED[name]
    found = read(data)
    check(found, data)
    assert len([each for each in found if isinstance(each, Artifact)]) == kept
    (refused,) = (each for each in found if isinstance(each, Refused))
    assert why in refused.why
    assert found == read(data, range(0, len(data), 7))


def test_after_enough_refusals_nothing_is_read() -> None:
    found = read(archive_of(*((f"elsewhere{number}", b"") for number in range(9)), GOOD))
    assert len(found) == LIMITS.refusals
    assert all(isinstance(each, Refused) for each in found)


@HOSTILE
@given(entries(), st.lists(st.integers(0, 1 << 20), max_size=4))
def test_hostile_archives(data: bytes, cuts: list[int]) -> None:
    found = read(data, cuts)
    check(found, data)
    assert found == read(data)


@HOSTILE
@given(forged(), st.lists(st.integers(0, 1 << 20), max_size=4))
def test_forged_archives(data: bytes, cuts: list[int]) -> None:
    found = read(data, cuts)
    check(found, data)
    assert found == read(data)


@HOSTILE
@given(st.binary(max_size=3000))
def test_noise(data: bytes) -> None:
    check(read(data), data)


FILES = st.dictionaries(
    st.from_regex(r"out(/[a-z0-9é_]{1,40}){1,5}", fullmatch=True).filter(lambda name: path_fault(name) is None),
    st.binary(max_size=1200),
    max_size=6,
)


@HOSTILE
@given(FILES, st.lists(st.integers(0, 1 << 20), max_size=6))
def test_honest_archives_come_out_as_they_went_in(files: dict[str, bytes], cuts: list[int]) -> None:
    names = list(files)
    kept = {name: files[name] for name in names if not any(other.startswith(name + "/") for other in names)}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in kept.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    found = read(out.getvalue(), cuts, ArtifactLimits())
    assert {each.path: each.data for each in found if isinstance(each, Artifact)} == kept
    assert not [each for each in found if isinstance(each, Refused)]


def test_an_archive_that_breaks_off_names_its_last_file_safely() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo("out/\ufb01")  # a ligature, which is no plain letter
        entry.size = 600
        archive.addfile(entry, io.BytesIO(b"x" * 600))
    (found,) = read(out.getvalue()[:1024])
    assert found == Refused(name="out/<U+FB01>", why="it broke off")
