"""What functions of the reached modules import, look up and call: suspects, not verdicts.

Such a line breaks only the run that comes to it, and a check that cannot see the run's
configuration cannot say which does. A line behind a condition on versions or signatures
that the cell does not decide is left alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.condition_values import RaisesError, Ref
from pytest_verlcompat.checks.import_conditions import decide
from pytest_verlcompat.checks.provider_binding import Presence
from pytest_verlcompat.model.cause import Cause, Frame
from pytest_verlcompat.model.finding import Finding, Weight
from pytest_verlcompat.wheels.surface_outline import Call, Class, Late, Outline
from pytest_verlcompat.wheels.surface_signature import find_misfit, parse_signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_verlcompat.checks.import_execution import Interpreter
    from pytest_verlcompat.checks.import_outcome import Namespace
    from pytest_verlcompat.wheels.surface_facts import Facts

_ADAPTS = re.compile(r"signature\(|version|VERSION|hasattr\(|getattr\(|fn_args|find_spec")
_IMPORT_TAKERS = frozenset({"ImportError", "ModuleNotFoundError"})
_AFTER = "after failure"


def find_late(
    interpreter: Interpreter, modules: Iterable[str], providers: Sequence[Facts]
) -> Iterator[Finding]:
    """Yield what functions of *modules* would meet in this cell, in module order."""
    seen: set[tuple[str, int, str]] = set()
    for module in sorted(modules):
        outline = interpreter.consumer.outlines.get(module)
        space = interpreter.namespaces.get(module)
        if outline is None or space is None:
            continue
        judge = _Judge(interpreter, outline=outline, space=space, providers=providers)
        for finding in judge.findings():
            frame = finding.cause.frame
            key = (module, frame.line if frame else 0, finding.cause.first_line)
            if key not in seen:
                seen.add(key)
                yield finding


class _Judge:
    """One module of the consumer."""

    def __init__(
        self,
        interpreter: Interpreter,
        *,
        outline: Outline,
        space: Namespace,
        providers: Sequence[Facts],
    ) -> None:
        self.interpreter = interpreter
        self.names = interpreter.providers
        self.outline = outline
        self.space = space
        self.providers = {top: facts for facts in providers for top in facts.top_levels}

    def findings(self) -> Iterator[Finding]:
        index = self.interpreter.index
        late_uses, calls = (
            (self.outline.late, self.outline.calls) if index is None else index.uses(self.outline)
        )
        for late in late_uses:
            finding = self.use(late) if late.is_use else self.late_import(late)
            if finding is not None:
                yield finding
        for call in calls:
            finding = self.call(call)
            if finding is not None:
                yield finding

    def applies(self, item: Late | Call, takers: frozenset[str]) -> str | None:
        """Return the undecided conditions before *item* in words; ``None`` if it is not run."""
        takes = takers | {"Exception", "BaseException", _AFTER}
        if takes & set(item.handled):
            return None
        open_conditions = []
        for guard in item.guards:
            negated = guard.startswith("!")
            text = guard[1:] if negated else guard
            try:
                truth = decide(text, self.space.names, self.interpreter)
            except RaisesError:
                return None
            if truth is None:
                if _ADAPTS.search(text):
                    return None
                open_conditions.append(f"not ({text})" if negated else text)
            elif truth is negated:
                return None
        return " and ".join(open_conditions)

    def provider_of(self, dotted: str) -> Facts | None:
        return self.providers.get(dotted.partition(".")[0])

    def late_import(self, late: Late) -> Finding | None:
        provider = self.provider_of(late.module)
        if provider is None:
            return None
        if not provider.has_module(late.module):
            kind, message = "ModuleNotFoundError", f"No module named {late.module!r}"
        elif late.name in {None, "*"}:
            return None
        elif self.names.lookup(late.module, late.name or "") is Presence.ABSENT:
            kind = "ImportError"
            message = f"cannot import name {late.name!r} from {late.module!r}"
        else:
            return None
        condition = self.applies(late, _IMPORT_TAKERS)
        if condition is None:
            return None
        source = f"from {late.module} import {late.name}" if late.name else f"import {late.module}"
        cause = Cause(
            kind=kind,
            first_line=message,
            frame=self.frame(late, source),
            provider=self.place(provider, late.module),
            detail=_when(late, condition),
        )
        return self.finding("late-import", provider, cause)

    def use(self, late: Late) -> Finding | None:
        dotted = self.dotted(late.module)
        provider = None if dotted is None else self.provider_of(dotted)
        if dotted is None or provider is None:
            return None
        if self.names.reach(dotted) is not Presence.ABSENT:
            return None
        condition = self.applies(late, frozenset({"AttributeError"}))
        if condition is None:
            return None
        owner, _, name = dotted.rpartition(".")
        cause = Cause(
            kind="AttributeError",
            first_line=f"{owner!r} has no attribute {name!r}",
            frame=self.frame(late, late.module.replace(":", ".")),
            provider=self.definition_place(owner, provider),
            detail=_when(late, condition),
        )
        return self.finding("attribute", provider, cause)

    def call(self, call: Call) -> Finding | None:
        dotted = self.dotted(call.target)
        provider = None if dotted is None else self.provider_of(dotted)
        if dotted is None or provider is None:
            return None
        signature = self.names.signature(dotted)
        if signature is None:
            return None
        misfit = find_misfit(
            parse_signature(signature),
            positional=call.positional,
            keywords=call.keywords,
            unpacks=call.unpacks,
        )
        if misfit is None:
            return None
        condition = self.applies(call, frozenset({"TypeError"}))
        if condition is None:
            return None
        arguments = [*["…"] * call.positional, *(f"{name}=…" for name in call.keywords)]
        name = dotted.rpartition(".")[2]
        cause = Cause(
            kind="TypeError",
            first_line=f"{dotted}: {misfit}",
            frame=self.frame(call, f"{name}({', '.join(arguments)})"),
            provider=self.definition_place(dotted, provider, signature),
            detail=_when(call, condition),
        )
        return self.finding("call", provider, cause)

    def dotted(self, target: str) -> str | None:
        """Return *target* from its module on, or ``None`` if its base is not an import."""
        if ":" in target:
            return target.replace(":", ".")
        base, _, rest = target.partition(".")
        value = self.space.names.get(base)
        if not isinstance(value, Ref) or base in self.space.maybe:
            return None
        return f"{value.dotted}.{rest}" if rest else value.dotted

    def frame(self, item: Late | Call, source: str) -> Frame:
        return Frame(
            file=self.outline.path, line=item.line, function=item.scope or None, source=source
        )

    def place(self, provider: Facts, module: str) -> Frame | None:
        while module:
            path = provider.paths.get(module)
            if path:
                return Frame(file=path, line=1)
            module = module.rpartition(".")[0]
        return None

    def definition_place(
        self, dotted: str, provider: Facts, signature: str | None = None
    ) -> Frame | None:
        for name in (dotted, dotted.rpartition(".")[0]):
            found = self.names.definition(name)
            if found is not None:
                word = "class" if isinstance(found.statement, Class) else "def"
                shown = "" if signature is None else f"({signature.replace(',', ', ')})"
                source = f"{word} {found.statement.name}{shown}"
                return Frame(file=found.outline.path, line=found.statement.line, source=source)
        return self.place(provider, dotted)

    def finding(self, code: str, provider: Facts, cause: Cause) -> Finding:
        return Finding(
            code=code,
            weight=Weight.SUSPECT,
            consumer=self.interpreter.consumer.label,
            provider=provider.label,
            cause=cause,
        )


def _when(item: Late | Call, condition: str) -> str | None:
    """Return in words when the line is run."""
    where = f"when {item.scope}() runs" if item.scope else ""
    return " ".join(filter(None, [where, f"and {condition}" if condition else ""])) or None
