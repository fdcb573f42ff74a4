"""Compiles a tar of Python sources (stdin) to a tar of bytecode files (stdout); run once, when an image is built.

argv[1] is the folder where the sources will lie in the image. The files are of the unchecked kind: the image is
read-only, so no import ever compares them with their source.
"""

import importlib.util
import io
import marshal
import sys
import tarfile

UNCHECKED_HASH = (1).to_bytes(4, "little")


def main():
    prefix = sys.argv[1]
    with (
        tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as source,
        tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as result,
    ):
        for entry in source:
            if entry.isreg() and entry.name.endswith(".py"):
                add(result, entry.name, prefix, source.extractfile(entry).read())


def add(result, name, prefix, text):
    try:
        code = compile(text, f"{prefix}/{name}", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        # Wheels ship files for other versions of Python; importing one fails the same with and without.
        return
    data = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(text) + marshal.dumps(code)
    made = tarfile.TarInfo(importlib.util.cache_from_source(name))
    made.size = len(data)
    result.addfile(made, io.BytesIO(data))


if __name__ == "__main__":
    main()
