"""A file becomes a link to another at the worst moment of a copy: after it was looked at, before it is opened."""

import importlib.util
import json
import os
import stat
import sys

LEFT, SECRET = "/work/report.xml", "/work/unlisted"


def naive(path):
    if stat.S_ISREG(os.stat(path, follow_symlinks=False).st_mode):
        with open(path, "rb") as source:
            return source.read()
    return b""


def ours(path):
    spec = importlib.util.spec_from_file_location("packing", "/opt/holdpoint/guest/artifacts.py")
    packing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(packing)
    root, _, name = path.rpartition("/")
    return packing.read(root, name, 1000)[1]


look = os.stat


def look_and_swap(*args, **options):
    found = look(*args, **options)
    if stat.S_ISREG(found.st_mode) and str(args[0]).endswith("report.xml"):
        os.symlink(SECRET, "/work/link")
        os.replace("/work/link", LEFT)
    return found


for name, content in ((LEFT, "a report"), (SECRET, "what nobody listed")):
    with open(name, "w") as target:
        target.write(content)
reader = naive if json.loads(sys.argv[1])["naive"] else ours
os.stat = look_and_swap
data = reader(LEFT)
os.stat = look
if not os.path.islink(LEFT):
    raise SystemExit("the swap did not happen")
fired = data == b"what nobody listed"
print(json.dumps({"fired": fired, "detail": "it read the other file" if fired else "the link was not followed"}))
