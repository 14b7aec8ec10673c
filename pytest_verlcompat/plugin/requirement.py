"""Requirements that a test has: parsed, checked for sense, and compared with what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.model.names import normalize

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.specifiers import SpecifierSet


def parse_requirements(texts: Iterable[str]) -> dict[str, SpecifierSet]:
    """Return specifiers by normalized name.

    Raises:
        UsageError: If a text is no ``name<specifier>``, or no version could satisfy them all.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    found: dict[str, SpecifierSet] = {}
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise UsageError(f"{text!r} is no requirement; write 'vllm>=0.11,<0.13'") from error
        if requirement.url or requirement.extras or requirement.marker:
            raise UsageError(f"{text!r}: only a name and versions can be required")
        name = normalize(requirement.name)
        both = found[name] & requirement.specifier if name in found else requirement.specifier
        found[name] = both
        if not _is_possible(both):
            raise UsageError(f"no version of {name} can be {both}; the requirements contradict")
    return found


def find_missing(wanted: Mapping[str, SpecifierSet], versions: Mapping[str, str]) -> list[str]:
    """Return what is missing, ``vllm>=0.11 (installed: 0.10.2)`` each.

    A pre-release is taken for what it is: ``0.12.0rc1`` is at least ``0.11``.
    """
    found = {name: f"installed: {versions[name]}" for name in wanted if name in versions}
    return [
        f"{name}{specifier} ({found.get(name, 'not installed')})"
        for name, specifier in wanted.items()
        if name not in versions or not _is_inside(versions[name], specifier)
    ]


def _is_inside(text: str, specifier: SpecifierSet) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return specifier.contains(Version(text), prereleases=True)
    except InvalidVersion:
        return not specifier


def _is_possible(specifier: SpecifierSet) -> bool:
    """Return whether some version is inside: one of those named, or close to one of them."""
    tried = ["0", "9999"]
    for each in specifier:
        text = each.version.removesuffix(".*")
        tried += [text, f"{text}.0", f"{text}.0.1", f"{text}.1", f"{text}.post1", f"{text}.dev0"]
    return any(_is_inside(text, specifier) for text in tried)
