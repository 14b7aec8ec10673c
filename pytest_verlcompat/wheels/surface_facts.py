"""What one release offers or uses, as facts that can be kept: modules, outlines, problems."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.wheels.surface_outline import LazyOutlines, Outline, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FACTS_VERSION = 2
"""Raised whenever facts of an older version would be read wrongly."""

_EXTENSION = re.compile(r"\.(?:abi3|cpython-[\w-]+|cp\d+-[\w-]+)?\.?(?:so|pyd)$")
_DATA_PREFIX = re.compile(r"^[^/]+\.data/(?:purelib|platlib)/")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The import surface of one release, or of one source tree."""

    distribution: str
    version: str
    """As the release spells it; empty for a source tree that has none."""
    digest: str
    """SHA-256 of the wheel these facts were read from; empty for a tree."""
    paths: Mapping[str, str]
    """Every importable module with its path inside the release; ``""`` for a compiled one."""
    outlines: Mapping[str, Outline] = field(default_factory=dict)
    stamps: Mapping[str, str] = field(default_factory=dict)
    """Size and checksum of the files the outlines were read from, as the wheel lists them."""
    exports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """``__all__`` of modules whose outline was not needed."""
    is_consumer: bool = False
    answered: frozenset[str] = frozenset()
    """Digests of the sets of questions that were followed to their end."""

    @cached_property
    def packages(self) -> frozenset[str]:
        """Every dotted prefix of a module: packages, namespace packages too."""
        found: set[str] = set()
        for module in self.paths:
            parent = module.rpartition(".")[0]
            while parent and parent not in found:
                found.add(parent)
                parent = parent.rpartition(".")[0]
        return frozenset(found)

    @cached_property
    def aliases(self) -> frozenset[str]:
        """Modules that have no file of their own."""
        if isinstance(self.outlines, LazyOutlines):
            return self.outlines.aliases
        return frozenset(name for outline in self.outlines.values() for name in outline.aliases)

    @cached_property
    def top_levels(self) -> frozenset[str]:
        """Names that ``import`` finds."""
        return frozenset(module.partition(".")[0] for module in self.paths)

    def has_module(self, module: str) -> bool:
        """Whether ``import module`` finds a file or a folder."""
        return module in self.paths or module in self.packages or module in self.aliases

    @property
    def label(self) -> str:
        """Distribution and version for people."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def problems(self) -> tuple[str, ...]:
        """Files that could not be read, each with its line where there is one."""
        found = (outline.problem for outline in self.outlines.values())
        return tuple(sorted(problem for problem in found if problem))


def module_paths(names: Iterable[str]) -> dict[str, str]:
    """Return the importable modules among the files *names* of a release."""
    found: dict[str, str] = {}
    for name in names:
        if name.endswith((".py", ".so", ".pyd")):
            module = _module_of(_DATA_PREFIX.sub("", name))
            if module and (name.endswith(".py") or module not in found):
                found[module] = name if name.endswith(".py") else ""
    return found


def _module_of(name: str) -> str | None:
    parts = list(PurePosixPath(name).parts)
    parts[-1] = parts[-1][:-3] if name.endswith(".py") else _EXTENSION.sub("", parts[-1])
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None


def dump_facts(facts: Facts) -> bytes:
    """Return *facts* as gzip-compressed JSON, the same bytes for the same facts."""
    data = {
        "version": FACTS_VERSION,
        "distribution": facts.distribution,
        "release": facts.version,
        "digest": facts.digest,
        "consumer": facts.is_consumer,
        "answered": sorted(facts.answered),
        "paths": dict(facts.paths),
        "outlines": [encode(facts.outlines[name]) for name in sorted(facts.outlines)],
        "stamps": dict(facts.stamps),
        "exports": {name: list(names) for name, names in sorted(facts.exports.items())},
    }
    text = json.dumps(data, separators=(",", ":"), sort_keys=True)
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def load_facts(data: bytes, *, where: str) -> Facts | None:
    """Return the facts that `dump_facts` wrote; ``None`` if another version wrote them.

    Raises:
        WheelFormatError: If *data* is something else.
    """
    try:
        found: dict[str, Any] = json.loads(gzip.decompress(data))
        if found["version"] != FACTS_VERSION:
            return None
        return Facts(
            distribution=found["distribution"],
            version=found["release"],
            digest=found["digest"],
            is_consumer=found["consumer"],
            answered=frozenset(found["answered"]),
            paths=found["paths"],
            outlines=LazyOutlines(found["outlines"]),
            stamps=found["stamps"],
            exports={name: tuple(names) for name, names in found["exports"].items()},
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise WheelFormatError(
            f"not the facts of a release ({error}); delete the file", where=where
        ) from error
