"""The bounded child's side and ours: syntax findings for files that may be hostile. The child knows no policy."""

from collections.abc import Mapping, Sequence
from typing import Literal, assert_never

from pydantic import TypeAdapter

from harness.limited import Answered, Crashed, Limited, TimedOut
from harness.patch.inspect import FileReport, imports_of, inspect_file
from harness.patch.semantic_diff import compare
from harness.policy.rules import RULES
from harness.records import FileEdit, Record, Semantic

_ENTRY = "harness.policy.inspector:answer"
# Lets the server build the tables that the parsers and pydantic build on first use, once and not in each child.
_SAMPLE = '"""A."""\nimport os\n\n\nclass A:\n    def b(self, c=1):\n        return f"{c}" + os.sep\n'


class _Task(Record):
    what: Literal["inspect", "imports", "meaning"]
    files: tuple[FileEdit, ...]
    declared: tuple[str, ...] = ()


_reports: TypeAdapter[tuple[FileReport, ...]] = TypeAdapter(tuple[FileReport, ...])
_names: TypeAdapter[tuple[str, ...]] = TypeAdapter(tuple[str, ...])


def answer(question: bytes) -> bytes:
    """In the child: reports on each file, the names that the files import, or what the edits mean."""
    task = _Task.model_validate_json(question)
    if task.what == "meaning":
        return compare(task.files, task.declared).model_dump_json().encode()
    if task.what == "imports":
        return _names.dump_json(tuple({name for file in task.files for name in imports_of(file.after or "")}))
    return _reports.dump_json(
        tuple(inspect_file(file.path, file.before, file.after or "", RULES) for file in task.files)
    )


def open_inspector() -> Limited:
    """A warm bounded child for `check`; close it when done."""
    sample = FileEdit(path="sample.py", before=_SAMPLE, after=_SAMPLE + "# after\n")
    warm = _Task(what="inspect", files=(sample,)).model_dump_json().encode()
    # Processor time is the limit; a loaded machine must not turn an honest file into a finding.
    return Limited(_ENTRY, cpu_s=20, wall_s=60, warm=warm)


def inspect(files: Sequence[FileEdit], inspector: Limited) -> tuple[FileReport, ...]:
    """A report on each file; a child that crashes or runs out of time is a `parse` fault of the file that did it."""
    if not files:
        return ()
    outcome = _ask("inspect", files, inspector)
    match outcome:
        case Answered(answer=body):
            return _reports.validate_json(body)
        case Crashed() | TimedOut() if len(files) > 1:
            return _one_by_one(files, inspector)
        case Crashed(why=why):
            return (_unparsed(files[0], f"the parser crashed on it ({why})"),)
        case TimedOut(seconds=seconds):
            return (_unparsed(files[0], f"the parser did not finish within {seconds:g} s"),)
        case _:
            assert_never(outcome)


def _one_by_one(files: Sequence[FileEdit], inspector: Limited) -> tuple[FileReport, ...]:
    """Up to the first file that the parser cannot take; it stops the proposal, and more of them could cost minutes."""
    reports: list[FileReport] = []
    for file in files:
        reports += inspect([file], inspector)
        if reports[-1].fault:
            break
    return tuple(reports)


def meaning(files: Sequence[FileEdit], declared: Sequence[str], inspector: Limited) -> Semantic:
    """What the edits mean, with imports and aliases followed; a file that ends the child is a fault, and said."""
    task = _Task(what="meaning", files=tuple(files), declared=tuple(declared))
    outcome = inspector.ask(task.model_dump_json().encode())
    match outcome:
        case Answered(answer=body):
            return Semantic.model_validate_json(body)
        case Crashed() | TimedOut() if len(files) > 1:
            return _joined([meaning([file], declared, inspector) for file in files])
        case Crashed(why=why):
            return Semantic(faults=(f"{files[0].path}: the parser crashed on it ({why})",) if files else (why,))
        case TimedOut(seconds=seconds):
            return Semantic(faults=(f"{files[0].path}: the parser did not finish within {seconds:g} s",))
        case _:
            assert_never(outcome)


def _joined(parts: Sequence[Semantic]) -> Semantic:
    """Several answers as one; what moved from file to file is then told as removed and added."""
    return Semantic(
        files=sum(part.files for part in parts),
        changes=tuple(one for part in parts for one in part.changes),
        capabilities=tuple(one for part in parts for one in part.capabilities),
        unresolved=tuple(one for part in parts for one in part.unresolved),
        faults=tuple(one for part in parts for one in part.faults),
        more=sum(part.more for part in parts),
    )


def imported_names(files: Mapping[str, bytes], inspector: Limited) -> frozenset[str]:
    """Every module and name that these files of the base import; what cannot be read imports nothing."""
    texts = [
        FileEdit(path=path, before=None, after=data.decode("utf-8", errors="ignore")) for path, data in files.items()
    ]
    outcome = _ask("imports", texts, inspector)
    if isinstance(outcome, Answered):
        return frozenset(_names.validate_json(outcome.answer))
    if len(texts) < 2:
        return frozenset()
    return frozenset().union(*(imported_names({path: data}, inspector) for path, data in files.items()))


def _ask(
    what: Literal["inspect", "imports"], files: Sequence[FileEdit], inspector: Limited
) -> Answered | Crashed | TimedOut:
    return inspector.ask(_Task(what=what, files=tuple(files)).model_dump_json().encode())


def _unparsed(file: FileEdit, why: str) -> FileReport:
    return FileReport(path=file.path, fault="parse", why=why)
