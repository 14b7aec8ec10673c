"""Rungs two and three on what is installed: do names and symbols exist that are asked for?

The checks read files and import nothing, so they say the same where torch is broken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_verlcompat.advise.advice import Advice, Level
from pytest_verlcompat.advise.inventory import Depth
from pytest_verlcompat.advise.judged import begin, known
from pytest_verlcompat.checks.installed import list_checks
from pytest_verlcompat.errors import VerlcompatError
from pytest_verlcompat.issues.catalogue import load_catalogue
from pytest_verlcompat.issues.explain import explain_text
from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.model.outcome import Outcome, Rung

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_verlcompat.advise.inventory import Inventory
    from pytest_verlcompat.checks.installed import InstalledCheck
    from pytest_verlcompat.issues.catalogue import Remedy
    from pytest_verlcompat.issues.explain import Explanation
    from pytest_verlcompat.model.evidence import Evidence

_SHOWN = 5
_NAMED = ("verl", "vllm", "sglang", "transformers", "torch")
_OPTIONAL = "this machine"
"""Provider of what features ask of the system that a training does not use, such as libsox."""
_LOOK_COST = "none: says more, such as which releases have what is missing"
_SLOW = frozenset({Rung.IMPORTS})
"""What a quick look leaves out unless it is remembered: most of what a look costs."""


def examine(inventory: Inventory) -> Iterator[Advice]:
    """Return what will not be found, rung by rung, or that everything will.

    Every check is begun at once, before anything is asked of what is returned.
    """
    begun = [(check, _begin(check, inventory)) for check in list_checks()]
    return _answers(begun, inventory)


def _answers(
    begun: Iterable[tuple[InstalledCheck, Callable[[], Evidence] | str]], inventory: Inventory
) -> Iterator[Advice]:
    for check, answer in begun:
        if isinstance(answer, str):
            yield _untested(check, answer)
            continue
        try:
            record = answer()
        except VerlcompatError as error:
            yield _untested(check, str(error))
            continue
        if record.outcome is Outcome.SKIPPED:
            yield _untested(check, f"lacks {', '.join(record.lacks)}")
        else:
            yield from _said(check, record, inventory)


def _begin(check: InstalledCheck, inventory: Inventory) -> Callable[[], Evidence] | str:
    """Return what gives the answer of *check*, or why there will be none."""
    missing = [name for name in check.distributions if name not in inventory.facts.versions]
    if missing:
        return f"{', '.join(missing)} is not installed"
    record = known(check, inventory)
    if record is not None:
        return lambda: record
    if inventory.depth is Depth.QUICK and check.rung in _SLOW:
        return "not read in a quick look; run it without --quick once"
    return begin(check, inventory)


def _said(check: InstalledCheck, record: Evidence, inventory: Inventory) -> Iterator[Advice]:
    by_weight: dict[str, list[dict[str, Any]]] = {}
    for each in record.facts.get("findings", ()):
        by_weight.setdefault(each["weight"], []).append(each)
    broken = by_weight.get(Weight.BROKEN.value, [])
    failed = record.outcome is Outcome.FAILED
    for each in broken[:_SHOWN]:
        yield _broken(check, each, inventory, level=Level.BREAKS if failed else Level.RISK)
    if len(broken) > _SHOWN:
        yield Advice(
            code=f"{check.rung.value}-more",
            level=Level.BREAKS if failed else Level.RISK,
            title=f"{len(broken) - _SHOWN} more findings of {check.name}",
            detail="; ".join(_first_line(each) for each in broken[_SHOWN : 2 * _SHOWN]),
            remedies=(_look(check, inventory),),
            costs=(_LOOK_COST,),
        )
    all_suspects = by_weight.get(Weight.SUSPECT.value, [])
    optional = [each for each in all_suspects if each["provider"] == _OPTIONAL]
    if suspects := [each for each in all_suspects if each not in optional]:
        yield Advice(
            code=f"{check.rung.value}-suspect",
            level=Level.RISK,
            title=f"{len(suspects)} finding(s) of {check.name} on paths not every run takes",
            detail="; ".join(_line(each) for each in suspects[:_SHOWN]),
            remedies=(_look(check, inventory),),
            costs=(_LOOK_COST,),
        )
    if not failed:
        unknown = len(by_weight.get(Weight.UNKNOWN.value, []))
        yield Advice(
            code=f"{check.rung.value}-passed",
            level=Level.FINE,
            title=f"Rung {check.rung.value}: {check.title}",
            detail="; ".join(
                (
                    f"read from the files; {unknown or 'nothing'} undecided",
                    *(f"optional: {_first_line(each)}" for each in optional[:_SHOWN]),
                )
            ),
        )


def _broken(
    check: InstalledCheck, finding: dict[str, Any], inventory: Inventory, *, level: Level
) -> Advice:
    cause = finding["cause"]
    explained = _explained(finding, inventory)
    remedies: Sequence[Remedy] = explained.remedies if explained else ()
    place = _frame(cause.get("frame"))
    return Advice(
        code=f"{check.rung.value}-{finding['code']}",
        level=level,
        title=_first_line(finding),
        detail=f"{finding['consumer']}{place}, against {finding['provider']}"
        + (f"; known as {explained.entry.id}: {explained.entry.title}" if explained else ""),
        remedies=tuple(each.do for each in remedies) or (_look(check, inventory),),
        costs=tuple(each.cost for each in remedies) or (_LOOK_COST,),
    )


def _look(check: InstalledCheck, inventory: Inventory) -> str:
    """Return the command that tells more: in which releases a name is, or what misses a symbol."""
    if check.rung is not Rung.IMPORTS:
        return f"verlcompat abi --python {inventory.interpreter.path}"
    versions = inventory.facts.versions
    named = [name for name in _NAMED if name in versions]
    return " ".join(["verlcompat check", *(f"'{name}=={versions[name]}'" for name in named)])


def _explained(finding: dict[str, Any], inventory: Inventory) -> Explanation | None:
    text = f"{finding['cause']['kind']}: {_first_line(finding)}"
    return explain_text(text, catalogue=load_catalogue(), facts=inventory.facts).root


def _first_line(finding: dict[str, Any]) -> str:
    return str(finding["cause"]["first_line"])


def _line(finding: dict[str, Any]) -> str:
    """Return a finding in one line, its place included."""
    return f"{_first_line(finding)}{_frame(finding['cause'].get('frame'))}"


def _frame(frame: dict[str, Any] | None) -> str:
    return f" at {frame['file']}:{frame['line']}" if frame else ""


def _untested(check: InstalledCheck, reason: str) -> Advice:
    return Advice(
        code=f"{check.rung.value}-untested",
        level=Level.UNTESTED,
        title=f"Rung {check.rung.value}: untested",
        detail=reason,
    )
