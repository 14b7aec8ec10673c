"""What many cells of one consumer have in common, worked out once.

Modules that no release of the provider can influence run the same in every cell, and of the
calls and look-ups inside functions only those that can reach the provider are looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.import_world import ENGINES
from pytest_verlcompat.wheels.surface_outline import Assign, Branch, Import, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_verlcompat.checks.import_outcome import Ended, Namespace
    from pytest_verlcompat.wheels.surface_facts import Facts
    from pytest_verlcompat.wheels.surface_outline import Call, Late, Outline


class ConsumerIndex:
    """One consumer, seen from the top-level modules *tops* of a provider."""

    def __init__(self, consumer: Facts, tops: Iterable[str]) -> None:
        self.consumer = consumer
        self.tops = frozenset(tops)
        self.neutral = _neutral(consumer, self.tops | frozenset(ENGINES.values()))
        self.ended: dict[str, Ended] = {}
        """How neutral modules ended, filled by the first cell that ran them."""
        self.namespaces: dict[str, Namespace] = {}
        self._uses: dict[str, tuple[tuple[Late, ...], tuple[Call, ...]]] = {}

    def uses(self, outline: Outline) -> tuple[tuple[Late, ...], tuple[Call, ...]]:
        """Return the late uses and the calls of a module that can reach the provider."""
        known = self._uses.get(outline.module)
        if known is None:
            names = _names_reaching(outline, self.tops)
            late = tuple(
                each
                for each in outline.late
                if _top(each.module) in self.tops or _base(each.module) in names
            )
            calls = tuple(
                each
                for each in outline.calls
                if _top(each.target) in self.tops or _base(each.target) in names
            )
            known = self._uses[outline.module] = (late, calls)
        return known

    def keep(self, ended: Mapping[str, Ended], namespaces: Mapping[str, Namespace]) -> None:
        """Keep how neutral modules ended, for the next cell."""
        for module in ended.keys() & self.neutral - self.ended.keys():
            self.ended[module] = ended[module]
            if module in namespaces:
                self.namespaces[module] = namespaces[module]


def _top(text: str) -> str:
    return re.split(r"[.:]", text, maxsplit=1)[0]


def _base(text: str) -> str:
    return "" if ":" in text else text.partition(".")[0]


def _names_reaching(outline: Outline, tops: frozenset[str]) -> frozenset[str]:
    """Return names bound by imports from *tops*, or from modules that may pass them on."""
    own = outline.module.partition(".")[0]
    return frozenset(
        item.bound
        for item in walk(outline.statements)
        if isinstance(item, Import) and item.module.partition(".")[0] in tops | {own}
    )


def _neutral(consumer: Facts, tops: frozenset[str]) -> frozenset[str]:
    """Return the modules whose run does not depend on what *tops* are or hold."""
    touched = {name for name, outline in consumer.outlines.items() if _touches(outline, tops)}
    users: dict[str, set[str]] = {}
    for name, outline in consumer.outlines.items():
        for target in _own_imports(outline, consumer):
            users.setdefault(target, set()).add(name)
    pending = list(touched)
    while pending:
        for user in users.get(pending.pop(), ()):
            if user not in touched:
                touched.add(user)
                pending.append(user)
    return frozenset(consumer.outlines) - touched


def _touches(outline: Outline, tops: frozenset[str]) -> bool:
    if outline.problem is not None:
        return True
    words = re.compile("|".join(rf"\b{top}\b" for top in sorted(tops)))
    if any(words.search(text) for text in outline.helpers.values()):
        return True
    for item in walk(outline.statements):
        if isinstance(item, Import) and item.module.partition(".")[0] in tops:
            return True
        if isinstance(item, Branch) and words.search(item.condition):
            return True
        if isinstance(item, Assign) and item.value and words.search(item.value):
            return True
    return False


def _own_imports(outline: Outline, consumer: Facts) -> Iterable[str]:
    """Yield the modules of the consumer that importing *outline* runs, parents too."""
    for item in walk(outline.statements):
        if not isinstance(item, Import) or _top(item.module) not in consumer.top_levels:
            continue
        parts = item.module.split(".")
        yield from (".".join(parts[:size]) for size in range(1, len(parts) + 1))
        if item.name is not None:
            yield f"{item.module}.{item.name}"
