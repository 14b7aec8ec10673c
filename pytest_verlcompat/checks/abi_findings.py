"""Findings on names and layouts that the wheel check and the live check make alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.finding import Finding, Weight
from pytest_verlcompat.wheels.symbols import demangle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_verlcompat.checks.abi_breaks import SilentBreak

_SHOWN = 12


def silent_finding(
    silent: SilentBreak,
    name: str,
    *,
    is_certain: bool,
    built_for: str,
    consumer: str,
    provider: str,
) -> Finding:
    """Return the finding that *silent* makes of the extension *name*."""
    verb = "crashes" if is_certain else "may crash"
    return Finding(
        code="silent-abi-break",
        weight=Weight.BROKEN if is_certain else Weight.SUSPECT,
        consumer=consumer,
        provider=provider,
        cause=Cause(
            kind="SIGABRT or SIGSEGV",
            first_line=f"{name}: {verb} in its initialisers, though every symbol is there",
            detail=f"built for torch {built_for}; {silent.what} ({silent.source})",
        ),
    )


def unmet_finding(
    name: str, missing: Sequence[str], *, consumer: str, provider: str, why: str = ""
) -> Finding:
    """Return the finding that names make which *provider* does not give to the object *name*."""
    lines = [demangle(missing[0]), why]
    if missing[1:]:
        lines.append(f"{len(missing) - 1} more missing: {', '.join(missing[1:_SHOWN])}")
    return Finding(
        code="undefined-symbol",
        weight=Weight.BROKEN,
        consumer=consumer,
        provider=provider,
        cause=Cause(
            kind="ImportError",
            first_line=f"{name}: undefined symbol: {missing[0]}",
            detail="\n".join(filter(None, lines)),
        ),
    )


def orphan_finding(name: str, missing: Sequence[str], *, consumer: str) -> Finding:
    """Return the finding that names make which nobody gives to the object *name*."""
    why = "nothing that it links to gives it: a part was not built"
    return unmet_finding(name, missing, consumer=consumer, provider="its own build", why=why)
