"""``verlcompat abi --table`` and ``--index-torch``: what is read from the index for all users."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_verlcompat.checks.abi_table import find_wheels, make_table, render_table
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.wheels.archive import open_wheel
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.exports import (
    LIBRARIES,
    TorchExports,
    load_exports,
    load_tables,
    merge_exports,
    parse_exports,
    render_exports,
)
from pytest_verlcompat.wheels.index import IndexClient, IndexFile, choose_wheel
from pytest_verlcompat.wheels.torch_release import read_release

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pytest_verlcompat.wheels.exports import ReleaseExports

_DATA = Path(__file__).parent.parent / "wheels" / "data" / "torch_exports.xz"
_TABLE_COMMAND = "verlcompat abi --table --output FOLDER"
_FIRST_TORCH = Version("2.4")
_MEASURED = frozenset({"bytes_read", "duration_s"})
"""Columns that differ from run to run and say nothing about a wheel."""


def write_table(args: argparse.Namespace) -> int:
    """Return 0 after every known extension was judged against every torch."""
    started = time.monotonic()
    cache = None if args.no_cache else MemberCache(default_cache_folder())
    exports = load_exports(_machine(args.platform))
    files = list(find_wheels(IndexClient.configured(), platform=args.platform))
    rows = make_table(files, exports=exports, cache=cache, told=tell)
    duration_s = time.monotonic() - started
    if args.output is not None:
        args.output.mkdir(parents=True, exist_ok=True)
        body = {
            "title": "Extension wheels against torch releases, by symbols",
            "command": _TABLE_COMMAND,
            "torch": exports.versions,
            "rows": [
                {key: value for key, value in asdict(row).items() if key not in _MEASURED}
                for row in rows
            ],
        }
        text = json.dumps(body, indent=1)
        (args.output / "abi_table.json").write_text(text + "\n", encoding="utf-8")
        markdown = render_table(rows, exports=exports, command=_TABLE_COMMAND)
        (args.output / "abi_table.md").write_text(markdown, encoding="utf-8")
    read = sum(row.bytes_read for row in rows)
    against = f"{len(rows)} wheels against {len(exports.releases)} torch releases"
    tell(f"{against}, {read} bytes read, {duration_s:.1f} s")
    return 0


def index_torch(args: argparse.Namespace) -> int:
    """Return 0 after the named releases were added, or with ``--check`` found to be as known.

    Raises:
        UsageError: If a release has no wheel for that Python and platform.
    """
    target = args.output or _DATA
    known = parse_exports(target.read_bytes()) if target.is_file() else load_tables()
    machine = _machine(args.platform)
    table = known.get(machine) or TorchExports((), names=(), places=(), machine=machine)
    added: list[ReleaseExports] = []
    same = True
    try:
        for file, client in _torch_wheels(args):
            read = _read_torch(file, client=client)
            if args.check:
                same &= _is_known(read, table)
            else:
                added.append(read)
    finally:
        # A wheel that cannot be read must not cost those that were.
        if added:
            known[machine] = merge_exports(table, added)
            _write_exports(known, target=target)
    return 0 if same else 1


def _machine(platform: str) -> str:
    """Return ``aarch64`` of ``manylinux_2_39_aarch64``."""
    known = ("x86_64", "aarch64")
    return next((machine for machine in known if platform.endswith(machine)), platform)


def _torch_wheels(args: argparse.Namespace) -> Iterator[tuple[IndexFile, IndexClient]]:
    client = IndexClient.configured()
    files = client.releases("torch")
    wanted: Sequence[str] = args.index_torch
    everything = list(wanted) == ["all"]
    if everything:
        versions = {f.version for f in files if f.version >= _FIRST_TORCH}
        wanted = [str(v) for v in sorted(versions) if not v.is_prerelease]
    for version in wanted:
        file = choose_wheel(
            files, version=version, python=args.python_version, platform=args.platform
        )
        if file is not None:
            yield file, client
        elif not everything:
            raise UsageError(
                f"torch {version} has no wheel for Python {args.python_version} and {args.platform}"
            )
        else:
            tell(f"torch {version}: no wheel for {args.platform}")


def _read_torch(file: IndexFile, *, client: IndexClient) -> ReleaseExports:
    started = time.monotonic()
    with open_wheel(file.url, digest=file.sha256, transport=client.transport) as wheel:
        found = read_release(wheel, version=str(file.version), sha256=file.sha256)
        cost = wheel.bytes_read
    count = sum(map(len, found.names.values()))
    duration_s = time.monotonic() - started
    tell(f"torch {file.version}: {count} names, {cost} bytes read, {duration_s:.1f} s")
    return found


def _is_known(read: ReleaseExports, table: TorchExports) -> bool:
    """Return whether *table* says the same of the release, and tell where it does not."""
    version = read.release.version
    if version not in table.versions:
        tell(f"torch {version}: not known for {table.machine}")
        return False
    known = table.exported_by(version)
    differs = [
        f"{library}: {len(new - old)} names are new, {len(old - new)} are gone"
        for library in LIBRARIES
        if (new := read.names.get(library, frozenset()))
        != (old := known.names.get(library, frozenset()))
    ]
    if read.release != known.release:
        differs.append("its wheel, digest or libraries")
    tell(f"torch {version}: " + ("; ".join(differs) or "as known, wheel and every name"))
    return not differs


def _write_exports(tables: dict[str, TorchExports], *, target: Path) -> None:
    body = render_exports(tables.values())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(body)
    count = sum(len(table.releases) for table in tables.values())
    tell(f"{target.name}: {count} releases, {len(body)} bytes, {len(body) // count} for each")


def tell(line: str) -> None:
    """Print *line* for whoever waits, beside the answer."""
    print(line, file=sys.stderr, flush=True)
