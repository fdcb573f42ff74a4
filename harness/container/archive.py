"""Tar archives for the guest and for image builds, the same bytes for the same content; reads no file system."""

import io
import tarfile
from collections.abc import Collection, Mapping

from harness.errors import UsageError


def tar_of(
    files: Mapping[str, bytes],
    *,
    links: Mapping[str, str] | None = None,
    executable: Collection[str] = (),
    folders: Collection[str] = (),
    read_only: bool = False,
) -> bytes:
    """An uncompressed tar, owned by root, sorted, without times; where a path is file and link, the link wins.

    With `read_only`, folders are listed too, and nothing is writable.
    """
    out = io.BytesIO()
    links = links or {}
    paths = sorted({*files, *links})
    write = 0 if read_only else 0o200
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for folder in sorted({*folders, *_folders(paths)}) if read_only else ():
            entry = _entry(folder, 0o555)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        for path in paths:
            if path in links:
                entry = _entry(path, 0o777)
                entry.type = tarfile.SYMTYPE
                entry.linkname = links[path]
                archive.addfile(entry)
            else:
                entry = _entry(path, (0o555 if path in executable else 0o444) | write)
                entry.size = len(files[path])
                archive.addfile(entry, io.BytesIO(files[path]))
    return out.getvalue()


def files_of(archive: bytes) -> dict[str, bytes]:
    """The regular files of a tar that our own code made; anything else in it is left out."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as source:
        for entry in source:
            content = source.extractfile(entry) if entry.isreg() else None
            if content is not None:
                found[entry.name] = content.read()
    return found


def _entry(path: str, mode: int) -> tarfile.TarInfo:
    if path.startswith("/") or any(part in {"", ".", ".."} for part in path.split("/")) or "\0" in path:
        raise UsageError(f"the path {path!r} cannot be sent to a container.", "use a plain relative path")
    entry = tarfile.TarInfo(path)
    entry.mode = mode
    return entry


def _folders(paths: Collection[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        parts = path.split("/")[:-1]
        found.update("/".join(parts[: n + 1]) for n in range(len(parts)))
    return found
