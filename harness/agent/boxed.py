"""An agent that proposes from inside a container, over one line of JSON a message; its every word is hostile input.

Protocol, version 1. Host to agent: `{"id": n, "body": {"type": "propose", "seed": s, "files": {path: text}}}`.
Agent to host: `{"id": n, "body": {"type": "proposal", "title": …, "rationale": …, "edits": [{"path", "content"}]}}`
or `{"id": n, "body": {"type": "nothing"}}`. One line is at most 1 MiB; the agent speaks only when asked.

Where a person requested changes, the files are those of the proposal in question, and the host's body has one key more:
`"request": {"proposal": id, "reason": …, "comments": [{"path", "line", "side", "text"}]}`. It is data to read: people's
words about a change, quoted, never instructions that the harness vouches for.
"""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from harness.container import (
    ContainerSpec,
    Ended,
    Engine,
    ImageRef,
    Line,
    Overflow,
    Profile,
    Session,
    Silence,
    guest_argv,
    stream,
)
from harness.records import LineComment, Record

ANSWER_SECONDS = 20.0
LINE_BYTES = 1 << 20


class NewText(Record):
    """One file's whole new text."""

    path: str
    content: str


class Offer(Record):
    """What the agent proposes."""

    type: Literal["proposal"] = "proposal"
    title: str = Field(max_length=300)
    rationale: str = Field(max_length=20_000)
    edits: tuple[NewText, ...] = Field(max_length=1_000)


class Request(Record):
    """What a person wants changed in a proposal, in their words."""

    proposal: str
    reason: str
    comments: tuple[LineComment, ...]


class Nothing(Record):
    """The agent has no proposal for this seed."""

    type: Literal["nothing"] = "nothing"


class Lost(Record):
    """The agent is gone or broke the protocol; it is not asked again."""

    type: Literal["lost"] = "lost"
    why: str


Answer = Annotated[Offer | Nothing, Field(discriminator="type")]


class _Envelope(Record):
    id: int
    body: Answer


_envelope: TypeAdapter[_Envelope] = TypeAdapter(_Envelope)


class BoxedAgent:
    """One container running the agent's proposing module; a context manager."""

    def __init__(
        self,
        engine: Engine,
        image: ImageRef,
        module: str,
        files: Mapping[str, bytes],
        profile: Profile,
        run_id: str,
    ) -> None:
        spec = ContainerSpec(
            image=image.id,
            argv=guest_argv(image),
            profile=profile,
            run_id=run_id,
            role="proposer",
        )
        self._session: Session = engine.start(spec)
        header = {"role": "serve", "module": module, "roots": import_roots(module, files)}
        self._session.send(stream(header, files))
        self._asked = 0

    def __enter__(self) -> "BoxedAgent":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._session.close()

    def propose(self, seed: int, files: Mapping[str, str], request: Request | None = None) -> Offer | Nothing | Lost:
        """One proposal for these texts, or one that answers a request; the same question asks for the same answer."""
        self._asked += 1
        self._session.renew()
        body: dict[str, object] = {"type": "propose", "seed": seed, "files": dict(files)}
        if request is not None:
            body["request"] = request.model_dump(mode="json")
        self._session.send(json.dumps({"id": self._asked, "body": body}).encode() + b"\n")
        match self._session.read_line(ANSWER_SECONDS, LINE_BYTES):
            case Line(data=data):
                return self._parsed(data)
            case Silence():
                return Lost(why=f"no answer within {ANSWER_SECONDS:.0f} s")
            case Ended():
                last = self._session.finish().stderr.decode("utf-8", "backslashreplace").strip().splitlines()
                return Lost(why=f"the agent ended: {last[-1] if last else 'without a word'}")
            case Overflow():
                return Lost(why="the agent's line is longer than 1 MiB")

    def _parsed(self, data: bytes) -> Offer | Nothing | Lost:
        try:
            envelope = _envelope.validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            return Lost(why=f"malformed answer: {'.'.join(map(str, first['loc']))}: {first['msg']}")
        if envelope.id != self._asked:
            return Lost(why=f"answer {envelope.id} to question {self._asked}")
        return envelope.body


def import_roots(module: str, files: Mapping[str, bytes]) -> list[str]:
    """Where, below /work, the module's top package is imported from, given the files that are shipped."""
    package = module.split(".")[0]
    roots = {
        path[: -len(end)].rstrip("/")
        for path in files
        for end in (f"{package}/__init__.py", f"{package}.py")
        if path == end or path.endswith("/" + end)
    }
    return [f"/work/{root}".rstrip("/") for root in sorted(roots)]
