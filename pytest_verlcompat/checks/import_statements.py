"""Run the statements of one module of a consumer on paper, its imports among them.

Both sides of a condition that the cell does not decide are followed, and what differs between
them is not known.
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
    handler_of,
    merged,
)
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
    from collections.abc import Sequence

    from pytest_verlcompat.checks.import_execution import Interpreter

_ABSENT_FROM_CELL = Doubt(
    path="",
    line=0,
    reason="whether a module is installed is not part of this cell",
    is_silent=True,
    kind="ModuleNotFoundError",
)
SILENT = Ended(doubts=(_ABSENT_FROM_CELL,))
"""How an import ends of which this cell does not say whether its distribution is there."""


class Run:
    """One module being run."""

    def __init__(self, owner: Interpreter, outline: Outline, space: Namespace) -> None:
        self.owner = owner
        self.outline = outline
        self.space = space

    def block(self, statements: Sequence[Statement]) -> Ended:
        """Return how *statements* end; the names they bind are in the namespace."""
        doubts: list[Doubt] = []
        for statement in statements:
            ended = self._statement(statement)
            if ended is not FINE:
                doubts += ended.doubts
                if ended.failure is None or self._survives(statement, ended.failure):
                    continue
                return Ended(failure=ended.failure, doubts=tuple(doubts))
        return Ended(doubts=tuple(doubts)) if doubts else FINE

    def _survives(self, statement: Statement, failure: Failure) -> bool:
        """Whether to go on after a failed import as if it had worked, to find the next one."""
        if self.owner.guards or not isinstance(statement, (Import, Use)):
            return False
        if failure not in self.owner.failures:
            self.owner.failures.append(failure)
        return True

    def _statement(self, item: Statement) -> Ended:  # noqa: PLR0911 - one way out per kind of statement or answer
        if isinstance(item, Import):
            return self._imports(item)
        if isinstance(item, (Function, Class)):
            self._bind(item.name, Ref(f"{self.outline.module}.{item.name}"))
            return FINE
        if isinstance(item, Assign):
            return self._assign(item)
        if isinstance(item, Use):
            return self._use(item)
        if isinstance(item, Branch):
            return self._branch(item)
        if isinstance(item, Attempt):
            return self._attempt(item)
        return Ended(failure=self._raised(item))

    def _raised(self, item: Raise) -> Failure:
        return Failure(
            kind=item.kind or "Exception",
            message=self._message(item.message),
            path=self.outline.path,
            line=item.line,
            provider="",
        )

    def _message(self, text: str) -> str:
        """Return *text* with the values of an f-string written in, where the cell decides them."""
        if not text.startswith(("f'", 'f"')):
            return text
        try:
            value = evaluate(text, self.space.names, self.owner)
        except RaisesError:
            return text
        return value if isinstance(value, str) else text

    def _bind(self, name: str, value: Value) -> None:
        self.space.names[name] = value
        if name in self.space.maybe:
            self.space.maybe -= {name}

    def _assign(self, item: Assign) -> Ended:
        value: Value = UNKNOWN
        if item.value is not None:
            try:
                value = evaluate(item.value, self.space.names, self.owner)
            except RaisesError as error:
                return Ended(failure=self._failure(item.line, error.kind, item.value))
        self._bind(item.name, value)
        return FINE

    def _failure(self, line: int, kind: str, message: str) -> Failure:
        return Failure(kind=kind, message=message, path=self.outline.path, line=line, provider="")

    def _use(self, item: Use) -> Ended:
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

    def _branch(self, item: Branch) -> Ended:
        try:
            truth = decide(item.condition, self.space.names, self.owner)
        except RaisesError as error:
            return Ended(failure=self._failure(item.line, error.kind, item.condition))
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
            doubts += (self._doubt(item, first.failure),)
        elif second.failure is not None:
            self._become(space_one)
            doubts += (self._doubt(item, second.failure),)
        else:
            self._become(merged(space_one, space_two))
        return Ended(doubts=doubts) if doubts else FINE

    def _become(self, space: Namespace) -> None:
        """Make *space* the module's namespace, which others hold already."""
        live = self.owner.namespaces[self.outline.module]
        live.names, live.maybe, live.is_open = space.names, space.maybe, space.is_open
        self.space = live

    def _doubt(self, item: Branch | Attempt, failure: Failure) -> Doubt:
        what = f"if {item.condition}" if isinstance(item, Branch) else "try"
        reason = (
            f"{failure.kind}: {failure.message} ({failure.path}:{failure.line}), under {what!r}"
        )
        return Doubt(path=self.outline.path, line=item.line, reason=reason, kind=failure.kind)

    def _attempt(self, item: Attempt) -> Ended:
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

    def _imports(self, item: Import) -> Ended:  # noqa: PLR0911 - one way out per kind of statement or answer
        if self.owner.is_own(item.module):
            return self._own_import(item)
        if item.name is None:
            return self._whole_module(item)
        presence = self.owner.world.presence(item.module)
        if item.name == "*":
            return self._star(item, presence=presence)
        self._bind(item.bound, Ref(f"{item.module}.{item.name}"))
        if presence is None:
            return SILENT
        if not presence:
            return Ended(failure=self._no_module(item))
        found = self.owner.providers.lookup(item.module, item.name)
        if found is Presence.PRESENT:
            return FINE
        if found is Presence.UNKNOWN:
            reason = self.owner.providers.why_unknown(item.module, item.name)
            silent = self.owner.world.member(item.module) is None
            doubt = Doubt(path=self.outline.path, line=item.line, reason=reason, is_silent=silent)
            return Ended(doubts=(doubt,))
        return Ended(failure=self._no_name(item))

    def _whole_module(self, item: Import) -> Ended:
        aliased = item.bound != item.module.partition(".")[0]
        self._bind(item.bound, Ref(item.module if aliased else item.bound))
        presence = self.owner.world.presence(item.module)
        if presence is None:
            return SILENT
        return FINE if presence else Ended(failure=self._no_module(item))

    def _star(self, item: Import, *, presence: bool | None) -> Ended:
        if presence is False:
            return Ended(failure=self._no_module(item))
        names = self.owner.providers.star_names(item.module)
        if names is None:
            self.space.is_open = True
            return FINE if presence else SILENT
        for name in names:
            self._bind(name, Ref(f"{item.module}.{name}"))
        return FINE

    def _no_module(self, item: Import) -> Failure:
        missing = self.owner.providers.first_missing(item.module)
        return replace(
            self._failure(item.line, "ModuleNotFoundError", f"No module named {missing!r}"),
            provider=item.module.partition(".")[0],
            module=missing,
        )

    def _no_name(self, item: Import) -> Failure:
        message = f"cannot import name {item.name!r} from {item.module!r}"
        return replace(
            self._failure(item.line, "ImportError", message),
            provider=item.module.partition(".")[0],
            module=item.module,
            name=item.name,
        )

    def _own_import(self, item: Import) -> Ended:  # noqa: PLR0911 - one way out per kind of statement or answer
        """Import from the consumer itself: run that module first."""
        if not self.owner.consumer.has_module(item.module):
            return Ended(failure=self._no_module(item))
        ended = self.owner.run(item.module)
        if ended.failure is not None:
            return ended
        if item.name is None:
            aliased = item.bound != item.module.partition(".")[0]
            self._bind(item.bound, Ref(item.module if aliased else item.bound))
            return ended
        if item.name == "*":
            return self._own_star(item, ended)
        submodule = f"{item.module}.{item.name}"
        space = self.owner.namespaces.get(item.module)
        if space is None or item.name not in space.names:
            if self.owner.consumer.has_module(submodule):
                ended = self.owner.run(submodule)
                if ended.failure is not None:
                    return ended
            elif self.owner.own(item.module, item.name) is Presence.ABSENT:
                return Ended(failure=replace(self._no_name(item), provider=""), doubts=ended.doubts)
        value = UNKNOWN if space is None else space.names.get(item.name, Ref(submodule))
        self._bind(item.bound, Ref(submodule) if isinstance(value, Unknown) else value)
        return ended

    def _own_star(self, item: Import, ended: Ended) -> Ended:
        space = self.owner.namespaces.get(item.module)
        if space is None:
            return ended
        listed = space.names.get("__all__")
        names = listed if isinstance(listed, tuple) else [n for n in space.names if n[0] != "_"]
        for name in names:
            self._bind(name, space.names.get(name, UNKNOWN))
        self.space.is_open = self.space.is_open or space.is_open
        return ended
