"""PEP 751 lock for other installers: names addresses of your index, so it is made on request."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import IndexUnavailableError, LockError
from pytest_verlcompat.recipes.pins import Pin, read_pins
from pytest_verlcompat.recipes.stack import target_of
from pytest_verlcompat.recipes.words import quoted
from pytest_verlcompat.resolve.uv import call_uv

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

FILENAME = "pylock.toml"
ASKS_INDEX = True
_TIMEOUT_S = 600.0


def render(cell: Cell, lock: Lock) -> str:
    """Return the lock with the address of each file on the caller's own index.

    Raises:
        IndexUnavailableError: If the index could not be asked.
        LockError: If it lacks a file of the lock.
    """
    pins = read_pins(lock)
    target = target_of(cell)
    ended = call_uv(
        [
            *("pip", "compile", "-", "--format", "pylock.toml", "--no-header", "--no-annotate"),
            *("--no-deps", "--python-version", target.python, "--python-platform", cell.platform),
            "--no-python-downloads",
        ],
        files={"-": [pin.text for pin in pins]},
        timeout_s=_TIMEOUT_S,
    )
    if ended.exit_status != 0:
        if ended.index_unreachable:
            raise IndexUnavailableError(
                f"could not be asked: {ended.last_line}", where="package index"
            )
        raise LockError(
            f"the index lacks a release of the lock: {ended.messages.strip()[-600:]}",
            where=cell.id,
        )
    packages = {each["name"]: each for each in tomllib.loads(ended.output).get("packages", ())}
    minor = int(target.python.partition(".")[2])
    lines = [
        'lock-version = "1.0"',
        'created-by = "verlcompat"',
        f'requires-python = ">={target.python},<3.{minor + 1}"',
    ]
    for pin in pins:
        lines += _package(pin, packages.get(pin.name, {}), where=cell.id)
    return "\n".join(lines) + "\n"


def _package(pin: Pin, package: dict[str, Any], *, where: str) -> list[str]:
    files = [("wheels", each) for each in package.get("wheels", ())]
    files += [("sdist", package["sdist"])] if "sdist" in package else []
    named = [
        (kind, each)
        for kind, each in files
        if not pin.hashes or f"sha256:{each.get('hashes', {}).get('sha256')}" in pin.hashes
    ]
    if not named:
        raise LockError(
            f"the index has no file of {pin.text} with the locked hash; another index may have "
            "another build under that version",
            where=where,
        )
    lines = ["", "[[packages]]", f"name = {quoted(pin.name)}", f"version = {quoted(pin.version)}"]
    wheels = [_inline(each) for kind, each in named if kind == "wheels"]
    if wheels:
        lines += ["wheels = [", *(f"  {each}," for each in wheels), "]"]
    lines += [f"sdist = {_inline(each)}" for kind, each in named if kind == "sdist"]
    return lines


def _inline(file: dict[str, Any]) -> str:
    digest = file["hashes"]["sha256"]
    return "{ " + ", ".join([*_fields(file), f"hashes = {{ sha256 = {quoted(digest)} }}"]) + " }"


def _fields(file: dict[str, Any]) -> Iterator[str]:
    for key in ("name", "url", "path"):
        if isinstance(file.get(key), str):
            yield f"{key} = {quoted(file[key])}"
    if isinstance(file.get("size"), int):
        yield f"size = {file['size']}"
