r"""Who vouches for records: SSH signatures of batches, checked without any network.

A batch is signed once: the text that is signed is the sorted list of the digests of its lines,
one a line, and not the file. A merge spreads a batch over the files of many cells, and the list
still says which lines are meant; signing every record would take a process each. List and
signature are kept as they are, so that `ssh-keygen` alone can check them again:

  ssh-keygen -Y verify -n evidence@pytest-verlcompat -f matrix/allowed-signers \
    -I PRINCIPAL -s reports/evidence/signed/ID.sig < reports/evidence/signed/ID.txt

Source: PROTOCOL.sshsig and ssh-keygen(1) of OpenSSH 9.2, read 2026-11-20.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import SignatureError, ToolMissingError
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.process.run import Ended, Limits, run
from pytest_verlcompat.store.jsonl import read_lines
from pytest_verlcompat.store.order import sorted_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NAMESPACE = "evidence@pytest-verlcompat"
"""A signature made for something else, such as a commit, is none of ours."""
SUFFIX = ".sig"
SIGNED = "signed"
"""Folder of the signatures below that of the evidence."""
_TIMEOUT_S = 60.0
_MOST_BYTES = 1 << 14
_PRINCIPAL = re.compile(r"[^\s\"*?,!]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A file of records and what was found beside it."""

    path: Path
    signer: str | None
    """``None`` where there is no signature, or no list of allowed signers."""
    signature: bytes | None


def find_allowed_signers(matrix: Path) -> Path | None:
    """Return the list of those whose signatures count, ``None`` where nobody's do."""
    path = matrix / "allowed-signers"
    return path if path.is_file() else None


def signature_of(path: Path) -> Path:
    """Return where the signature of the batch *path* lies."""
    return path.with_name(path.name + SUFFIX)


def sign(path: Path, *, key: Path) -> Path:
    """Return the new signature of the batch *path*.

    Args:
        key: A private key of SSH without a passphrase, or the public one of a key that the agent
            holds.

    Raises:
        SignatureError: If ssh-keygen cannot sign with that key.
    """
    with _listed(path) as text:
        ended = _ssh_keygen("sign", "-n", NAMESPACE, "-f", str(key.absolute()), str(text))
        made = signature_of(text)
        if ended.exit_status != 0 or not made.is_file():
            raise SignatureError(
                f"cannot sign: {_last(ended)}; a key with a passphrase goes into ssh-agent first, "
                "then name its public half",
                where=key.name,
            )
        target = signature_of(path)
        shutil.copyfile(made, target)
    return target


def check_batch(path: Path, *, allowed_signers: Path | None) -> Batch:
    """Return who signed the batch *path*.

    Raises:
        SignatureError: If there is a signature that does not fit, or is of nobody who may sign.
    """
    place = signature_of(path)
    if not place.is_file():
        return Batch(path=path, signer=None, signature=None)
    signature = _read(place)
    if allowed_signers is None:
        return Batch(path=path, signer=None, signature=signature)
    with _listed(path) as text:
        signer = _find_signer(text, place, allowed_signers=allowed_signers)
    return Batch(path=path, signer=signer, signature=signature)


def keep_signature(batch: Batch, *, evidence: Path) -> None:
    """Keep list and signature of *batch* below the folder *evidence*; twice is once."""
    if batch.signature is None:
        return
    folder = evidence / SIGNED
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(batch.signature).hexdigest()[:32]
    with _listed(batch.path, folder=folder) as text:
        aside = signature_of(text)
        aside.write_bytes(batch.signature)
        text.replace(folder / f"{name}.txt")
        aside.replace(folder / f"{name}{SUFFIX}")


def load_signers(evidence: Path, *, allowed_signers: Path | None) -> Mapping[str, str]:
    """Return digest of line to signer, of every kept signature that is valid.

    One that is not, any more or at all, vouches for nothing.
    """
    if allowed_signers is None:
        return {}
    found: dict[str, str] = {}
    for place in sorted((evidence / SIGNED).glob(f"*{SUFFIX}")):
        text = place.with_suffix(".txt")
        try:
            signer = _find_signer(text, place, allowed_signers=allowed_signers)
            lines = text.read_text(encoding="ascii").split()
        except (SignatureError, OSError, UnicodeDecodeError):
            continue
        for line in lines:
            found[line] = min(signer, found.get(line, signer))
    return found


def _find_signer(text: Path, signature: Path, *, allowed_signers: Path) -> str:
    """Return the principal whose *signature* of the file *text* is valid."""
    allowed, given = str(allowed_signers.absolute()), str(signature.absolute())
    _read(signature)
    asked = _ssh_keygen("find-principals", "-f", allowed, "-s", given)
    principal = asked.tail.strip().partition("\n")[0]
    if asked.exit_status != 0 or not _PRINCIPAL.fullmatch(principal):
        raise SignatureError(
            f"is of a key that may not sign: {_last(asked)}; a maintainer adds it to "
            f"{allowed_signers.name}",
            where=signature.name,
        )
    words = ("verify", "-n", NAMESPACE, "-f", allowed, "-I", principal, "-s", given)
    ended = _ssh_keygen(*words, message=text)
    if ended.exit_status != 0:
        raise SignatureError(
            f"is no signature of these records by {principal}: {_last(ended)}; sign the file "
            "again as it is now",
            where=signature.name,
        )
    return principal


def _ssh_keygen(*words: str, message: Path | None = None) -> Ended:
    tool = shutil.which("ssh-keygen")
    if tool is None:
        raise ToolMissingError(
            "is not on PATH; it comes with OpenSSH 8.9 or later", where="ssh-keygen"
        )
    return run(
        [tool, "-Y", *words],
        env=tool_environ(os.environ),
        cwd=Path.cwd(),
        limits=Limits(timeout_s=_TIMEOUT_S),
        stdin=message,
    )


@contextlib.contextmanager
def _listed(path: Path, *, folder: Path | None = None) -> Iterator[Path]:
    """Give a file with the text that is signed for the batch *path*."""
    with tempfile.TemporaryDirectory(prefix=".sign-", dir=folder) as scratch:
        text = Path(scratch) / "list"
        with text.open("wb") as file:
            for digest in sorted_lines(_digests(path), scratch=Path(scratch)):
                file.write(digest + b"\n")
        yield text


def _digests(path: Path) -> Iterable[bytes]:
    for number, raw in read_lines(path):
        if raw is None:
            raise SignatureError(
                "has a line that is too long to sign", where=f"{path.name}:{number}"
            )
        yield hashlib.sha256(raw).hexdigest().encode()


def _read(signature: Path) -> bytes:
    with signature.open("rb") as file:
        body = file.read(_MOST_BYTES + 1)
    if len(body) > _MOST_BYTES or not body.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise SignatureError("is not a signature of SSH", where=signature.name)
    return body


def _last(ended: Ended) -> str:
    lines = ended.tail.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
