"""Takes `bytes` of memory and touches all of it, itself or in a child that it survives."""

import json
import os
import sys

args = json.loads(sys.argv[1])
STEP = 4 * 1024 * 1024


def eat():
    return [bytearray(b"x") * STEP for _ in range(args["bytes"] // STEP)]


if args["child"]:
    child = os.fork()
    if child == 0:
        eat()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    fired = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
    detail = "a child took the memory" if fired else f"a child was ended by signal {os.WTERMSIG(status)}"
else:
    taken = eat()
    fired, detail = True, f"{len(taken) * STEP} bytes were taken"
print(json.dumps({"fired": fired, "detail": detail}))
