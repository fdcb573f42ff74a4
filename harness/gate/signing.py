"""Signs and checks bytes with OpenSSH's ssh-keygen; decides nothing, keeps no key, leaves no file.

Everything goes through standard input and memory files: `ssh-keygen -Y sign FILE` over an existing `.sig` without a
terminal exits 0 and signs nothing. A signature is checked against one named key, never against a list (OpenSSH's
`find-principals` returns keys that the namespace rule rejects).
"""

import base64
import binascii
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from harness.errors import EnvironmentFault, UsageError
from harness.records import Record
from harness.target import ReviewerEntry
from harness.text import visible_line

Namespace = Literal["holdpoint-approval@v1", "holdpoint-root@v1", "holdpoint-decision@v1"]
APPROVAL: Namespace = "holdpoint-approval@v1"
ROOT: Namespace = "holdpoint-root@v1"
DECISION: Namespace = "holdpoint-decision@v1"
_ARMOR = re.compile(rb"-----BEGIN SSH SIGNATURE-----\n((?:[A-Za-z0-9+/=]{1,70}\n)+)-----END SSH SIGNATURE-----\n")
_MISSING = "ssh-keygen is missing."
_INSTALL = "apt-get install openssh-client"
_PATIENCE = 300.0  # a person touches a hardware key or types a passphrase
_CHECK_SECONDS = 20.0


class Signature(Record):
    """An armored OpenSSH signature, checked against the key that was asked for."""

    armored: str


class KeyRefused(Record):
    """No signature was made, and why."""

    why: str


def ready() -> None:
    """EnvironmentFault when ssh-keygen is not there: said before anything is judged, so that it is no verdict."""
    if shutil.which("ssh-keygen") is None:
        raise EnvironmentFault(_MISSING, _INSTALL)


def generate_key(path: Path) -> None:
    """Makes a new ed25519 key pair at the path, without a passphrase; UsageError when something is there."""
    if path.exists() or path.with_name(path.name + ".pub").exists():
        raise UsageError(f"{path} exists; a key is never overwritten.", "name another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFault(
            f"The folder of {path} cannot be made: {error.strerror}.", "choose another folder"
        ) from None
    ran = _ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", "holdpoint", "-f", str(path.absolute()))
    if ran.returncode != 0:
        raise EnvironmentFault(f"ssh-keygen could not write {path}: {_words(ran.stderr)}", "choose another folder")


def public_key(path: Path) -> str:
    """`TYPE BASE64` of a key file, public or private; UsageError when it is neither."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"The key {path} cannot be read: {error.strerror}.", "name a key file") from None
    beside = path.with_name(path.name + ".pub")
    if b"PRIVATE KEY-----" in text[:200]:
        if beside.is_file():
            text = beside.read_bytes()
        else:
            text = _ssh_keygen("-y", "-f", str(path.absolute()), terminal=True).stdout
    try:
        return ReviewerEntry(name="x", key=text.decode("utf-8", "replace").strip()).key
    except ValidationError:
        raise UsageError(f"{path} holds no OpenSSH key that can sign.", "ssh-keygen -t ed25519 -f FILE") from None


def fingerprint(public: str) -> str:
    """`SHA256:…` of a public key line, as ssh-keygen prints it."""
    blob = base64.b64decode(public.split(" ")[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def sign(
    key: Path, namespace: Namespace, data: bytes, signer: ReviewerEntry, *, terminal: bool
) -> Signature | KeyRefused:
    """Signs with a private key file, or with an agent's or token's key named by its public file.

    The result is checked as `signer`'s before it is returned. Without a terminal nothing is ever asked.
    """
    try:
        head = key.read_bytes()[:200]
    except OSError as error:
        return KeyRefused(why=f"the key {key} cannot be read: {error.strerror}")
    from_file = b"PRIVATE KEY-----" in head
    try:
        ran = _ssh_keygen(
            "-Y", "sign", "-n", namespace, "-f", str(key.absolute()), stdin=data, agent=not from_file,
            terminal=terminal,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return KeyRefused(why=f"no signature came within {_PATIENCE:.0f} seconds")
    if ran.returncode != 0:
        return KeyRefused(why=f"ssh-keygen did not sign: {_words(ran.stderr)}")
    armored = ran.stdout.decode("ascii", "replace")
    fault = signature_fault(signer, namespace, data, armored)
    return KeyRefused(why=f"the key {key} is not {signer.name}'s: {fault}") if fault else Signature(armored=armored)


def signs_quietly(key: Path) -> bool:
    """Whether signing asks nobody for anything: a private key file without passphrase that is no hardware key's."""
    try:
        if b"PRIVATE KEY-----" not in key.read_bytes()[:200]:
            return False
    except OSError:
        return False
    ran = _ssh_keygen("-y", "-P", "", "-f", str(key.absolute()))
    return ran.returncode == 0 and not ran.stdout.startswith(b"sk-")


def signature_fault(signer: ReviewerEntry, namespace: Namespace, data: bytes, armored: str) -> str:
    """Why this is not the person's signature over the bytes for this purpose; "" when it is."""
    raw = armored.encode("utf-8", "replace")
    body = _ARMOR.fullmatch(raw)
    if body is None or not _canonical(body[1]):
        return "it is not an OpenSSH signature in its one true form"
    allowed = f'{signer.name} namespaces="{namespace}" {signer.key}\n'.encode()
    with _memory_file(allowed) as signers, _memory_file(raw) as signature:
        ran = _ssh_keygen(
            "-Y", "verify", "-n", namespace, "-I", signer.name, "-f", f"/dev/fd/{signers}",
            "-s", f"/dev/fd/{signature}",
            stdin=data, files=(signers, signature), patience=_CHECK_SECONDS,
        )  # fmt: skip
    return "" if ran.returncode == 0 else f"it does not verify with {signer.name}'s key"


def _canonical(body: bytes) -> bool:
    """Whether the armor is what ssh-keygen writes: base64 that decodes and encodes to itself, in lines of 70."""
    flat = body.replace(b"\n", b"")
    try:
        encoded = base64.b64encode(base64.b64decode(flat, validate=True))
    except binascii.Error:
        return False
    return body == b"".join(encoded[at : at + 70] + b"\n" for at in range(0, len(encoded), 70))


@contextmanager
def _memory_file(data: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("holdpoint")
    try:
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _ssh_keygen(
    *args: str,
    stdin: bytes = b"",
    agent: bool = False,
    terminal: bool = False,
    files: tuple[int, ...] = (),
    patience: float = _PATIENCE,
) -> subprocess.CompletedProcess[bytes]:
    """One ssh-keygen; it sees the agent only when told, and the terminal only when told (else its own session)."""
    env = {name: value for name, value in os.environ.items() if agent or name not in ("SSH_AUTH_SOCK", "SSH_AGENT_PID")}
    env |= {"LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"}
    env.pop("DISPLAY", None)
    try:
        return subprocess.run(
            ["ssh-keygen", *args], input=stdin, capture_output=True, env=env, pass_fds=files, timeout=patience,
            start_new_session=not terminal, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise EnvironmentFault(_MISSING, _INSTALL) from None


def _words(stderr: bytes) -> str:
    lines = [line for line in stderr.decode("utf-8", "backslashreplace").splitlines() if line.strip()]
    return visible_line(lines[-1] if lines else "it said nothing", 200)
