"""Say what is recommended and why, as text or JSON values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.advise.recommend import Choice
from pytest_verlcompat.advise.recommend_changes import change_commands
from pytest_verlcompat.model.outcome import Rung

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.advise.recommend import Ask, Recommendation
    from pytest_verlcompat.advise.recommend_index import Index

_SHOWN = ("verl", "vllm", "sglang", "torch", "transformers", "numpy", "ray", "flash-attn")


Commands = Callable[[Choice], tuple[str, ...]]
"""What to type for a choice."""


def commands_for(ask: Ask, index: Index, *, python: str | None) -> Commands:
    """Return the function that says what to type for a choice.

    Args:
        ask: What was asked for, with what is installed.
        index: The known failures come from here.
        python: Interpreter of the environment to change; ``None`` where it is not known.
    """
    return lambda choice: change_commands(
        choice, installed=ask.installed, failures=index.failures, python=python
    )


def as_text(found: Recommendation, commands_of: Commands, *, why: tuple[str, ...] = ()) -> str:
    """Return the recommendation for a terminal."""
    lines = [f"{found.considered} sets of versions considered."]
    if not found.choices:
        lines += ["", "Nothing meets everything. These collide:"]
        lines += [f"  {' + '.join(group)}" for group in found.collisions]
        lines += [f"  the resolver says: {each}" for each in why]
        lines += ["", "Nearest:"]
    for number, choice in enumerate(found.choices or found.nearest, start=1):
        lines += ["", f"{number}. {choice.candidate.label}"]
        lines += [f"   {reason}" for reason in reasons(choice)]
        commands = commands_of(choice)
        lines += [f"   $ {command}" for command in commands]
        if not commands:
            lines.append("   nothing to change")
    return "\n".join(lines)


def as_json(
    found: Recommendation, commands_of: Commands, *, why: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the recommendation as plain values."""
    return {
        "considered": found.considered,
        "choices": [_choice(each, commands_of) for each in found.choices],
        "collisions": [list(group) for group in found.collisions],
        "why": list(why),
        "nearest": [_choice(each, commands_of) for each in found.nearest],
    }


def reasons(choice: Choice) -> Iterator[str]:
    """Yield why a set stands where it stands, the weightiest first."""
    candidate = choice.candidate
    versions = candidate.versions
    yield ", ".join(f"{name} {versions[name]}" for name in _SHOWN if name in versions)
    if choice.unmet:
        yield f"misses: {', '.join(choice.unmet)}"
    if choice.failed:
        yield f"fails: {', '.join(choice.failed)}"
    if candidate.cell_id is None:
        yield "it resolves; nobody tried it here"
    else:
        above = [rung.value for rung in Rung if rung.order > choice.rung.order]
        untried = f"; untested: {', '.join(above)}" if above else ""
        yield f"tried up to {choice.rung.value}{untried}"
    if candidate.untried:
        yield f"could not be tried there: {', '.join(candidate.untried)}"
    yield from (f"only if: {condition}" for condition in candidate.conditions)
    for code, weight, what in candidate.traps:
        yield f"{'breaks' if weight == 'broken' else 'may break'}: {code} ({what})"
    if choice.unknown:
        yield f"not known: {', '.join(choice.unknown)}"
    moved = [
        f"{name} {before or 'none'} -> {after or 'none'}" for name, before, after in choice.changes
    ]
    if moved:
        yield f"changes {len(moved)}: {', '.join(moved)}"
    yield f"resolved as of {candidate.as_of}"


def _choice(choice: Choice, commands_of: Commands) -> dict[str, Any]:
    return {
        "label": choice.candidate.label,
        "cell": choice.candidate.cell_id,
        "versions": dict(choice.candidate.versions),
        "python": choice.candidate.python,
        "as_of": choice.candidate.as_of,
        "rung": choice.rung.value,
        "unmet": choice.unmet,
        "unknown": choice.unknown,
        "reasons": list(reasons(choice)),
        "commands": list(commands_of(choice)),
    }
