"""Remembers, for the user, which self-checks went wrong last; with one that did, no trial starts on this machine."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from harness.errors import EnvironmentFault, RefusedError
from harness.integrity.corpus import Corpus
from harness.integrity.judged import Check
from harness.records import Record
from harness.scratch import write_whole

SHIPPED: Final = "shipped"


class Wrong(Record):
    """By corpus (its folder, or "shipped"), the checks whose verdict was another than expected, with a sentence."""

    corpora: Mapping[str, Mapping[str, str]] = {}


class Standing:
    """The file of what went wrong; one that cannot be read stops as well, until a whole check has replaced it."""

    def __init__(self, path: Path | None = None) -> None:
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        self.path = path or home / "holdpoint" / "integrity.json"

    def keep(self, corpus: Corpus, checks: Iterable[Check], *, whole: bool) -> None:
        """Replaces what was known of these checks, and after a whole one all that was known of the corpus."""
        name = SHIPPED if corpus.folder == Corpus.shipped().folder else str(corpus.folder.resolve())
        checks = tuple(checks)
        try:
            known = dict(self._read().corpora)
        except ValidationError:
            known = {}
        kept = {} if whole else known.get(name, {})
        fresh = {
            one.id: f"expected {one.expected}, found {one.verdict}: {one.why}"[:500] for one in checks if not one.ok
        }
        known[name] = {id_: why for id_, why in kept.items() if id_ not in {one.id for one in checks}} | fresh
        corpora = {name: wrong for name, wrong in known.items() if wrong and (name == SHIPPED or Path(name).is_dir())}
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self.path, Wrong(corpora=corpora).model_dump_json().encode(), place=self.path.parent)
        except OSError as error:
            raise self._fault(error) from error

    def require(self) -> None:
        """RefusedError while a check stands that went wrong."""
        try:
            corpora = self._read().corpora
        except ValidationError:
            raise RefusedError(
                f"the self-check's record {self.path} is damaged.", "holdpoint integrity check writes it anew"
            ) from None
        for name, wrong in corpora.items():
            if name == SHIPPED or Path(name).is_dir():
                first, why = next(iter(wrong.items()))
                where = "" if name == SHIPPED else f" --corpus {name}"
                raise RefusedError(
                    f"the harness's own self-check failed: {len(wrong)} verdicts are not as expected, {first} among "
                    f"them ({why}).",
                    f"mend that; holdpoint integrity check{where} --id {first} asks again, and nothing runs before",
                )

    def _read(self) -> Wrong:
        try:
            return Wrong.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return Wrong()
        except OSError as error:
            raise self._fault(error) from error

    def _fault(self, error: OSError) -> EnvironmentFault:
        return EnvironmentFault(
            f"the self-check's record {self.path} cannot be used ({error.strerror}).",
            "make room or fix the permissions, or point XDG_STATE_HOME elsewhere",
        )
