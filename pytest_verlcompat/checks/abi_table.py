"""One table: every known extension wheel against every known torch release.

A row says with which torch releases a wheel's extensions find all their symbols, whether
that locks the wheel to torch, and where its metadata claims something else.
"""

from __future__ import annotations

import concurrent.futures
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_verlcompat.checks.abi_breaks import SILENT_BREAKS
from pytest_verlcompat.checks.abi_symbols import (
    find_abi_range,
    find_crashes,
    find_pin_mismatch,
    is_locked,
    render_versions,
)
from pytest_verlcompat.errors import VerlcompatError
from pytest_verlcompat.wheels.archive import open_wheel
from pytest_verlcompat.wheels.index import IndexClient, IndexFile, choose_wheel
from pytest_verlcompat.wheels.needs import WheelNeeds, read_needs
from pytest_verlcompat.wheels.symbols import newest
from pytest_verlcompat.wheels.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_verlcompat.wheels.cache import MemberCache
    from pytest_verlcompat.wheels.exports import TorchExports

EXTENSION_PROJECTS: Mapping[str, str] = {
    "vllm": "0.6.3",
    "sgl-kernel": "0.0.3",
    "sglang-kernel": "0",
    "xformers": "0.0.27",
    "torchvision": "0.19",
    "torchaudio": "2.4",
    "flashinfer-python": "0.2",
    "torch-memory-saver": "0",
}
"""Distributions whose wheels carry extensions, and the first release worth asking."""

PYTHONS = ("3.12", "3.11", "3.10")
PLATFORM = "manylinux_2_39_x86_64"
_WORKERS = 4
_LEGEND = (
    "`+` every symbol is exported, `.` one is missing, `!` all are there, but a known change of "
    "layout crashes it. Read from wheels; nothing was run for this table. *differs* compares the "
    "pin on torch in the metadata with that. *breaks silently at* names the release of torch "
    "whose change of layout an extension of the wheel relies on, which no symbol shows:"
)
_EVIDENCE = "`reports/figures/abi_truth.json` holds the loads that crashed and those that did not"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One wheel against every torch release."""

    distribution: str
    version: str
    wheel: str
    uploaded: str | None
    """Day, in UTC; None where the index does not say."""
    torch_pin: str | None
    extensions: int
    """Shared objects that bind to torch."""
    locked: str
    """Answer to *locked to torch?*."""
    fits: tuple[str, ...]
    """Torch releases that export every symbol and are not known to crash it."""
    crashes: tuple[str, ...]
    """Torch releases that export every symbol, and crash it by a change of layout."""
    cuda: tuple[int, ...]
    glibc: str | None
    glibcxx: str | None
    too_wide: tuple[str, ...]
    """Releases the metadata allows although a symbol is missing there."""
    too_narrow: tuple[str, ...]
    """Releases the metadata forbids although every symbol is there."""
    breaks_silently_at: tuple[str, ...]
    """Releases of torch that changed a layout which an extension relies on."""
    problems: tuple[str, ...]
    bytes_read: int
    duration_s: float


def find_wheels(client: IndexClient, *, platform: str = PLATFORM) -> Iterator[IndexFile]:
    """Yield the wheel for *platform* of every release of every known extension, oldest first.

    Raises:
        IndexUnavailableError: If the index fails.
    """
    for project, first in EXTENSION_PROJECTS.items():
        files = client.releases(project)
        for version in sorted({file.version for file in files}):
            if version < Version(first) or version.is_prerelease:
                continue
            for python in PYTHONS:
                chosen = choose_wheel(files, version=version, python=python, platform=platform)
                if chosen is not None:
                    yield chosen
                    break


def make_table(
    files: Sequence[IndexFile],
    *,
    exports: TorchExports,
    cache: MemberCache | None,
    told: Callable[[str], None] = lambda _: None,
) -> tuple[TableRow, ...]:
    """Return a row for each of *files*, in that order; what cannot be read is told in its row.

    Args:
        files: Wheels of the index.
        exports: What torch exports.
        cache: Where what was read is kept.
        told: Called with a line for each finished wheel.
    """
    transport = Transport()

    def make(file: IndexFile) -> TableRow:
        row = _make_row(file, exports=exports, cache=cache, transport=transport)
        told(f"{row.distribution} {row.version}: {row.locked} ({row.duration_s:.1f} s)")
        return row

    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        rows = tuple(pool.map(make, files))
    transport.close()
    return rows


def _make_row(
    file: IndexFile, *, exports: TorchExports, cache: MemberCache | None, transport: Transport
) -> TableRow:
    started = time.monotonic()
    read = 0
    try:
        with open_wheel(file.url, digest=file.sha256, cache=cache, transport=transport) as wheel:
            needs = read_needs(wheel, cache=cache)
            read = wheel.bytes_read
    except VerlcompatError as error:
        needs = WheelNeeds(
            label=file.filename, extensions=(), torch_pin=None, problems=(str(error),)
        )
    bound = [each for each in needs.extensions if each.torch]
    crashes = find_crashes(needs, exports=exports)
    known = find_abi_range(bound, exports=exports)
    fits = tuple(version for version in known if version not in crashes)
    versions = exports.versions
    too_wide, too_narrow = find_pin_mismatch(needs.torch_pin, fits=fits, known=versions)
    return TableRow(
        distribution=file.project,
        version=str(file.version),
        wheel=file.filename,
        uploaded=file.upload_time.date().isoformat() if file.upload_time else None,
        torch_pin=needs.torch_pin,
        extensions=len(bound),
        locked=is_locked(needs.extensions, fits=fits, known=versions),
        fits=fits,
        crashes=crashes,
        cuda=tuple(sorted({major for each in needs.extensions for major in each.cuda})),
        glibc=newest((f"G{each.glibc}" for each in needs.extensions if each.glibc), prefix="G"),
        glibcxx=newest((f"G{x.glibcxx}" for x in needs.extensions if x.glibcxx), prefix="G"),
        too_wide=too_wide if bound else (),
        too_narrow=too_narrow if bound else (),
        breaks_silently_at=tuple(
            each.since
            for each in SILENT_BREAKS
            if any(each.concerns(extension.torch) for extension in bound)
        ),
        problems=needs.problems,
        bytes_read=read,
        duration_s=round(time.monotonic() - started, 3),
    )


def render_table(rows: Sequence[TableRow], *, exports: TorchExports, command: str) -> str:
    """Return *rows* as Markdown: extension by torch release, with *locked to torch?*."""
    versions = exports.versions
    head = ["extension", "metadata says torch", "locked to torch?", "CUDA", *versions]
    head += ["breaks silently at", "differs"]
    lines = [
        f"<!-- {command} -->",
        "",
        _LEGEND,
        "",
        *(f"- {each.since}: {each.what} ({each.source}; {_EVIDENCE})" for each in SILENT_BREAKS),
        "",
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
    ]
    for row in rows:
        marks = [
            "+" if version in row.fits else "!" if version in row.crashes else "."
            for version in versions
        ]
        if not row.extensions:
            marks = [""] * len(versions)
        pin = "none" if row.torch_pin is None else row.torch_pin or "any"
        cells = [
            f"{row.distribution} {row.version}",
            pin,
            row.locked,
            ", ".join(map(str, row.cuda)),
            *marks,
            ", ".join(row.breaks_silently_at),
            _difference(row, versions),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _difference(row: TableRow, versions: Sequence[str]) -> str:
    parts: list[str] = []
    if row.problems:
        parts.append(f"unreadable: {len(row.problems)}")
    if row.torch_pin is None and row.extensions and len(row.fits) < len(versions):
        parts.append("asks for no torch, and binds to it")
    if row.too_wide:
        parts.append(f"allows {render_versions(row.too_wide, versions)} in vain")
    if row.too_narrow:
        parts.append(f"would load on {render_versions(row.too_narrow, versions)}")
    return "; ".join(parts)
