"""Writes a hostile archive to stdout, as code in a container may: what comes out is the host's business."""

import io
import json
import sys
import tarfile


def entry(name, kind=tarfile.REGTYPE, target=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made, b""


def file(name, content):
    made, _ = entry(name)
    made.size = len(content)
    return made, content


def sparse(name, size):
    """An old GNU sparse header: one kilobyte that stands for `size` bytes."""
    block = bytearray(512)
    block[0:100] = name.encode().ljust(100, b"\0")
    block[100:108] = b"0000644\0"
    block[108:124] = b"0000000\0" * 2
    block[124:136] = b"%011o\0" % 0
    block[136:148] = b"%011o\0" % 0
    block[156:157] = b"S"
    block[257:265] = b"ustar  \0"
    block[386:410] = b"%011o\0%011o\0" % (size, 0)
    block[483:495] = b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(1024)


args = json.loads(sys.argv[1])
beside = args["beside"]  # a folder of the host, next to the one that a reader may unpack into
made = {
    "symlink": [entry("report/a.xml", tarfile.SYMTYPE, f"{beside}/secret")],
    "hardlink": [entry("report/a.xml", tarfile.LNKTYPE, f"{beside}/secret")],
    "climbing": [file("../beside/planted", b"planted")],
    "absolute": [file(f"{beside}/planted", b"planted")],
    "special": [entry("report/pipe.xml", tarfile.FIFOTYPE), entry("report/null.xml", tarfile.CHRTYPE)],
    "names": [file("report/\x1b]52;c;aGk=\x07.xml", b"")],
    "duplicates": [file("report/a.xml", b"first"), file("report/a.xml", b"second"), file("report/A.xml", b"third")],
    "flood": [file(f"report/{number}.xml", b"") for number in range(200)],
    "unlisted": [file("elsewhere/a.py", b"import os")],
}
if args["what"] == "bomb":
    data = sparse("report/bomb.xml", 64 * 1024 * 1024)
else:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for member, content in made[args["what"]]:
            archive.addfile(member, io.BytesIO(content))
    data = out.getvalue()
sys.stdout.buffer.write(data)
