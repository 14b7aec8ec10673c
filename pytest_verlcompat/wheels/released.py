"""What is known of the files of a release, in the form that is shipped: by path and stamp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.wheels.outlines import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.wheels.outlines import Place
    from pytest_verlcompat.wheels.surface_facts import Facts
    from pytest_verlcompat.wheels.surface_outline import Outline
    from pytest_verlcompat.wheels.surface_store import FactsStore

_MOVED = ".data/"
"""Part of the paths that installing changes; they are few, and parsed where they are met."""


def known_outlines(facts: Facts, store: FactsStore) -> Iterator[tuple[Place, Outline, Kind]]:
    """Yield every outline of a release with its place, as the directory of its wheel says.

    Raises:
        UsageError: If the index has no such release any more.
        IndexUnavailableError: If the index fails.
    """
    kind = Kind.CONSUMER if facts.is_consumer else Kind.PROVIDER
    with store.open_file(store.find_file(facts.distribution, facts.version)) as tree:
        for outline in facts.outlines.values():
            stamp = tree.stamp(outline.path)
            if stamp is not None and _MOVED not in outline.path:
                yield (outline.path, stamp), outline, kind


def known_exports(facts: Facts, store: FactsStore) -> Iterator[tuple[Place, tuple[str, ...]]]:
    """Yield the literal ``__all__`` of the modules of a release for which it was wanted.

    Raises:
        UsageError: If the index has no such release any more.
        IndexUnavailableError: If the index fails.
    """
    if not facts.exports:
        return
    with store.open_file(store.find_file(facts.distribution, facts.version)) as tree:
        for module, names in facts.exports.items():
            path = facts.paths[module]
            stamp = tree.stamp(path)
            if stamp is not None and _MOVED not in path:
                yield (path, stamp), names
