"""Where proxies find the peer of this process; it knows nothing else."""

OWN = {}  # the peer, under the name "peer"
QUIET = frozenset(("_pytestfixturefunction", "__pytest_wrapped__", "pytestmark", "_pytest_skip", "__unittest_skip__"))


def peer():
    return OWN["peer"]


def use(mine):
    OWN["peer"] = mine


def ask(op, /, *args, **kwargs):
    return peer().request(op, args, kwargs)
