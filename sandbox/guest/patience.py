"""Ends a test in the oracle that waits for what cannot come, such as a thread's turn; it never breaks a message."""

import signal
from pathlib import Path

from . import judge
from .wire import Fault

HERE = str(Path(__file__).parent)
DOORS = frozenset(door.__code__ for door in (judge.call, judge.method, judge.get, judge.set_))


class Patience:
    """A context manager around a test's code: a Fault in it once no message was exchanged for so many seconds, up to
    twice as long. Code of our own is never interrupted, so that both sides agree on every object afterwards.
    """

    def __init__(self, peer, seconds):
        self.peer, self.seconds = peer, seconds
        self.before, self.stamp = None, None

    def __enter__(self):
        self.stamp = None
        self.before = signal.signal(signal.SIGALRM, self.rung)
        signal.setitimer(signal.ITIMER_REAL, self.seconds, self.seconds)

    def __exit__(self, kind, error, trace):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)

    def rung(self, _, frame):
        stamp, before = (self.peer.asked, self.peer.heard), self.stamp
        self.stamp = stamp
        if stamp != before or is_ours(frame):
            return
        fault = Fault(f"the test waited {self.seconds:.0f} s for what cannot come")
        self.peer.count("fault")
        self.peer.poison = self.peer.poison or fault
        raise fault


def is_ours(frame):
    """Whether a message is being read, written or understood just now; what a worker asked the tests for is not."""
    while frame is not None:
        if frame.f_code in DOORS:
            return False
        name = frame.f_code.co_filename
        if name.startswith(HERE):
            return True
        if not name.startswith(("<frozen", STANDARD)) or "site-packages" in name:
            return False
        frame = frame.f_back
    return False


STANDARD = str(Path(signal.__file__).parent)
