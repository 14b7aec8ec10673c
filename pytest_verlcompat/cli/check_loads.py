"""Rung three of a pair for ``verlcompat check``: would the extensions bind to their torch?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from pytest_verlcompat.checks.abi_symbols import check
from pytest_verlcompat.errors import UsageError, VerlcompatError
from pytest_verlcompat.model.finding import Finding, Weight
from pytest_verlcompat.wheels.exports import load_exports
from pytest_verlcompat.wheels.needs import read_needs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_verlcompat.wheels.exports import TorchExports
    from pytest_verlcompat.wheels.surface_store import FactsStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the symbols say."""

    state: str
    """``passed``, ``failed`` or ``untested``."""
    reason: str = ""
    findings: tuple[Finding, ...] = ()


def judge_loads(store: FactsStore, pins: Mapping[str, str]) -> Loaded:
    """Return whether the extensions of the releases *pins* load beside the torch of the cell.

    That torch is the one among *pins*, or else the one that a release's metadata pins.
    """
    exports = load_exports()
    found: list[Finding] = []
    reasons: list[str] = []
    for name, version in pins.items():
        if name == "torch":
            continue
        try:
            reasons += _judge(store, (name, version), pins.get("torch"), exports, found)
        except VerlcompatError as error:
            return Loaded(state="untested", reason=f"{name} {version}: {error}")
    if not reasons:
        return Loaded(state="untested", reason="no extension here binds to torch")
    broken = any(each.weight is Weight.BROKEN for each in found)
    return Loaded(
        state="failed" if broken else "passed", reason="; ".join(reasons), findings=tuple(found)
    )


def _judge(  # noqa: PLR0917 - one release, and where its findings go
    store: FactsStore,
    release: tuple[str, str],
    torch: str | None,
    exports: TorchExports,
    found: list[Finding],
) -> list[str]:
    """Add the findings of one release; return in words what it was judged beside."""
    name, version = release
    with store.open_file(store.find_file(name, version)) as tree:
        needs = read_needs(tree, cache=store.cache)
    if not any(each.torch for each in needs.extensions):
        return []
    chosen = torch or _pinned(needs.torch_pin, exports)
    if chosen is None:
        raise UsageError("pins no single release of torch; name one, such as 'torch==2.8.0'")
    label = f"{name} {version}"
    found += check(needs, exports=exports, torch=chosen, consumer=label)
    return [f"{label} beside torch {chosen}"]


def _pinned(pin: str | None, exports: TorchExports) -> str | None:
    if not pin:
        return None
    chosen = [version for version in exports.versions if version in SpecifierSet(pin)]
    return chosen[0] if len(chosen) == 1 else None
