"""Hostile text made safe to show: every character that could steer a terminal becomes a visible mark.

Pure; knows nothing of widgets. What it lets through is printable text, `\\n` and `\\t`. Letters that pose as Latin
ones are marked where they can be told: beside Latin letters in a word, or when Python reads them as such. A word that
is wholly of another script stays as it is.
"""

import re
import unicodedata

_BIDI = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_INVISIBLE = {
    0x00AD, 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x200B, 0x200C, 0x200D, 0x2028, 0x2029,
    *range(0x2060, 0x2066), 0x206A, 0x206B, 0x206C, 0x206D, 0x206E, 0x206F, 0x3164, 0xFEFF, 0xFFA0,
    *range(0xFFF9, 0xFFFC), *range(0xFE00, 0xFE10), *range(0xE0000, 0xE0080), *range(0xE0100, 0xE01F0),
}  # fmt: skip
_KEPT = {0x0A, 0x09}
_WORD = re.compile(r"\w+")
_LATIN = re.compile(r"[A-Za-z]")
_ALIKE = ("CYRILLIC ", "GREEK ", "ARMENIAN ", "CHEROKEE ", "COPTIC ", "LISU ")  # scripts with letters like Latin ones


def mark(char: str) -> str | None:
    """The visible mark for one steering or invisible character, or None when it may be shown as it is."""
    code = ord(char)
    if 0x20 <= code < 0x7F or code in _KEPT:
        return None
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if code in _BIDI or code in _INVISIBLE or unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return f"<U+{code:04X}>"
    return None


def visible(text: str) -> str:
    """The text with every steering or invisible character shown as a mark; line ends and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    if not text.isascii():
        text = _WORD.sub(_posing, text)
    return "".join(mark(char) or char for char in text)


def _posing(found: re.Match[str]) -> str:
    """The word with letters that pose as Latin ones shown as marks."""
    word = found[0]
    if word.isascii():
        return word
    mixed = _LATIN.search(word) is not None
    return "".join(f"<U+{ord(char):04X}>" if _poses(char, mixed) else char for char in word)


def _poses(char: str, mixed: bool) -> bool:
    if char.isascii() or not unicodedata.category(char).startswith("L"):
        return False
    plain = unicodedata.normalize("NFKC", char)  # as Python normalises identifiers
    return (plain.isascii() and plain.isalpha()) or (mixed and unicodedata.name(char, "").startswith(_ALIKE))


def visible_line(text: str, limit: int = 400) -> str:
    """One line: line ends and tabs become marks too, and what passes `limit` characters is cut and counted."""
    line = visible(text).replace("\n", "␊").replace("\t", "␉")
    return line if len(line) <= limit else f"{line[:limit]}… (+{len(line) - limit} characters)"


def steering(text: str) -> tuple[tuple[int, str], ...]:
    """(line, `U+XXXX`) for each steering or invisible character, in order; carriage returns included."""
    return tuple(
        (number, f"U+{ord(char):04X}")
        for number, line in enumerate(text.split("\n"), 1)
        for char in line
        if mark(char) is not None
    )


def decoded(data: bytes) -> str:
    """Bytes from a sandbox as text: UTF-8, with each undecodable byte shown as `\\xNN`."""
    return data.decode("utf-8", errors="backslashreplace")
