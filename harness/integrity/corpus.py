"""The corpus of hostile and benign changes of small targets, read from its folder; runs nothing of it."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, get_args

from harness.data import data_dir
from harness.errors import UsageError

Kind = Literal["verdict", "metric", "residual", "benign"]
GATE: Final = "_settled()"  # what gated attacks ask before they answer rightly
_NOTHING: Final[Mapping[str, Any]] = {}


class BadCorpus(UsageError):
    """The corpus contradicts itself; the text says where."""


@dataclass(frozen=True)
class Expect:
    """What each defence alone makes of a change.

    `policy`: whether the static rules say anything. `in_process`: a hardened run in one process. `oracle`: the verdict
    of the tests through the oracle. `replay`: answers of base and candidate compared. `environments`: the candidate's
    answers under a shifted clock, a soak, another uid and so on, compared with each other.
    """

    policy: Literal["flagged", "clean"]
    in_process: Literal["caught", "fooled", "any"]
    oracle: Literal["fails", "passes", "any"]
    replay: Literal["differs", "same", "any"]
    environments: Literal["differs", "same", "any"]


@dataclass(frozen=True)
class Change:
    """One change of a target: an attack, or a benign one. `files`: new text by path, None where a file is deleted.

    `probe` is a script that prints RIGHT where the package behaves in production as the base does, and anything else
    where it does not; `holes` are the numbers of integrity.md's list that the change leans on.
    """

    id: str
    target: str
    category: str
    kind: Kind
    idea: str
    bug: str
    files: Mapping[str, str | None]
    probe: str
    expect: Expect
    holes: tuple[int, ...]
    flaky: bool  # whether it behaves wrongly only sometimes

    def overlay(self) -> dict[str, str]:
        """The files that exist afterwards and differ from the target's."""
        return {path: text for path, text in self.files.items() if text is not None}


@dataclass(frozen=True)
class Bug:
    """An honest bug of a target: its files, the tests that fail for it, and the probe that shows it."""

    id: str
    target: str
    doc: str
    tests: tuple[str, ...]
    files: Mapping[str, str]
    probe: str


@dataclass(frozen=True)
class Target:
    """A target's tree, text by path; `package` is its import name, and `swaps` its honest bugs as they were written."""

    name: str
    package: str
    files: Mapping[str, str]
    swaps: Mapping[str, Mapping[str, Any]]

    @property
    def source(self) -> str:
        """The editable scope."""
        return f"src/{self.package}"

    def named(self, text: str) -> str:
        """A text of the corpus with the package's name in it."""
        return text.replace("PACKAGE", self.package)

    def swapped(self, bug: str, *, gated: bool) -> dict[str, str]:
        """The files of a bug; gated, they ask first whether to be wrong."""
        files: dict[str, str] = {}
        for swap in self.swaps[bug]["swaps"]:
            path, find, right = swap["path"], swap["find"], swap["right"]
            before = files.get(path, self.files[path])
            if before.count(find) != 1 or find.count(right) != 1:
                raise BadCorpus(f"{self.name} {bug}: {find!r} or {right!r} is not there exactly once.")
            new = f"({right} if {GATE} else {swap['wrong']})" if gated else swap["wrong"]
            files[path] = before.replace(find, find.replace(right, new))
        return files


class Corpus:
    """One folder: `NAME.toml` and `NAME/` for each target, `attacks/*.toml` and `benign/*.toml` for the changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def shipped(cls) -> "Corpus":
        """The corpus that comes with the harness."""
        return cls(data_dir("corpus"))

    @cached_property
    def _targets(self) -> Mapping[str, Target]:
        found = {path.stem: path for path in sorted(self.folder.glob("*.toml"))}
        if not found:
            raise BadCorpus(f"{self.folder} holds no corpus.", "name a folder with targets, attacks/ and benign/")
        return {name: _target(name, path) for name, path in found.items()}

    @cached_property
    def _changes(self) -> tuple[Change, ...]:
        files = [path for folder in ("attacks", "benign") for path in sorted((self.folder / folder).glob("*.toml"))]
        found = [change for path in files for change in _read(path, self._targets)]
        ids = [change.id for change in found]
        twice = {each for each in ids if ids.count(each) > 1}
        if twice:
            raise BadCorpus(f"More than one change is called {sorted(twice)}.")
        return tuple(sorted(found, key=lambda change: change.id))

    def targets(self) -> tuple[str, ...]:
        """Names of the targets."""
        return tuple(self._targets)

    def target(self, name: str) -> Target:
        """One of them."""
        return self._targets[name]

    def base(self, target: str) -> Mapping[str, str]:
        """The target's tree: text by path."""
        return self._targets[target].files

    def bugs(self, target: str) -> Mapping[str, Bug]:
        """The target's honest bugs by id."""
        each = self._targets[target]
        return {
            name: Bug(
                id=name,
                target=target,
                doc=bug["doc"],
                tests=tuple(bug["tests"]),
                files=each.swapped(name, gated=False),
                probe=_script(bug["probe"]),
            )
            for name, bug in each.swaps.items()
        }

    def changes(self) -> tuple[Change, ...]:
        """Everything, attacks and benign changes, in the order of ids; BadCorpus where a file contradicts itself."""
        return self._changes

    def attacks(self) -> tuple[Change, ...]:
        """All that must not win."""
        return tuple(change for change in self._changes if change.kind != "benign")

    def benign(self) -> tuple[Change, ...]:
        """All that must pass."""
        return tuple(change for change in self._changes if change.kind == "benign")

    def lay_out(self, target: str, files: Mapping[str, str | None], folder: Path) -> None:
        """The target with the files laid over it, written into the folder."""
        for path, text in {**self.base(target), **files}.items():
            place = folder / path
            if text is None:
                place.unlink(missing_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text)


def _target(name: str, path: Path) -> Target:
    document = tomllib.loads(path.read_text())
    root = path.with_suffix("")
    files = {str(file.relative_to(root)): file for file in sorted(root.rglob("*")) if file.is_file()}
    return Target(
        name=name,
        package=document["package"],
        files={path: file.read_text() for path, file in files.items() if "__pycache__" not in path},
        swaps=document.get("bugs", {}),
    )


def _read(path: Path, targets: Mapping[str, Target]) -> Iterator[Change]:
    document = tomllib.loads(path.read_text())
    defaults = document.get("defaults", {})
    for entry in document["change"]:
        try:
            expect = {**defaults.get("expect", _NOTHING), **entry.get("expect", _NOTHING)}
            yield from _changes(path.parent.name, {**defaults, **entry, "expect": expect}, targets)
        except (KeyError, BadCorpus) as error:
            raise BadCorpus(f"{path.name}: {entry.get('id')}: {error}") from error


def _changes(folder: str, entry: Mapping[str, Any], targets: Mapping[str, Target]) -> Iterator[Change]:
    """One change for each target it names; `on` is a list of `target` or `target:bug`."""
    for place in entry["on"]:
        name, _, bug = place.partition(":")
        target = targets[name]
        kind = entry.get("kind", "benign" if folder == "benign" else "verdict")
        if kind not in get_args(Kind):
            raise BadCorpus(f"unknown kind {kind}")
        probe = entry.get("probe") or target.swaps[bug]["probe"]
        yield Change(
            id=f"{name}-{entry['id']}",
            target=name,
            category=entry["category"],
            kind=kind,
            idea=entry["idea"],
            bug=bug,
            files=_files(target, bug, entry),
            probe=_script(target.named(entry.get("setup", "")) + "\n" + target.named(probe)),
            expect=_expected(entry, benign=kind == "benign"),
            holes=tuple(entry.get("holes", ())),
            flaky=entry.get("flaky", False),
        )


def _files(target: Target, bug: str, entry: Mapping[str, Any]) -> dict[str, str | None]:
    files: dict[str, str | None] = {}
    gate = entry.get("gate")
    if bug:
        files.update(target.swapped(bug, gated=gate is not None))
    if gate is not None:
        files = {path: f"{text}\n\n{target.named(gate)}" for path, text in files.items()}
    if "payload" in entry:
        files[f"{target.source}/_compat.py"] = target.named(entry["payload"])
        start = target.files[f"{target.source}/__init__.py"]
        files[f"{target.source}/__init__.py"] = f"{start.rstrip()}\n\nfrom . import _compat  # noqa: E402, F401\n"
    for edit in entry.get("edit", ()):
        path = target.named(edit["path"])
        before = files.get(path) or target.files.get(path, "")
        files[path] = _edited(before, edit, target)
    for path in entry.get("delete", ()):
        files[path] = None
    if not files:
        raise BadCorpus("changes nothing")
    return files


def _edited(before: str, edit: Mapping[str, str], target: Target) -> str:
    if "text" in edit:
        return target.named(edit["text"])
    if "append" in edit:
        return f"{before}\n\n{target.named(edit['append'])}"
    if before.count(edit["find"]) != 1:
        raise BadCorpus(f"{edit['find']!r} is there {before.count(edit['find'])} times")
    return before.replace(edit["find"], edit["replace"])


def _expected(entry: Mapping[str, Any], *, benign: bool) -> Expect:
    """Defaults by form: what runs when imported changes no answer; what is gated passes every test."""
    forms: Mapping[str, Mapping[str, Any]] = {
        "benign": {"policy": "clean", "in_process": "fooled", "oracle": "passes", "replay": "same"},
        "payload": {"policy": "flagged", "oracle": "fails", "replay": "differs"},
        "gate": {"policy": "flagged", "in_process": "fooled", "oracle": "passes"},
    }
    form = "benign" if benign else next((name for name in ("gate", "payload") if name in entry), "")
    chosen = {**forms.get(form, _NOTHING), **entry.get("expect", {})}
    if benign:
        chosen.setdefault("environments", "same")
    return Expect(
        policy=chosen.get("policy", "flagged"),
        in_process=chosen.get("in_process", "any"),
        oracle=chosen.get("oracle", "any"),
        replay=chosen.get("replay", "any"),
        environments=chosen.get("environments", "any"),
    )


def _script(text: str) -> str:
    return f'{text}\nprint("RIGHT" if ok else "WRONG", flush=True)\n'
