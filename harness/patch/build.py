"""Overlay files or an edits document in, a Patch or the reason against it out; pure, reads only through `read`."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, ValidationError

from harness.patch.paths import clashes, path_fault
from harness.records import FileEdit, Patch, Record
from harness.text import visible_line

Read = Callable[[str], bytes | None]
LARGEST_DOCUMENT = 32 << 20  # bytes, before any policy is asked
MOST_FILES = 10_000


class Malformed(Record):
    """The input is no patch; `path` names the file where one is at fault, `why` says what was found and is allowed."""

    path: str
    why: str


class _Part(Record):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ContentEdit(_Part):
    """The whole new text of one file, which may be new."""

    path: str = Field(description="Path relative to the top of the repository, with '/'.")
    content: str = Field(description="The file's whole new text.")


class ReplaceEdit(_Part):
    """One replacement in a file; `search` must occur exactly once. Edits of one file apply in their order."""

    path: str = Field(description="Path relative to the top of the repository, with '/'.")
    search: str = Field(min_length=1, description="Text that occurs exactly once in the file.")
    replace: str = Field(description="The text to stand in its place.")


class DeleteEdit(_Part):
    """Removes one file."""

    path: str = Field(description="Path relative to the top of the repository, with '/'.")
    delete: Literal[True] = Field(description="Always true.")


def _shape(value: Any) -> str:
    keys = value if isinstance(value, dict) else type(value).model_fields
    if "delete" in keys:
        return "delete"
    return "replace" if "search" in keys or "replace" in keys else "content"


Edit = Annotated[
    Annotated[ContentEdit, Tag("content")]
    | Annotated[ReplaceEdit, Tag("replace")]
    | Annotated[DeleteEdit, Tag("delete")],
    Discriminator(_shape),
]


Name = Annotated[str, Field(min_length=1, max_length=200)]


class EditsDocument(Record):
    """What an agent writes: who, why, and the edits. `proposals/schema.json` is generated from this."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True, serialize_by_alias=True)

    schema_: Literal["holdpoint/edits/1"] = Field(alias="schema", description="The name and version of this format.")
    title: str = Field(min_length=1, max_length=200, description="One line: what the change does.")
    rationale: str = Field(default="", max_length=20_000, description="Why it should be made.")
    author: str = Field(min_length=1, max_length=200, description="The agent that proposes it.")
    declares: tuple[Name, ...] = Field(
        default=(), max_length=200, strict=False, description="Functions meant to answer otherwise, as pkg.mod.func."
    )
    edits: tuple[Edit, ...] = Field(min_length=1, strict=False, description="The edits, in order.")


def from_overlay(files: Mapping[str, bytes], delete: Sequence[str], read: Read) -> Patch | Malformed:
    """A patch of whole files laid over the base, and of files removed from it."""
    after: dict[str, bytes | None] = dict(files)
    for path in delete:
        if path in after:
            return Malformed(path=path, why="the file is both given and deleted")
        after[path] = None
    return assemble(after, read)


def parse_edits(document: bytes) -> EditsDocument | Malformed:
    """The edits document in these bytes, or what is wrong with it and where."""
    if len(document) > LARGEST_DOCUMENT:
        return Malformed(path="", why=f"the document is larger than {LARGEST_DOCUMENT} bytes")
    try:
        value = json.loads(document.decode("utf-8"), object_pairs_hook=_once)
        return EditsDocument.model_validate(value)
    except UnicodeDecodeError as error:
        return Malformed(path="", why=f"the document is not UTF-8 (byte {error.start})")
    except ValidationError as error:
        return Malformed(path="", why=_first(error))
    except RecursionError:
        return Malformed(path="", why="the document is nested too deeply")
    except ValueError as error:
        return Malformed(path="", why=f"the document is not JSON as proposals/schema.json has it: {error}")


def from_edits(document: bytes | EditsDocument, read: Read) -> Patch | Malformed:
    """A patch from an edits document: new texts, replacements and deletions, applied in order."""
    parsed = document if isinstance(document, EditsDocument) else parse_edits(document)
    if isinstance(parsed, Malformed):
        return parsed
    after: dict[str, str | None] = {}
    for number, edit in enumerate(parsed.edits, 1):
        fault = path_fault(edit.path)
        if fault is None:
            fault = _apply(edit, after, read)
        if fault is not None:
            return Malformed(path=edit.path, why=f"edit {number}: {fault}")
    encoded: dict[str, bytes | None] = {}
    for path, text in after.items():
        try:
            encoded[path] = None if text is None else text.encode()
        except UnicodeEncodeError:
            return Malformed(path=path, why="the text contains half a surrogate pair, which UTF-8 cannot hold")
    return assemble(encoded, read)


def _apply(edit: ContentEdit | ReplaceEdit | DeleteEdit, after: dict[str, str | None], read: Read) -> str | None:
    """Applies one edit to `after`; returns the fault, if any."""
    if isinstance(edit, ReplaceEdit):
        current = after.get(edit.path)
        if edit.path not in after:
            text = as_text(read(edit.path))
            if isinstance(text, Malformed):
                return f"the base's file cannot be edited as text: {text.why}"
            current = text
        if current is None:
            return "there is no such file to replace in; give 'content' for a new one"
        first = current.find(edit.search)
        if first < 0:
            return f"the search text {visible_line(edit.search, 60)!r} does not occur; it must occur exactly once"
        if current.find(edit.search, first + 1) >= 0:
            return f"the search text {visible_line(edit.search, 60)!r} occurs more than once; exactly once is allowed"
        after[edit.path] = current[:first] + edit.replace + current[first + len(edit.search) :]
        return None
    if edit.path in after:
        return "the file is edited more than once; only replacements may follow one another"
    after[edit.path] = edit.content if isinstance(edit, ContentEdit) else None
    return None


def assemble(after: Mapping[str, bytes | None], read: Read) -> Patch | Malformed:
    """The patch that turns the base's files into these bytes (None: absent), sorted, without what changes nothing."""
    if len(after) > MOST_FILES:
        return Malformed(path="", why=f"the patch names {len(after)} files; at most {MOST_FILES} are allowed")
    for path in after:
        fault = path_fault(path)
        if fault is not None:
            return Malformed(path=path, why=fault)
    edits: list[FileEdit] = []
    for path in sorted(after):
        edit = _edit(path, read(path), after[path])
        if isinstance(edit, Malformed):
            return edit
        if edit is not None:
            edits.append(edit)
    if not edits:
        return Malformed(path="", why="the patch changes nothing; a proposal must change at least one file")
    fault = clashes([path for path, data in after.items() if data is not None]) or _shadowed(after, read)
    return Malformed(path="", why=fault) if fault else Patch(edits=tuple(edits))


def _edit(path: str, before: bytes | None, after: bytes | None) -> FileEdit | Malformed | None:
    if before is None and after is None:
        return Malformed(path=path, why="there is no such file to delete")
    if before == after:
        return None
    old, new = as_text(before), as_text(after)
    if isinstance(new, Malformed):
        return Malformed(path=path, why=new.why)
    if isinstance(old, Malformed):
        return Malformed(path=path, why=f"the base's file cannot be edited as text: {old.why}")
    return FileEdit(path=path, before=old, after=new)


def as_text(data: bytes | None) -> str | Malformed | None:
    """The bytes as UTF-8 text without NUL; None stays None."""
    if data is None:
        return None
    if b"\0" in data:
        return Malformed(path="", why="the file is binary (it contains a NUL byte); only text is allowed")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return Malformed(path="", why=f"the file is not UTF-8 text (byte {error.start}); only UTF-8 is allowed")


def _shadowed(after: Mapping[str, bytes | None], read: Read) -> str | None:
    """A new file whose folder is a file at the base could not be written."""
    for path, data in after.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if data is not None and folder not in after and read(folder) is not None:
                return f"{visible_line(folder, 80)} is a file at the base and cannot hold {visible_line(path, 80)}"
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is given twice in one object")
    return value


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, in words: where, what was found, what is allowed."""
    fault = error.errors(include_url=False)[0]
    skipped = {"content", "replace", "delete"}
    place = [str(step) for step in fault["loc"]]
    named = [step for position, step in enumerate(place) if position != 2 or step not in skipped]
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return (
        f"the document does not follow proposals/schema.json: {visible_line('.'.join(named), 80) or 'top'}: "
        f"{visible_line(fault['msg'], 160)}{more}"
    )


def edits_schema() -> str:
    """The JSON Schema of an edits document, as `proposals/schema.json` holds it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "holdpoint/edits/1",
        **EditsDocument.model_json_schema(by_alias=True),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
