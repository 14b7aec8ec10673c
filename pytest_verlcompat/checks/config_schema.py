"""Compose a release's configuration as Hydra would, and say which keys it has.

Only the forms that verl's own files use are understood: groups, ``@`` packages, ``../``,
``override``, ``optional``, ``${group}`` in a choice, ``_self_`` and search paths of files.

Source: hydra.cc, "The Defaults List" and "Packages", Hydra 1.3, read 2026-11-20.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_verlcompat.wheels.config_facts import ConfigFacts, ConfigFile

_CHOICE = re.compile(r"\$\{(?:oc\.select:)?([\w/]+)\}")
_DEEPEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A composed configuration."""

    label: str
    """Release and configuration name."""
    values: Mapping[str, Any]
    """Every key, inner ones too, dotted, with its default."""
    groups: Mapping[str, tuple[str, ...]]
    """What can be chosen: group (with its ``@`` package where it has one) to file names."""
    unread: tuple[str, ...] = ()
    """Packages whose chosen file this release does not ship; their keys are not known."""

    def has(self, key: str) -> bool:
        """Whether *key* exists."""
        return key in self.values


@dataclass(slots=True)
class _Composer:
    facts: ConfigFacts
    roots: list[str]
    taken: dict[str, str]
    """Choices of the command line and of ``override`` entries."""
    choices: dict[str, str] = field(default_factory=dict)
    """What each group came to, for choices that refer to another one."""
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    def find(self, path: str) -> tuple[str, ConfigFile] | None:
        for root in self.roots:
            name = posixpath.normpath(f"{root}/{path}")
            if name in self.facts.files:
                return name, self.facts.files[name]
        return None

    def options(self, group: str) -> tuple[str, ...]:
        prefixes = [posixpath.normpath(f"{root}/{group}") + "/" for root in self.roots]
        return tuple(
            sorted(
                name.rpartition("/")[2]
                for name in self.facts.files
                for prefix in prefixes
                if name.startswith(prefix) and "/" not in name[len(prefix) :]
            )
        )

    def merge(self, into: dict[str, Any], path: str, *, package: str, depth: int = 0) -> bool:
        """Merge the file *path* (relative to a root) into *into*; whether it exists."""
        found = self.find(path)
        if found is None or depth > _DEEPEST:
            return False
        file = found[1]
        where = {"_global_": "", None: package}.get(file.package, file.package or "")
        body = {key: value for key, value in file.body.items() if key not in {"defaults", "hydra"}}
        defaults = file.body.get("defaults") or []
        for group, choice in _overrides(file).items():
            self.taken.setdefault(group, choice)
        merged_self = False
        for item in defaults if isinstance(defaults, list) else []:
            if item == "_self_":
                _merge(into, _wrapped(body, where))
                merged_self = True
            else:
                self.merge_default(into, item, at=(path, where, depth))
        if not merged_self:
            _merge(into, _wrapped(body, where))
        return True

    def merge_default(self, into: dict[str, Any], item: Any, *, at: tuple[str, str, int]) -> None:  # noqa: ANN401 - YAML holds anything
        """Merge one entry of a defaults list."""
        path, package, depth = at
        folder = posixpath.dirname(path)
        if isinstance(item, str):
            name, _, own = item.partition("@")
            inner = _joined(package, "" if own in {"", "_here_"} else own)
            self.merge(into, posixpath.join(folder, name), package=inner, depth=depth + 1)
            return
        if not isinstance(item, dict) or len(item) != 1:
            return
        key, choice = next(iter(item.items()))
        words = key.split()
        if "override" in words:
            return  # taken before anything else, see `_overrides`
        group, _, own = words[-1].partition("@")
        group_path = posixpath.normpath(posixpath.join(folder, group))
        chosen = choice
        if not group.startswith(".."):  # inner groups can be chosen too, which no script does
            self.groups.setdefault(words[-1], self.options(group_path))
            chosen = self.taken.get(words[-1], self.taken.get(group, choice))
            self.choices.setdefault(group, str(chosen))
        chosen = _CHOICE.sub(lambda found: self.choices.get(found[1], ""), str(chosen))
        if chosen in {"None", "null", ""}:
            return
        inner = _joined(package, own) if own else _joined(package, group.replace("/", "."))
        file = f"{group_path}/{chosen.removesuffix('.yaml')}"
        if not self.merge(into, file, package=inner, depth=depth + 1):
            self.unread.append(inner)


def compose(
    facts: ConfigFacts, *, folder: str, name: str, choices: Mapping[str, str] | None = None
) -> Schema:
    """Return the composed configuration *name* in *folder*.

    Args:
        choices: Groups chosen on the command line.

    Raises:
        UsageError: If the release has no such configuration; the ones it has are named.
    """
    stem = name.removesuffix(".yaml")
    roots = [posixpath.normpath(folder)]
    primary = facts.files.get(f"{roots[0]}/{stem}")
    if primary is None:
        known = sorted(
            path.rpartition("/")[2] for path in facts.files if posixpath.dirname(path) == roots[0]
        )
        raise UsageError(
            f"{facts.label} has no configuration {stem!r} in {roots[0]}; "
            f"it has {', '.join(known) or 'none there'}"
        )
    roots += _search_paths(primary)
    taken = {**_overrides(primary), **(choices or {})}
    composer = _Composer(facts=facts, roots=roots, taken=taken)
    composed: dict[str, Any] = {}
    composer.merge(composed, stem, package="")
    return Schema(
        label=f"{facts.label} {stem}",
        values=dict(_flat(composed)),
        groups=composer.groups,
        unread=tuple(composer.unread),
    )


def _search_paths(file: ConfigFile) -> list[str]:
    hydra = file.body.get("hydra")
    paths = hydra.get("searchpath") if isinstance(hydra, dict) else None
    found = (str(path) for path in paths or [])
    return [path.removeprefix("file://") for path in found if path.startswith("file://")]


def _overrides(file: ConfigFile) -> dict[str, str]:
    """Return the choices that ``override`` entries of a primary configuration make."""
    defaults = file.body.get("defaults")
    found = {}
    for item in defaults if isinstance(defaults, list) else []:
        if isinstance(item, dict) and len(item) == 1:
            key, choice = next(iter(item.items()))
            if key.startswith("override "):
                found[key.split()[-1].partition("@")[0]] = str(choice)
    return found


def _joined(package: str, inner: str) -> str:
    return f"{package}.{inner}" if package and inner else package or inner


def _wrapped(body: Mapping[str, Any], package: str) -> dict[str, Any]:
    wrapped: dict[str, Any] = dict(body)
    for part in reversed(package.split(".") if package else []):
        wrapped = {part: wrapped}
    return wrapped


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict):
            mine = into.get(key)
            if not isinstance(mine, dict):
                mine = into[key] = {}
            _merge(mine, value)
        else:
            into[key] = value


def _flat(body: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in body.items():
        path = f"{prefix}{key}"
        yield path, value
        if isinstance(value, dict):
            yield from _flat(value, f"{path}.")
