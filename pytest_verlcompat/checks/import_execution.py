"""Run the imports of a cell on paper: outlines in, what would be raised out.

Consumer modules are run statement by statement as the import system would; a provider's
module is run only for the names it binds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.checks.condition_values import UNKNOWN, Ref, Value
from pytest_verlcompat.checks.import_outcome import (
    FINE,
    Doubt,
    Ended,
    Failure,
    Namespace,
    condensed,
)
from pytest_verlcompat.checks.import_providers import Providers
from pytest_verlcompat.checks.import_statements import Run
from pytest_verlcompat.checks.provider_binding import Presence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_verlcompat.checks.consumer_index import ConsumerIndex
    from pytest_verlcompat.checks.import_world import World
    from pytest_verlcompat.wheels.surface_facts import Facts


class Interpreter:
    """Runs modules of one consumer in one cell; every module once."""

    def __init__(
        self,
        world: World,
        consumer: Facts,
        *,
        providers: Providers | None = None,
        index: ConsumerIndex | None = None,
    ) -> None:
        self.world = world
        self.consumer = consumer
        self.providers = providers or Providers(world)
        self.failures: list[Failure] = []
        """Every failure met outside any ``try`` and undecided branch, in the order of imports."""
        self.guards = 0
        """How many of those surround what is being run."""
        self.ended: dict[str, Ended] = {}
        self.namespaces: dict[str, Namespace] = {}
        self.index = index
        self.running: set[str] = set()
        self._settled: dict[str, Ended] = {}
        """How imports ended, parents and all, once each of them had."""

    def import_root(self, module: str) -> Ended:
        """Run *module* and what it imports; failures are collected, not only the first."""
        ended = self.run(module)
        if ended.failure is not None and ended.failure not in self.failures:
            self.failures.append(ended.failure)
        return ended

    def run(self, module: str) -> Ended:
        """Return how ``import module`` of the consumer ends, parents first."""
        known = self._settled.get(module)
        if known is not None:
            return known
        parts = module.split(".")
        doubts: tuple[Doubt, ...] = ()
        failure = None
        settled = True
        for size in range(1, len(parts) + 1):
            prefix = ".".join(parts[:size])
            ended = self._run_one(prefix)
            settled = settled and prefix in self.ended
            doubts += ended.doubts
            failure = ended.failure
            if failure is not None:
                break
        result = Ended(failure=failure, doubts=doubts) if failure or doubts else FINE
        if settled:
            self._settled[module] = result
        return result

    def _run_one(self, module: str) -> Ended:
        known = self.ended.get(module)
        if known is not None:
            return known
        if self.index is not None and module in self.index.ended:
            return self._recall(module, self.index)
        if module in self.running:
            return FINE
        outline = self.consumer.outlines.get(module)
        if outline is None:
            self.ended[module] = FINE  # a namespace package, or compiled
            return FINE
        if outline.problem is not None:
            doubt = Doubt(path=outline.path, line=0, reason=outline.problem)
            ended = Ended(doubts=(doubt,))
            self.namespaces[module] = Namespace(is_open=True)
        else:
            self.running.add(module)
            space = Namespace(is_open=outline.is_open)
            self.namespaces[module] = space
            ended = condensed(Run(self, outline, space).block(outline.statements))
            self.running.discard(module)
        self.ended[module] = ended
        return ended

    def _recall(self, module: str, index: ConsumerIndex) -> Ended:
        """Take over how a neutral module, and what it imported, ended in another cell."""
        ended = self.ended[module] = index.ended[module]
        if module in index.namespaces:
            self.namespaces[module] = index.namespaces[module]
        return ended

    def own(self, module: str, name: str) -> Presence:
        """Whether the consumer's own *module* has *name*, after it ran."""
        space = self.namespaces.get(module)
        if space is None or module in self.running:
            return Presence.UNKNOWN
        outline = self.consumer.outlines[module]
        if name in space.names:
            return Presence.UNKNOWN if name in space.maybe else Presence.PRESENT
        if self.consumer.has_module(f"{module}.{name}"):
            return Presence.PRESENT
        if space.is_open or (outline.lazy and (outline.lazy.is_open or name in outline.lazy.names)):
            return Presence.UNKNOWN
        return Presence.ABSENT

    # What conditions ask.

    def exists(self, dotted: str) -> bool | None:
        """Whether *dotted* can be reached."""
        if self.is_own(dotted):
            return None
        return self.providers.reach(dotted).as_bool()

    def parameters(self, dotted: str) -> frozenset[str] | None:
        """Return parameter names of a provider's callable."""
        return self.providers.parameters(dotted)

    def helper(self, dotted: str) -> tuple[str, Mapping[str, Value]] | None:
        """Return source and namespace of a helper of the consumer."""
        module, _, name = dotted.rpartition(".")
        outline = self.consumer.outlines.get(module)
        if outline is None or name not in outline.helpers:
            target = self.constant_ref(dotted)
            return None if target in {None, dotted} else self.helper(str(target))
        self.run(module)
        space = self.namespaces.get(module)
        return outline.helpers[name], {} if space is None else space.names

    def constant_ref(self, dotted: str) -> str | None:
        """Return where a re-exported name of the consumer comes from."""
        module, _, name = dotted.rpartition(".")
        space = self.namespaces.get(module)
        value = None if space is None else space.names.get(name)
        return value.dotted if isinstance(value, Ref) else None

    def constant(self, dotted: str) -> Value:
        """Return the value of a name that a module of the consumer binds."""
        module, _, name = dotted.rpartition(".")
        space = self.namespaces.get(module)
        if space is None or name in space.maybe:
            return UNKNOWN
        value = space.names.get(name, UNKNOWN)
        return UNKNOWN if isinstance(value, Ref) else value

    def is_own(self, dotted: str) -> bool:
        """Whether *dotted* starts with a module of the consumer."""
        return dotted.partition(".")[0] in self.consumer.top_levels
