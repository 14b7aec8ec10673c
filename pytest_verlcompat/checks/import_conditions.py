"""Evaluate the conditions that guard imports, three-valued: true, false, or not known.

Only what a cell decides is decided: versions, which modules are there, what they define,
which parameters a function takes, the platform. Environment variables are taken as unset.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.checks.condition_values import (
    COMPARE,
    FIXED,
    FIXED_CALLS,
    PLAIN,
    TEXT_METHODS,
    UNKNOWN,
    VERSION_PARSERS,
    VERSION_PARTS,
    VERSION_READERS,
    Platform,
    RaisesError,
    Ref,
    Signature,
    Unknown,
    Value,
    truth_of,
)
from pytest_verlcompat.checks.import_functions import run_helper
from pytest_verlcompat.checks.import_world import CUDA_PREDICATES, World

if TYPE_CHECKING:
    from collections.abc import Mapping


class Oracle(Protocol):
    """What conditions may ask about the cell."""

    world: World

    def exists(self, dotted: str) -> bool | None:
        """Whether *dotted* can be reached by imports and attributes."""

    def parameters(self, dotted: str) -> frozenset[str] | None:
        """Return the parameter names of a callable, or ``None`` if they are not known."""

    def helper(self, dotted: str) -> tuple[str, Mapping[str, Value]] | None:
        """Return source and namespace of a short function of the consumer."""

    def constant(self, dotted: str) -> Value:
        """Return the value of a module-level name."""


@lru_cache(maxsize=20_000)
def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return None


def decide(text: str, names: Mapping[str, Value], oracle: Oracle) -> bool | None:
    """Return the truth of the condition *text* in a module whose names are *names*.

    Raises:
        RaisesError: If evaluating it raises in this cell.
    """
    node = _parsed(text)
    if node is None:
        return None
    value = _Evaluator(names, oracle).value(node)
    return truth_of(value)


def evaluate(text: str, names: Mapping[str, Value], oracle: Oracle) -> Value:
    """Return the value of the expression *text*, `UNKNOWN` where this cell does not decide it.

    Raises:
        RaisesError: If evaluating it raises in this cell.
    """
    node = _parsed(text)
    return UNKNOWN if node is None else _Evaluator(names, oracle).value(node)


_DEEPEST_CALL = 5


class _Evaluator:
    def __init__(self, names: Mapping[str, Value], oracle: Oracle, depth: int = 0) -> None:
        self.names = names
        self.oracle = oracle
        self.depth = depth

    def value(self, node: ast.expr) -> Value:
        """Return the value of *node*."""
        method = getattr(self, f"on_{type(node).__name__.lower()}", None)
        return UNKNOWN if method is None else method(node)

    def on_constant(self, node: ast.Constant) -> Value:
        return UNKNOWN if node.value is ... else node.value

    def on_joinedstr(self, node: ast.JoinedStr) -> Value:
        parts = [self.value(part) for part in node.values]
        return "".join(parts) if all(isinstance(part, str) for part in parts) else UNKNOWN

    def on_formattedvalue(self, node: ast.FormattedValue) -> Value:
        value = self.value(node.value)
        is_plain = node.conversion == -1 and node.format_spec is None
        decided = not isinstance(value, (Unknown, Ref, Platform))
        return str(value) if is_plain and decided else UNKNOWN

    def on_name(self, node: ast.Name) -> Value:
        if node.id == "TYPE_CHECKING":
            return self.names.get("TYPE_CHECKING", False) is True
        if node.id in self.names:
            return self.resolved(self.names[node.id])
        if node.id in CUDA_PREDICATES:
            return CUDA_PREDICATES[node.id]
        return Ref(f"builtins.{node.id}")

    def resolved(self, value: Value) -> Value:
        """Return the value behind a reference where the cell fixes it."""
        if not isinstance(value, Ref):
            return value
        last = value.dotted.rpartition(".")[2]
        if value.dotted in FIXED:
            return FIXED[value.dotted]
        if value.dotted == "sys.version_info":
            return self.oracle.world.python
        if last == "__version__":
            return self.version_attribute(value.dotted)
        if last in CUDA_PREDICATES:
            return Platform(CUDA_PREDICATES[last])
        found = self.oracle.constant(value.dotted)
        return value if isinstance(found, Unknown) else found

    def version_attribute(self, dotted: str) -> Value:
        top = dotted.partition(".")[0]
        facts = self.oracle.world.member(top)
        if facts is not None and facts.version:
            return facts.version
        found = self.oracle.world.version_of(top)
        return UNKNOWN if found is None else found

    def on_attribute(self, node: ast.Attribute) -> Value:
        base = self.value(node.value)
        if isinstance(base, Platform):
            return UNKNOWN
        if isinstance(base, Ref):
            return self.resolved(Ref(f"{base.dotted}.{node.attr}"))
        if isinstance(base, Version) and node.attr in VERSION_PARTS:
            return getattr(base, node.attr)
        if isinstance(base, Signature) and node.attr == "parameters":
            return base.names
        return UNKNOWN

    def on_subscript(self, node: ast.Subscript) -> Value:
        base = self.value(node.value)
        if not isinstance(base, (tuple, str)):
            return UNKNOWN
        try:
            if isinstance(node.slice, ast.Slice):
                parts = (node.slice.lower, node.slice.upper, node.slice.step)
                ends = [None if part is None else self.value(part) for part in parts]
                return base[slice(*ends)]
            return base[self.value(node.slice)]
        except (TypeError, IndexError, ValueError):
            return UNKNOWN

    def on_tuple(self, node: ast.Tuple | ast.List | ast.Set) -> Value:
        values = [self.value(item) for item in node.elts]
        return UNKNOWN if any(isinstance(v, (Unknown, Ref)) for v in values) else tuple(values)

    on_list = on_tuple
    on_set = on_tuple

    def on_unaryop(self, node: ast.UnaryOp) -> Value:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            truth = truth_of(value)
            return UNKNOWN if truth is None else not truth
        return -value if isinstance(node.op, ast.USub) and isinstance(value, int) else UNKNOWN

    def on_boolop(self, node: ast.BoolOp) -> Value:
        stop = isinstance(node.op, ast.Or)
        result: Value = not stop
        for item in node.values:
            value = self.value(item)
            truth = truth_of(value)
            if truth is stop:
                return value
            if truth is None:
                result = UNKNOWN
            elif not isinstance(result, Unknown):
                result = value
        return result

    def on_ifexp(self, node: ast.IfExp) -> Value:
        truth = truth_of(self.value(node.test))
        if truth is None:
            return UNKNOWN
        return self.value(node.body if truth else node.orelse)

    def on_compare(self, node: ast.Compare) -> Value:
        left = self.value(node.left)
        for op, item in zip(node.ops, node.comparators, strict=True):
            right = self.value(item)
            if isinstance(right, Ref) and right.dotted == "os.environ":
                right = ()
            if isinstance(left, (Unknown, Ref)) or isinstance(right, (Unknown, Ref)):
                return UNKNOWN
            try:
                if not COMPARE[type(op)](left, right):
                    return False
            except TypeError:
                return UNKNOWN
            left = right
        return True

    def on_call(self, node: ast.Call) -> Value:
        function = self.value(node.func)
        if isinstance(function, Platform):
            return function.answer
        if isinstance(function, Ref):
            return self.call(function.dotted, node)
        if isinstance(node.func, ast.Attribute):
            return self.method(node.func, node)
        return UNKNOWN

    def method(self, function: ast.Attribute, node: ast.Call) -> Value:
        base = self.value(function.value)
        arguments = [self.value(argument) for argument in node.args]
        if isinstance(base, frozenset) and function.attr in {"get", "keys"}:
            if function.attr == "keys":
                return base
            return Platform(answer=True) if arguments[:1] and arguments[0] in base else None
        plain = all(isinstance(argument, str) for argument in arguments)
        if isinstance(base, str) and function.attr in TEXT_METHODS and plain:
            found = getattr(base, function.attr)(*arguments)
            return tuple(found) if isinstance(found, list) else found
        return UNKNOWN

    def call(self, dotted: str, node: ast.Call) -> Value:  # noqa: PLR0911 - one way out per function that is known
        """Return the result of calling the function *dotted*."""
        if dotted in FIXED_CALLS:
            return FIXED_CALLS[dotted]
        arguments = [self.value(argument) for argument in node.args]
        if dotted in {"os.getenv", "os.environ.get"}:
            return arguments[1] if len(arguments) > 1 else None
        first = arguments[0] if arguments else UNKNOWN
        if dotted in VERSION_PARSERS:
            return self.parse(first)
        if dotted in VERSION_READERS:
            return self.installed_version(first)
        if dotted == "importlib.util.find_spec":
            return self.find_spec(first)
        if dotted in {"builtins.hasattr", "builtins.getattr"}:
            return self.attribute(dotted, arguments)
        if dotted == "inspect.signature":
            names = self.oracle.parameters(first.dotted) if isinstance(first, Ref) else None
            return UNKNOWN if names is None else Signature(names)
        kind: Any = PLAIN.get(dotted.removeprefix("builtins."))
        if kind is not None and dotted.startswith("builtins.") and len(arguments) == 1:
            try:
                return UNKNOWN if isinstance(first, (Unknown, Ref)) else kind(first)
            except (TypeError, ValueError):
                return UNKNOWN
        return self.call_helper(dotted, arguments, node)

    def parse(self, text: Value) -> Value:
        if not isinstance(text, str):
            return text if isinstance(text, Version) else UNKNOWN
        try:
            return Version(text)
        except InvalidVersion:
            return UNKNOWN

    def installed_version(self, distribution: Value) -> Value:
        if not isinstance(distribution, str):
            return UNKNOWN
        if self.oracle.world.lacks(distribution):
            kind = "PackageNotFoundError"
            raise RaisesError(kind)
        return self.oracle.world.version_of(distribution) or UNKNOWN

    def find_spec(self, module: Value) -> Value:
        if not isinstance(module, str):
            return UNKNOWN
        present = self.oracle.world.presence(module)
        if present is None:
            return UNKNOWN
        parent = module.rpartition(".")[0]
        if not present and parent and not self.oracle.world.presence(parent):
            kind = "ModuleNotFoundError"
            raise RaisesError(kind)
        return Platform(answer=True) if present else None

    def attribute(self, function: str, arguments: list[Value]) -> Value:
        expected = 2 if function == "builtins.hasattr" else 3
        if len(arguments) != expected or not isinstance(arguments[1], str):
            return UNKNOWN
        owner, name = arguments[0], arguments[1]
        if not isinstance(owner, Ref):
            return UNKNOWN
        found = self.oracle.exists(f"{owner.dotted}.{name}")
        if found is None:
            return UNKNOWN
        if function == "builtins.hasattr":
            return found
        return Ref(f"{owner.dotted}.{name}") if found else arguments[2]

    def call_helper(self, dotted: str, arguments: list[Value], node: ast.Call) -> Value:
        """Return the result of a short function of the consumer, statement by statement."""
        helper = self.oracle.helper(dotted) if self.depth < _DEEPEST_CALL else None
        if helper is None:
            return UNKNOWN

        def value_of(inner: ast.expr, scope: Mapping[str, Value]) -> Value:
            return _Evaluator(scope, self.oracle, self.depth + 1).value(inner)

        keywords = {k.arg: self.value(k.value) for k in node.keywords if k.arg is not None}
        return run_helper(
            helper, arguments, keywords=keywords, value_of=value_of, world=self.oracle.world
        )
