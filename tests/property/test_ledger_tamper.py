"""Whatever is done to the ledger's rows or to the bytes of its file, verification finds it and never falls over."""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HoldpointError
from harness.ledger import Head, Ledger, check_ledger
from harness.ledger.chain import link
from harness.ledger.events import CampaignStarted, TargetInitialised
from harness.ledger.schema import SCHEMA

EVENTS = 24
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
COLUMNS = ("at", "payload", "prev", "hash")
TAMPERS = settings(max_examples=40, deadline=None)


@cache
def original() -> tuple[bytes, Head]:
    """The file of a ledger with a few pages, and its head."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "ledger.sqlite")
        with Ledger.open(path, create=True) as ledger:
            for number in range(EVENTS):
                campaign = CampaignStarted(campaign=f"c{number}", plan="p" * (number * 61 % 700), base="b", seed=number)
                root = TargetInitialised(commit=f"{number:040x}", ref="main", config="sha256:", by="ana")
                ledger.append(root if number % 3 else campaign, NOW + number * timedelta(seconds=1))
            head = ledger.head()
        return path.read_bytes(), head


@contextmanager
def a_copy() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "ledger.sqlite")
        path.write_bytes(original()[0])
        yield path


def tamper(path: Path, act: Callable[[sqlite3.Connection], object]) -> None:
    """Change rows as somebody who holds the file would: guards off, change, guards on again."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        names = [name for name in SCHEMA if name != "event"]
        for name in names:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA ignore_check_constraints=ON")
        act(connection)
        for name in names:
            connection.execute(SCHEMA[name])
        connection.commit()


def rows(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM event ORDER BY seq").fetchall()


def assert_found(path: Path) -> str:
    """It is found with the head that was kept elsewhere, and reading stops at it too."""
    check = check_ledger(path, original()[1])
    assert not check.ok
    assert check.why.isprintable()
    return check.why


def test_an_untouched_copy_is_whole():
    with a_copy() as path:
        tamper(path, lambda connection: None)
        check = check_ledger(path, original()[1])
        assert (check.ok, check.events, check.head) == (True, EVENTS, original()[1])


@TAMPERS
@given(st.integers(1, EVENTS), st.sampled_from(COLUMNS), st.data())
def test_any_changed_byte_of_a_row_is_found(seq: int, column: str, data: st.DataObject):
    with a_copy() as path:

        def flip(connection: sqlite3.Connection) -> None:
            query = f"SELECT CAST({column} AS BLOB) FROM event WHERE seq = ?"
            value = bytearray(connection.execute(query, (seq,)).fetchone()[0])
            place = data.draw(st.integers(0, len(value) - 1))
            value[place] ^= data.draw(st.integers(1, 255))
            new = "?" if column == "payload" else "CAST(? AS TEXT)"
            connection.execute(f"UPDATE event SET {column} = {new} WHERE seq = ?", (bytes(value), seq))

        tamper(path, flip)
        assert_found(path)
        with Ledger.open(path) as ledger, pytest.raises(HoldpointError):
            list(ledger.entries())


@TAMPERS
@given(st.integers(1, EVENTS), st.integers(1, EVENTS), st.sampled_from(["rows", "events", "times"]))
def test_any_two_swapped_rows_are_found(one: int, two: int, what: str):
    columns = {"rows": "at, payload, prev, hash", "events": "payload", "times": "at"}[what]
    with a_copy() as path:
        if one == two:
            return

        def swap(connection: sqlite3.Connection) -> None:
            query = f"SELECT {columns} FROM event WHERE seq = ?"
            values = [connection.execute(query, (seq,)).fetchone() for seq in (one, two)]
            for seq, new in zip((two, one), values, strict=True):
                sets = ", ".join(f"{name} = ?" for name in columns.split(", "))
                connection.execute(f"UPDATE event SET {sets} WHERE seq = ?", (*new, seq))

        tamper(path, swap)
        assert_found(path)


@TAMPERS
@given(st.sets(st.integers(1, EVENTS), min_size=1), st.booleans())
def test_any_removed_rows_are_found_even_when_the_rest_is_renumbered(gone: set[int], renumber: bool):
    with a_copy() as path:

        def remove(connection: sqlite3.Connection) -> None:
            for seq in sorted(gone):
                connection.execute("DELETE FROM event WHERE seq = ?", (seq,))
            if renumber:
                left = [row[0] for row in connection.execute("SELECT seq FROM event ORDER BY seq")]
                for new, old in enumerate(left, 1):
                    connection.execute("UPDATE event SET seq = ? WHERE seq = ?", (new, old))

        tamper(path, remove)
        why = assert_found(path)
        if gone == set(range(EVENTS - len(gone) + 1, EVENTS + 1)):
            assert f"ends at entry {EVENTS - len(gone)}" in why


@TAMPERS
@given(st.integers(0, EVENTS - 1))
def test_a_cut_at_the_end_is_found_by_the_head_kept_elsewhere(left: int):
    with a_copy() as path:
        tamper(path, lambda connection: connection.execute("DELETE FROM event WHERE seq > ?", (left,)))
        assert check_ledger(path).ok, "by itself a shorter history looks whole"
        assert assert_found(path) == f"it ends at entry {left}, but entry {EVENTS} had been written"


@TAMPERS
@given(st.integers(1, EVENTS), st.integers(1, 1 << 40))
def test_numbers_that_were_moved_are_found(first: int, by: int):
    with a_copy() as path:

        def renumber(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE event SET seq = -seq WHERE seq >= ?", (first,))
            connection.execute("UPDATE event SET seq = ? - seq WHERE seq < 0", (by,))

        tamper(path, renumber)
        assert f"entry {first} is missing" in assert_found(path)


@TAMPERS
@given(st.integers(1, EVENTS + 1), st.binary(min_size=1, max_size=40), st.booleans())
def test_an_inserted_row_is_found(seq: int, payload: bytes, chained: bool):
    """A well chained one in the middle breaks the next; at the end it is a new head, which is no tamper."""
    with a_copy() as path:

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE event SET seq = -seq - 1 WHERE seq >= ?", (seq,))
            connection.execute("UPDATE event SET seq = -seq WHERE seq < 0")
            before = connection.execute("SELECT hash FROM event WHERE seq = ?", (seq - 1,)).fetchone()
            prev, at = before[0] if before else "0" * 64, "2026-03-01T12:00:00.000000Z"
            digest = link(seq, at, payload, prev) if chained else "a" * 64
            connection.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?)", (seq, at, payload, prev, digest))

        tamper(path, insert)
        if chained and seq > EVENTS:
            assert check_ledger(path, original()[1]).ok
        else:
            assert_found(path)


@TAMPERS
@given(st.integers(1, EVENTS), st.sampled_from([None, 7, 1.5, "text", b"bytes", "ü" * 27]), st.sampled_from(COLUMNS))
def test_a_value_of_another_type_is_found(seq: int, value: object, column: str):
    with a_copy() as path:
        with closing(sqlite3.connect(path)) as connection:
            # A table that takes anything, under the old name, as a hex editor could leave it.
            connection.execute("CREATE TABLE loose AS SELECT * FROM event")
            connection.execute(f"UPDATE loose SET {column} = ? WHERE seq = ?", (value, seq))
            connection.execute("DROP TABLE event")
            connection.execute("ALTER TABLE loose RENAME TO event")
            connection.commit()
        assert_found(path)


@settings(max_examples=120, deadline=None)
@given(st.integers(0), st.integers(1, 255))
def test_a_flipped_byte_anywhere_in_the_file_is_found_or_changes_nothing(place: int, mask: int):
    flip_and_check(place, mask)


@pytest.mark.soak
@settings(max_examples=10_000, deadline=None)
@given(st.integers(0), st.integers(1, 255))
def test_ten_thousand_flipped_bytes_are_found_or_change_nothing(place: int, mask: int):
    flip_and_check(place, mask)


def flip_and_check(place: int, mask: int) -> None:
    content = bytearray(original()[0])
    content[place % len(content)] ^= mask
    with a_copy() as path:
        path.write_bytes(content)
        check = check_ledger(path, original()[1])
        if check.ok:
            assert rows(path) == original_rows()
        else:
            assert check.why.isprintable()
        with suppress(HoldpointError), Ledger.open(path) as ledger:
            assert ledger.verify(original()[1]).ok == check.ok
            found = [entry.hash for entry in ledger.entries()]
            assert found == [row[-1] for row in original_rows()][: len(found)]


@cache
def original_rows() -> list[tuple[object, ...]]:
    with a_copy() as path:
        return rows(path)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000))
def test_a_file_cut_anywhere_is_found(length: int):
    content = original()[0]
    with a_copy() as path:
        path.write_bytes(content[: length % len(content)])
        assert_found(path)


@settings(max_examples=40, deadline=None)
@given(st.integers(0), st.binary(min_size=1, max_size=4096))
def test_a_file_overwritten_in_part_never_makes_verification_fall_over(place: int, junk: bytes):
    content = bytearray(original()[0])
    start = place % len(content)
    content[start : start + len(junk)] = junk
    with a_copy() as path:
        path.write_bytes(content)
        check = check_ledger(path, original()[1])
        assert not check.ok or rows(path) == original_rows()
