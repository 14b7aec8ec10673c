"""What the verbs that read other people's records share: whose signature counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import EvidenceError, UsageError
from pytest_verlcompat.store.signatures import find_allowed_signers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from pytest_verlcompat.execute.workspace import Workspace
    from pytest_verlcompat.store.signatures import Batch


def add_signers(parser: argparse.ArgumentParser) -> None:
    """Declare whose signatures count."""
    parser.add_argument(
        "--allowed-signers",
        type=Path,
        metavar="FILE",
        help="as ssh-keygen takes it (default: matrix/allowed-signers, where it is there)",
    )


def find_signers(args: argparse.Namespace, workspace: Workspace) -> Path | None:
    """Return the list of those who may sign.

    Raises:
        UsageError: If one was named that is not there.
    """
    named: Path | None = args.allowed_signers
    if named is None:
        return find_allowed_signers(workspace.matrix)
    if not named.is_file():
        raise UsageError("is no file", where=str(named))
    return named


def check_files(paths: Iterable[Path]) -> None:
    """Raise for what is no file of its own: a link may lead to what nobody meant to publish.

    Raises:
        EvidenceError: If one is missing, a link or something else.
    """
    for path in paths:
        if path.is_symlink() or not path.is_file():
            raise EvidenceError("is no file", where=str(path))


def describe(batch: Batch) -> str:
    """Return one line about who vouches for *batch*."""
    if batch.signer is not None:
        return f"{batch.path.name}: signed by {batch.signer}"
    if batch.signature is not None:
        return f"{batch.path.name}: signed, but matrix/allowed-signers is not there to check it"
    return f"{batch.path.name}: unsigned"
