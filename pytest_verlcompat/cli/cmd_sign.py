"""Sign a file of records with an SSH key, so that others know whose they are.

Writes FILE.sig beside it; send both. The signature is of the records and not of the file, so
it stays valid when they are merged into others.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.cli.signers import check_files
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.store.signatures import sign

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", nargs="+", type=Path, help="JSON Lines, as unbundle writes them")
    parser.add_argument(
        "--key",
        type=Path,
        required=True,
        help="private key without a passphrase, or the public half of one that ssh-agent holds",
    )


def execute(args: argparse.Namespace) -> int:
    """Return 0 after signing."""
    check_files(args.file)
    if not args.key.is_file():
        raise UsageError("is no file", where=str(args.key))
    for path in args.file:
        print(f"wrote {sign(path, key=args.key).name}")
    return 0
