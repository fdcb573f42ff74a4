"""Writes `bytes` bytes to stdout, in lines or as one line, and says so if it gets that far."""

import json
import sys

args = json.loads(sys.argv[1])
block = (b"x" * 1023 + b"\n" if args["lines"] else b"x" * 1024) * 64
left = args["bytes"]
while left > 0:
    sys.stdout.buffer.write(block)
    left -= len(block)
sys.stdout.buffer.write(b"\n")
sys.stdout.flush()
print(json.dumps({"fired": True, "detail": f"{args['bytes']} bytes of output were taken"}))
