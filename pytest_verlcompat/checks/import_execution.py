"""Run the imports of a cell on paper: outlines in, what would be raised out.

Consumer modules are run statement by statement as the import system would; a provider's
module is run only for the names it binds. Both sides of a condition that the cell does not
decide are followed, and what differs between them is not known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.condition_values import UNKNOWN, RaisesError, Ref, Unknown, Value
from pytest_verlcompat.checks.import_conditions import decide, evaluate
from pytest_verlcompat.checks.import_outcome import (
    FINE,
    Doubt,
    Ended,
    Failure,
    Namespace,
    chained,
    condensed,
    handler_of,
    merged,
)
from pytest_verlcompat.checks.import_providers import Providers
from pytest_verlcompat.checks.provider_binding import Presence
from pytest_verlcompat.wheels.surface_outline import (
    Assign,
    Attempt,
    Branch,
    Class,
    Function,
    Import,
    Outline,
    Raise,
    Statement,
    Use,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
            ended = condensed(_Run(self, outline, space).block(outline.statements))
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


class _Run:
    """One module being run."""

    def __init__(self, owner: Interpreter, outline: Outline, space: Namespace) -> None:
        self.owner = owner
        self.outline = outline
        self.space = space

    def block(self, statements: Sequence[Statement]) -> Ended:
        doubts: list[Doubt] = []
        for statement in statements:
            ended = self.statement(statement)
            if ended is not FINE:
                doubts += ended.doubts
                if ended.failure is None or self.survives(statement, ended.failure):
                    continue
                return Ended(failure=ended.failure, doubts=tuple(doubts))
        return Ended(doubts=tuple(doubts)) if doubts else FINE

    def survives(self, statement: Statement, failure: Failure) -> bool:
        """Whether to go on after a failed import as if it had worked, to find the next one."""
        if self.owner.guards or not isinstance(statement, (Import, Use)):
            return False
        if failure not in self.owner.failures:
            self.owner.failures.append(failure)
        return True

    def statement(self, item: Statement) -> Ended:  # noqa: PLR0911 - one way out per kind of statement or answer
        if isinstance(item, Import):
            return self.imports(item)
        if isinstance(item, (Function, Class)):
            self.bind(item.name, Ref(f"{self.outline.module}.{item.name}"))
            return FINE
        if isinstance(item, Assign):
            return self.assign(item)
        if isinstance(item, Use):
            return self.use(item)
        if isinstance(item, Branch):
            return self.branch(item)
        if isinstance(item, Attempt):
            return self.attempt(item)
        return Ended(failure=self.raised(item))

    def raised(self, item: Raise) -> Failure:
        return Failure(
            kind=item.kind or "Exception",
            message=item.message,
            path=self.outline.path,
            line=item.line,
            provider="",
        )

    def bind(self, name: str, value: Value) -> None:
        self.space.names[name] = value
        if name in self.space.maybe:
            self.space.maybe -= {name}

    def assign(self, item: Assign) -> Ended:
        value: Value = UNKNOWN
        if item.value is not None:
            try:
                value = evaluate(item.value, self.space.names, self.owner)
            except RaisesError as error:
                return Ended(failure=self.failure(item.line, error.kind, item.value))
        self.bind(item.name, value)
        return FINE

    def failure(self, line: int, kind: str, message: str) -> Failure:
        return Failure(kind=kind, message=message, path=self.outline.path, line=line, provider="")

    def use(self, item: Use) -> Ended:
        base, _, rest = item.dotted.partition(".")
        value = self.space.names.get(base)
        if not isinstance(value, Ref) or self.owner.is_own(value.dotted):
            return FINE
        dotted = f"{value.dotted}.{rest}"
        if self.owner.providers.reach(dotted) is not Presence.ABSENT:
            return FINE
        owner, _, name = dotted.rpartition(".")
        failure = Failure(
            kind="AttributeError",
            message=f"{owner!r} has no attribute {name!r}",
            path=self.outline.path,
            line=item.line,
            provider=dotted.partition(".")[0],
            module=owner,
            name=name,
        )
        return Ended(failure=failure)

    def branch(self, item: Branch) -> Ended:
        try:
            truth = decide(item.condition, self.space.names, self.owner)
        except RaisesError as error:
            return Ended(failure=self.failure(item.line, error.kind, item.condition))
        if truth is not None:
            return self.block(item.then if truth else item.orelse)
        before = self._copy()
        self.owner.guards += 1
        then = self.block(item.then)
        after_then = self.space
        self.space = before
        orelse = self.block(item.orelse)
        self.owner.guards -= 1
        return self._join(item, (then, after_then), (orelse, self.space))

    def _copy(self) -> Namespace:
        space = self.space
        return Namespace(names=dict(space.names), maybe=space.maybe, is_open=space.is_open)

    def _join(
        self, item: Branch | Attempt, one: tuple[Ended, Namespace], two: tuple[Ended, Namespace]
    ) -> Ended:
        """Continue after two ways of which one is taken."""
        (first, space_one), (second, space_two) = one, two
        doubts = first.doubts + second.doubts
        if first.failure is not None and second.failure is not None:
            return Ended(failure=first.failure, doubts=doubts)
        if first.failure is not None:
            self._become(space_two)
            doubts += (self.doubt(item, first.failure),)
        elif second.failure is not None:
            self._become(space_one)
            doubts += (self.doubt(item, second.failure),)
        else:
            self._become(merged(space_one, space_two))
        return Ended(doubts=doubts) if doubts else FINE

    def _become(self, space: Namespace) -> None:
        """Make *space* the module's namespace, which others hold already."""
        live = self.owner.namespaces[self.outline.module]
        live.names, live.maybe, live.is_open = space.names, space.maybe, space.is_open
        self.space = live

    def doubt(self, item: Branch | Attempt, failure: Failure) -> Doubt:
        what = f"if {item.condition}" if isinstance(item, Branch) else "try"
        reason = (
            f"{failure.kind}: {failure.message} ({failure.path}:{failure.line}), under {what!r}"
        )
        return Doubt(path=self.outline.path, line=item.line, reason=reason, kind=failure.kind)

    def attempt(self, item: Attempt) -> Ended:
        before = self._copy()
        self.owner.guards += 1
        ended = self.block(item.body)
        self.owner.guards -= 1
        if ended.failure is not None:
            handler = handler_of(item, ended.failure.kind)
            result = ended if handler is None else self.block(handler)
            if result.failure is not None and handler is not None:
                result = replace(result, failure=chained(result.failure, ended.failure))
            return self._finally(item, result)
        open_doubts = tuple(d for d in ended.doubts if handler_of(item, d.kind) is not None)
        kept = tuple(d for d in ended.doubts if d not in open_doubts)
        result = self.block(item.orelse)
        if open_doubts and result.failure is None:
            after = self.space
            self.space = before
            handler = handler_of(item, open_doubts[0].kind) or ()
            self.owner.guards += 1
            other = self.block(handler)
            self.owner.guards -= 1
            result = self._join(item, (result, after), (other, self.space))
        combined = Ended(failure=result.failure, doubts=kept + result.doubts)
        return self._finally(item, combined)

    def _finally(self, item: Attempt, ended: Ended) -> Ended:
        if not item.final:
            return ended
        last = self.block(item.final)
        failure = last.failure or ended.failure
        return Ended(failure=failure, doubts=ended.doubts + last.doubts)

    # Imports.

    def imports(self, item: Import) -> Ended:  # noqa: PLR0911 - one way out per kind of statement or answer
        if self.owner.is_own(item.module):
            return self.own_import(item)
        if item.name is None:
            return self.whole_module(item)
        presence = self.owner.world.presence(item.module)
        if item.name == "*":
            return self.star(item, presence=presence)
        self.bind(item.bound, Ref(f"{item.module}.{item.name}"))
        if presence is None:
            return self.silent(item)
        if not presence:
            return Ended(failure=self.no_module(item))
        found = self.owner.providers.lookup(item.module, item.name)
        if found is Presence.PRESENT:
            return FINE
        if found is Presence.UNKNOWN:
            reason = self.owner.providers.why_unknown(item.module, item.name)
            silent = self.owner.world.member(item.module) is None
            doubt = Doubt(path=self.outline.path, line=item.line, reason=reason, is_silent=silent)
            return Ended(doubts=(doubt,))
        return Ended(failure=self.no_name(item))

    def silent(self, item: Import) -> Ended:
        reason = f"whether {item.module} is installed is not part of this cell"
        doubt = Doubt(
            path=self.outline.path,
            line=item.line,
            reason=reason,
            is_silent=True,
            kind="ModuleNotFoundError",
        )
        return Ended(doubts=(doubt,))

    def whole_module(self, item: Import) -> Ended:
        aliased = item.bound != item.module.partition(".")[0]
        self.bind(item.bound, Ref(item.module if aliased else item.bound))
        presence = self.owner.world.presence(item.module)
        if presence is None:
            return self.silent(item)
        return FINE if presence else Ended(failure=self.no_module(item))

    def star(self, item: Import, *, presence: bool | None) -> Ended:
        if presence is False:
            return Ended(failure=self.no_module(item))
        names = self.owner.providers.star_names(item.module)
        if names is None:
            self.space.is_open = True
            return FINE if presence else self.silent(item)
        for name in names:
            self.bind(name, Ref(f"{item.module}.{name}"))
        return FINE

    def no_module(self, item: Import) -> Failure:
        missing = self.owner.providers.first_missing(item.module)
        return replace(
            self.failure(item.line, "ModuleNotFoundError", f"No module named {missing!r}"),
            provider=item.module.partition(".")[0],
            module=missing,
        )

    def no_name(self, item: Import) -> Failure:
        message = f"cannot import name {item.name!r} from {item.module!r}"
        return replace(
            self.failure(item.line, "ImportError", message),
            provider=item.module.partition(".")[0],
            module=item.module,
            name=item.name,
        )

    def own_import(self, item: Import) -> Ended:  # noqa: PLR0911 - one way out per kind of statement or answer
        """Import from the consumer itself: run that module first."""
        if not self.owner.consumer.has_module(item.module):
            return Ended(failure=self.no_module(item))
        ended = self.owner.run(item.module)
        if ended.failure is not None:
            return ended
        if item.name is None:
            aliased = item.bound != item.module.partition(".")[0]
            self.bind(item.bound, Ref(item.module if aliased else item.bound))
            return ended
        if item.name == "*":
            return self.own_star(item, ended)
        submodule = f"{item.module}.{item.name}"
        space = self.owner.namespaces.get(item.module)
        if space is None or item.name not in space.names:
            if self.owner.consumer.has_module(submodule):
                ended = self.owner.run(submodule)
                if ended.failure is not None:
                    return ended
            elif self.owner.own(item.module, item.name) is Presence.ABSENT:
                return Ended(failure=replace(self.no_name(item), provider=""), doubts=ended.doubts)
        value = UNKNOWN if space is None else space.names.get(item.name, Ref(submodule))
        self.bind(item.bound, Ref(submodule) if isinstance(value, Unknown) else value)
        return ended

    def own_star(self, item: Import, ended: Ended) -> Ended:
        space = self.owner.namespaces.get(item.module)
        if space is None:
            return ended
        listed = space.names.get("__all__")
        names = listed if isinstance(listed, tuple) else [n for n in space.names if n[0] != "_"]
        for name in names:
            self.bind(name, space.names.get(name, UNKNOWN))
        self.space.is_open = self.space.is_open or space.is_open
        return ended
