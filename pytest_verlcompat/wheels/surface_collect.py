"""Read the facts of one release from its files, in as few reads as the questions allow.

A consumer is read whole. Of a provider only the modules are read that some consumer names,
and those their re-exports lead to; each round of following is one batch of reads.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Protocol

from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.wheels.surface_extract import outline_of
from pytest_verlcompat.wheels.surface_facts import Facts, module_paths
from pytest_verlcompat.wheels.surface_outline import (
    Assign,
    Branch,
    Class,
    Import,
    Outline,
    Statement,
    Use,
    walk,
)

Demand = tuple[str, str | None]
"""A module, and the name wanted from it; ``None`` for the module alone."""

Shared = MutableMapping[tuple[str, str], Outline]
"""Outlines by path and stamp: what one release has in common with the next is read once."""

_NOT_SHIPPED = frozenset({"tests", "test", "scripts", "docs", "examples", "benchmarks", "build"})
_MOST_ROUNDS = 12
_EMPTY = "0-00000000"
_ALL = re.compile(rb"^__all__\s*(?::[^=\n]+)?=\s*([\[(].*?[\])])", re.MULTILINE | re.DOTALL)


class SourceFiles(Protocol):
    """The part of a tree of files that reading facts needs."""

    label: str

    @property
    def digest(self) -> str | None:
        """SHA-256 that identifies the content, if there is one."""

    def names(self) -> Sequence[str]:
        """Return every file."""

    def stamp(self, name: str) -> str | None:
        """Return size and checksum as the archive lists them, ``None`` where it lists none."""

    def read_many(
        self, names: Iterable[str], *, on_error: Callable[[WheelFormatError], None] | None = None
    ) -> dict[str, bytes]:
        """Return the content of each name."""


def collect_consumer(tree: SourceFiles, *, distribution: str, version: str) -> Facts:
    """Return the facts of a release that imports others: every module, with its uses."""
    paths = {
        module: path
        for module, path in module_paths(tree.names()).items()
        if module.partition(".")[0] not in _NOT_SHIPPED
    }
    facts = Facts(
        distribution=distribution,
        version=version,
        digest=tree.digest or "",
        paths=paths,
        is_consumer=True,
    )
    modules = [module for module, path in paths.items() if path]
    return replace(facts, outlines=_Reader(tree, shared={}).read(facts, modules))


def collect_provider(
    tree: SourceFiles,
    demands: Iterable[Demand],
    *,
    distribution: str,
    version: str,
    known: Facts | None = None,
    hints: Iterable[str] = (),
    shared: Shared | None = None,
) -> Facts:
    """Return facts that answer *demands*.

    Args:
        known: Facts of the same release from earlier questions; they are kept.
        hints: Modules that other releases needed; they are read in the first round.
        shared: Outlines of other releases' files; equal files are not read again.
    """
    reader = _Reader(tree, shared={} if shared is None else shared)
    facts = known or Facts(
        distribution=distribution,
        version=version,
        digest=tree.digest or "",
        paths=module_paths(tree.names()),
    )
    outlines = dict(facts.outlines)
    exports = dict(facts.exports)
    stamps = dict(facts.stamps)
    pending = set(demands)
    done: set[Demand] = set()
    first = {module for module in hints if facts.paths.get(module)}
    first |= {module.partition(".")[0] for module, _ in pending}
    for _ in range(_MOST_ROUNDS):
        wanted = {module for module, _ in pending} | first
        first = set()
        needed = [m for m in sorted(wanted) if facts.paths.get(m) and m not in outlines]
        outlines.update(reader.read(facts, needed))
        scans = _scans(facts, outlines, exports)
        exports.update(_read_exports(tree, facts, scans))
        done |= pending
        pending = _follow(facts, outlines, pending) - done
        if not pending:
            break
    stamps.update(reader.stamps)
    return replace(facts, outlines=outlines, exports=exports, stamps=stamps)


def shareable(facts: Facts) -> Shared:
    """Return the outlines of *facts* under path and stamp."""
    return {
        (outline.path, facts.stamps[module]): outline
        for module, outline in facts.outlines.items()
        if module in facts.stamps and outline.problem is None
    }


def missing_demands(facts: Facts, demands: Iterable[Demand]) -> list[Demand]:
    """Return the demands that *facts* cannot answer because a module was not read."""
    missing: list[Demand] = []
    pending = set(demands)
    done: set[Demand] = set()
    for _ in range(_MOST_ROUNDS):
        missing += [d for d in pending if facts.paths.get(d[0]) and d[0] not in facts.outlines]
        done |= pending
        pending = _follow(facts, facts.outlines, pending) - done
        if not pending:
            break
    return missing


class _Reader:
    """Reads modules of one tree into outlines."""

    def __init__(self, tree: SourceFiles, *, shared: Shared) -> None:
        self.tree = tree
        self.shared = shared
        self.stamps: dict[str, str] = {}

    def read(self, facts: Facts, modules: Sequence[str]) -> dict[str, Outline]:
        """Return outlines of *modules*; one that cannot be read has a problem instead."""
        found: dict[str, Outline] = {}
        wanted: dict[str, str] = {}
        for module in modules:
            path = facts.paths[module]
            stamp = self._stamp(path)
            known = None if stamp is None else self.shared.get((path, stamp))
            if stamp == _EMPTY:
                package = path.endswith("__init__.py")
                known = Outline(module=module, path=path, is_package=package)
            if stamp is not None:
                self.stamps[module] = stamp
            if known is None:
                wanted[module] = path
            else:
                found[module] = known
        if wanted:
            found.update(self._fresh(wanted, is_consumer=facts.is_consumer))
        return found

    def _stamp(self, path: str) -> str | None:
        try:
            return self.tree.stamp(path)
        except WheelFormatError:
            return None  # reading it will say the same, in its place

    def _fresh(self, wanted: Mapping[str, str], *, is_consumer: bool) -> dict[str, Outline]:
        failures: list[WheelFormatError] = []
        content = self.tree.read_many(wanted.values(), on_error=failures.append)
        reasons = "; ".join(str(failure) for failure in failures) or "missing"
        found = {}
        for module, path in wanted.items():
            source = content.get(path)
            if source is None:
                package = path.endswith("__init__.py")
                problem = f"{path}: not readable ({reasons})"
                found[module] = Outline(
                    module=module, path=path, is_package=package, problem=problem
                )
                continue
            outline = outline_of(source, module=module, path=path, consumer=is_consumer)
            found[module] = outline
            if module in self.stamps and not is_consumer:
                self.shared[path, self.stamps[module]] = outline
        return found


def _follow(
    facts: Facts, outlines: Mapping[str, Outline], demands: Iterable[Demand]
) -> set[Demand]:
    """Return the demands that *demands* lead to by one step of re-export."""
    found: set[Demand] = set()
    for module, name in demands:
        if name is None or name == "*":
            if name == "*":
                found |= _stars(facts, outlines.get(module))
            continue
        submodule = f"{module}.{name}"
        if facts.paths.get(submodule):
            found.add((submodule, None))
        outline = outlines.get(module)
        if outline is not None:
            found |= _sources_of(facts, outline, name)
    return found


def _stars(facts: Facts, outline: Outline | None) -> set[Demand]:
    """Return what a star import of *outline* leads to."""
    if outline is None or is_mirrored(outline):
        return set()
    imports = (item for item in walk(outline.statements) if isinstance(item, Import))
    return {(i.module, "*") for i in imports if i.name == "*" and facts.paths.get(i.module)}


def _sources_of(facts: Facts, outline: Outline, name: str) -> set[Demand]:
    found: set[Demand] = set()
    bound = False
    for item in walk(outline.statements):
        if isinstance(item, Import) and item.bound == name and item.name is not None:
            bound = True
            found |= {(item.module, item.name)}
        elif isinstance(item, Class) and item.name == name:
            bound = True
            found |= {(outline.module, base.partition(".")[0]) for base in item.bases}
        elif isinstance(item, Assign) and item.name == name:
            bound = True
            if item.value and item.value.isidentifier() and item.value != name:
                found.add((outline.module, item.value))
    stars = {i.module for i in walk(outline.statements) if isinstance(i, Import) and i.name == "*"}
    if is_mirrored(outline):  # packages among them are scanned; modules hold stand-ins
        found |= {(module, "*") for module in stars - facts.packages}
    elif not bound:
        found |= {(module, wanted) for module in stars for wanted in ("*", name)}
    if outline.lazy and name in outline.lazy.names:
        target = lazy_target(facts, outline, name)
        found |= {target} if target else set()
    return {(module, wanted) for module, wanted in found if facts.has_module(module)}


def lazy_target(facts: Facts, outline: Outline, name: str) -> Demand | None:
    """Return the module and name that a lazy table's entry for *name* points to, if it does."""
    entry = outline.lazy.names.get(name, "") if outline.lazy else ""
    where, _, attribute = entry.partition(":")
    if not where:
        return None
    package = outline.module if outline.is_package else outline.module.rpartition(".")[0]
    for module in (f"{package}.{where.lstrip('.')}", where):
        if facts.has_module(module):
            return module, attribute or name
        owner, _, last = module.rpartition(".")
        if "." in where.lstrip(".") and facts.has_module(owner):
            return owner, last
    return None


def is_mirrored(outline: Outline) -> bool:
    """Whether a lazy module object offers at run time what its ``TYPE_CHECKING`` branch imports."""
    return any(
        isinstance(item, Branch) and item.condition.endswith("TYPE_CHECKING")
        for item in outline.statements
    ) and any(
        isinstance(item, Import) and item.bound == "_LazyModule"
        for item in walk(outline.statements)
    )


def _scans(
    facts: Facts, outlines: Mapping[str, Outline], exports: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """Return modules under mirrored packages with star imports, whose ``__all__`` is wanted."""
    roots = []
    for outline in outlines.values():
        if outline.is_package and is_mirrored(outline):
            stars = (i for i in walk(outline.statements) if isinstance(i, Import) and i.name == "*")
            roots += [f"{item.module}." for item in stars if item.module in facts.packages]
    if not roots:
        return []
    prefixes = tuple(roots)
    return [
        module
        for module, path in facts.paths.items()
        if path and module.startswith(prefixes) and module not in exports
    ]


def _read_exports(
    tree: SourceFiles, facts: Facts, modules: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return the literal ``__all__`` of *modules*, found without parsing whole files."""
    if not modules:
        return {}
    content = tree.read_many([facts.paths[module] for module in modules], on_error=lambda _: None)
    found: dict[str, tuple[str, ...]] = {}
    for module in modules:
        match = _ALL.search(content.get(facts.paths[module], b""))
        found[module] = _literal(match.group(1)) if match else ()
    return found


def _literal(text: bytes) -> tuple[str, ...]:
    try:
        value = ast.literal_eval(text.decode())
    except (ValueError, SyntaxError):
        return ()
    return tuple(item for item in value if isinstance(item, str))


def demands_of(consumer: Facts, top_levels: frozenset[str]) -> set[Demand]:
    """Return what *consumer* wants from modules under *top_levels*."""
    found: set[Demand] = set()
    for outline in consumer.outlines.values():
        bound = _bound_modules(outline.statements)
        for item in walk(outline.statements):
            if isinstance(item, Import):
                found.add((item.module, item.name))
        for late in outline.late:
            if not late.is_use:
                found.add((late.module, late.name))
        targets = [late.module for late in outline.late if late.is_use]
        targets += [item.dotted for item in walk(outline.statements) if isinstance(item, Use)]
        for target in targets + [call.target for call in outline.calls]:
            found |= set(_demands_of_target(target, bound))
    return {demand for demand in found if demand[0].partition(".")[0] in top_levels}


def _bound_modules(statements: Sequence[Statement]) -> dict[str, list[str]]:
    bound: dict[str, list[str]] = {}
    for item in walk(statements):
        if isinstance(item, Import):
            whole = item.module if item.bound != item.module.partition(".")[0] else item.bound
            text = whole if item.name is None else f"{item.module}:{item.name}"
            bound.setdefault(item.bound, []).append(text)
    return bound


def _demands_of_target(target: str, bound: Mapping[str, list[str]]) -> Iterable[Demand]:
    base, _, rest = target.partition(".")
    texts = (
        [target] if ":" in target else [f"{t}.{rest}" if rest else t for t in bound.get(base, [])]
    )
    for text in texts:
        parts = text.replace(":", ".").split(".")
        for size in range(1, len(parts)):
            yield ".".join(parts[:size]), parts[size]
