"""Containers of one base's oracle kept ready, so that nobody waits for a start; they talk to nobody here."""

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

from harness.container import Engine, Finished, Pool, Session
from harness.trial.floor import LONGEST_LINE
from harness.trial.inputs import TrialInputs
from harness.trial.shipping import Shipment

STARTING: Final = 60.0  # seconds for a container's first line
_SLOWER: Final = 4  # how much longer than plain tests the whole may take, and seconds for starting
_START: Final = 5.0
_BUFFER: Final = 2 * LONGEST_LINE


class Workshop:
    """Containers of one base kept ready: oracles and workers. For several threads; close it to remove what waits."""

    def __init__(self, engine: Engine, inputs: TrialInputs, goods: Shipment, ahead: int = 1) -> None:
        self.engine = engine
        self.goods = goods
        self.tests = inputs.config.target.tests
        self.fresh = inputs.config.sandbox.worker
        self.roots = inputs.roots()
        self.limit = inputs.config.sandbox.timeout
        self.total = _SLOWER * self.limit + _START
        self.named = inputs.spec(inputs.image, "worker").profile.limits
        life = self.total + STARTING
        self.judging = inputs.spec(inputs.judge, "oracle", ("pytest",), life, _BUFFER, talks=True)
        self.working = inputs.spec(inputs.image, "worker", ("asyncio", "json", "typing"), life, talks=True)
        self._judges = Pool(engine, self.judging, ahead)
        self._workers = Pool(engine, self.working, ahead + 1)
        self._ending = ThreadPoolExecutor(1, "holdpoint-ending")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._ending.shutdown()
        self._judges.close()
        self._workers.close()

    def judge(self) -> Session:
        """An oracle that has read nothing yet."""
        return self._judges.take()

    def worker(self) -> Session:
        """A worker that has read nothing yet."""
        return self._workers.take()

    def end(self, session: Session) -> Future[Finished]:
        """Ends and removes a container while others go on; the future says how it had ended."""
        return self._ending.submit(session.kill)
