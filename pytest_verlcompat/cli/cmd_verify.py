"""Say who signed files of records, without any network.

Exit status 0 if every file is signed by somebody who may; 19 if a signature is missing, does
not fit its records, or is of a key that is not allowed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.cli.signers import add_signers, check_files, find_signers
from pytest_verlcompat.errors import SignatureError, UsageError
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.store.signatures import check_batch

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", nargs="+", type=Path, help="its signature lies beside it")
    add_signers(parser)
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the checkout to work in")


def execute(args: argparse.Namespace) -> int:
    """Return 0 if every file is signed by somebody who may."""
    check_files(args.file)
    allowed = find_signers(args, find_workspace(args.root.resolve()))
    if allowed is None:
        raise UsageError(
            "there is no matrix/allowed-signers; name a file", where="--allowed-signers"
        )
    for path in args.file:
        batch = check_batch(path, allowed_signers=allowed)
        if batch.signer is None:
            raise SignatureError("has no signature beside it; see verlcompat sign", where=path.name)
        print(f"{path.name}: signed by {batch.signer}")
    return 0
