"""The lines of a lock as data that is safe to put into a script, whoever wrote the lock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_verlcompat.errors import LockError
from pytest_verlcompat.model.toml_text import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_verlcompat.resolve.lock import Lock

_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,100}[A-Za-z0-9])?)\s*==\s*(?P<version>[^\s;\\]+)"
    r"\s*(?:;(?P<marker>[^#\\]*?))?(?P<rest>(?:\s+--hash=\S+)*)\s*"
)
_HASH = re.compile(r"--hash=(?P<text>sha256:[0-9a-f]{64})")
_FROM_SOURCE = "# sdist"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One distribution of a lock."""

    name: str
    """Normalized."""
    version: str
    """In its PEP 440 spelling."""
    hashes: tuple[str, ...]
    """``sha256:<64 hex digits>`` of the files it may be; empty where the lock names none."""
    from_source: bool = False
    """Whether the locked file is a source distribution."""

    @property
    def text(self) -> str:
        """``name==version``."""
        return f"{self.name}=={self.version}"

    @property
    def line(self) -> str:
        """The pin as a requirements file holds it."""
        return " ".join([self.text, *(f"--hash={each}" for each in self.hashes)])


def read_pins(lock: Lock) -> tuple[Pin, ...]:
    """Return the pins of *lock* in its order.

    Raises:
        LockError: If the lock has no solution, or a line is no pin.
    """
    if lock.explanation is not None:
        first, _, _ = lock.explanation.partition("\n")
        raise LockError(
            f"has no solution, so there is nothing to install: {first} "
            "See what comes near: verlcompat recommend",
            where=lock.path.parent.name,
        )
    return parse_pins(lock.path)


def parse_pins(path: Path) -> tuple[Pin, ...]:
    """Return the pins in a requirements file or ``pylock.toml``.

    Raises:
        LockError: If it cannot be read, or holds something else than exact pins.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"cannot be read: {error}", where=path.name) from error
    is_toml = path.suffix == ".toml"
    pins = tuple(_toml_pins(text, path.name) if is_toml else _line_pins(text, path.name))
    seen: set[str] = set()
    for pin in pins:
        if pin.name in seen:
            raise LockError(
                f"pins {pin.name} twice; a lock for one platform names it once", where=path.name
            )
        seen.add(pin.name)
    if not pins:
        raise LockError("holds no pins", where=path.name)
    return pins


def make_pin(name: str, version: str, *, where: str, hashes: tuple[str, ...] = ()) -> Pin:
    """Return a pin whose every part may stand in a script unquoted.

    Raises:
        LockError: If the version is none.
    """
    try:
        return Pin(name=canonicalize_name(name), version=str(Version(version)), hashes=hashes)
    except InvalidVersion as error:
        raise LockError(
            f"{version!r} is not a PEP 440 version; only released versions can be locked",
            where=where,
        ) from error


def _line_pins(text: str, where: str) -> Iterator[Pin]:
    from_source = False
    joined = re.sub(r"\\\r?\n", " ", text)
    for number, raw in enumerate(joined.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            from_source = line.startswith(_FROM_SOURCE)
            continue
        bare = re.sub(r"\s#.*$", "", line)
        match = _LINE.fullmatch(bare)
        if match is None or (match["rest"] and not _HASH.search(match["rest"])):
            raise LockError(
                f"line {number} is no exact pin: {bare[:80]!r}; "
                "a lock has lines like name==version --hash=sha256:...",
                where=where,
            )
        if match["marker"]:
            raise LockError(
                f"line {number} holds only where {match['marker'].strip()[:80]!r}; make the lock "
                "for one Python and platform: uv pip compile --python-platform ...",
                where=where,
            )
        hashes = tuple(each["text"] for each in _HASH.finditer(match["rest"] or ""))
        pin = make_pin(match["name"], match["version"], where=where, hashes=hashes)
        yield Pin(name=pin.name, version=pin.version, hashes=hashes, from_source=from_source)
        from_source = False


def _toml_pins(text: str, where: str) -> Iterator[Pin]:
    try:
        body = parse_toml(text)
    except ValueError as error:
        raise LockError(f"not TOML: {error}", where=where) from error
    packages = body.get("packages")
    if not isinstance(packages, list):
        raise LockError("has no [[packages]]; is it a pylock.toml (PEP 751)?", where=where)
    for package in packages:
        name, version = package.get("name"), package.get("version")
        if not isinstance(name, str) or not isinstance(version, str):
            raise LockError(
                f"{name!r} has no version: it comes from a folder or a repository, which nobody "
                "else can install; lock a release",
                where=where,
            )
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
        digests = [str(each.get("hashes", {}).get("sha256", "")) for each in files]
        hashes = tuple(f"sha256:{each}" for each in digests if _DIGEST.fullmatch(each))
        pin = make_pin(name, version, where=where, hashes=hashes)
        alone = "sdist" in package and not package.get("wheels")
        yield Pin(name=pin.name, version=pin.version, hashes=hashes, from_source=alone)
