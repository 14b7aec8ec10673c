"""From the environment that is there to a recommended set: the fewest changes, as commands."""

from __future__ import annotations

import datetime as dt
import shlex
from typing import TYPE_CHECKING

from pytest_verlcompat.issues.facts import Facts, Holds, holds
from pytest_verlcompat.recipes.stack import parsed_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_verlcompat.advise.recommend import Choice
    from pytest_verlcompat.advise.recommend_index import Candidate

_DAY = dt.timedelta(days=1)


def change_commands(
    choice: Choice,
    *,
    installed: Mapping[str, str],
    failures: Sequence[tuple[str, str, Mapping[str, str]]],
    python: str | None,
) -> tuple[str, ...]:
    """Return what to type to get from *installed* to the set of *choice*.

    Axis distributions move to the versions of the set; beside them only what would certainly
    break in between, by the known failures. The rest stays as long as metadata allows it.

    Args:
        choice: A set that was recommended.
        installed: Normalized name to version; empty for a new environment.
        failures: Known failures that versions alone lead to.
        python: Interpreter of the environment; ``None`` for a new one.
    """
    candidate = choice.candidate
    if not installed:
        return tuple(_fresh(candidate))
    pins, gone = changed_pins(choice, installed=installed, failures=failures)
    where = ["--python", python] if python else []
    commands = []
    if gone:
        commands.append(shlex.join(["uv", "pip", "uninstall", *where, *gone]))
    if candidate.overrides and candidate.cell_id:
        name = shlex.quote(candidate.cell_id)
        commands.append(f"verlcompat recipe {name} --kind overrides > overrides.txt")
        where += ["--override", "overrides.txt"]
    if pins:
        newest = _newest(candidate)
        commands.append(shlex.join(["uv", "pip", "install", *where, *newest, *pins]))
    return tuple(commands)


def changed_pins(
    choice: Choice,
    *,
    installed: Mapping[str, str],
    failures: Sequence[tuple[str, str, Mapping[str, str]]],
) -> tuple[list[str], list[str]]:
    """Return what to install, as exact requirements, and what to remove beforehand."""
    gone = [name for name, _, after in choice.changes if after is None]
    pins = [f"{name}=={after}" for name, _, after in choice.changes if after is not None]
    moved = {name: str(after) for name, _, after in choice.changes if after is not None}
    kept = {name: version for name, version in installed.items() if name not in gone}
    beside = needed_beside({**kept, **moved}, choice.candidate, failures=failures)
    return [*pins, *(f"{name}=={version}" for name, version in beside)], gone


def needed_beside(
    versions: Mapping[str, str],
    candidate: Candidate,
    *,
    failures: Sequence[tuple[str, str, Mapping[str, str]]],
) -> Iterator[tuple[str, str]]:
    """Yield what else has to move so that *versions* lead to no known failure."""
    present = dict(versions)
    for _ in range(len(failures)):
        move = next(_moves(present, candidate, failures), None)
        if move is None:
            return
        present[move[0]] = move[1]
        yield move


def _moves(
    present: Mapping[str, str],
    candidate: Candidate,
    failures: Sequence[tuple[str, str, Mapping[str, str]]],
) -> Iterator[tuple[str, str]]:
    facts = Facts(versions=dict(parsed_versions(present)), complete=True)
    for _, _, condition in failures:
        if holds(condition, facts) is Holds.YES:
            for name in condition:
                wanted = candidate.versions.get(name)
                if wanted is not None and present.get(name) not in {None, wanted}:
                    yield name, wanted


def _fresh(candidate: Candidate) -> Iterator[str]:
    if candidate.cell_id is not None:
        name = shlex.quote(candidate.cell_id)
        yield f"verlcompat recipe {name} --kind install > install.sh && bash install.sh env"
        return
    engine = next((name for name in ("vllm", "sglang") if name in candidate.versions), None)
    extra = f"[{engine}]" if candidate.form == "extra" else ""
    pins = [f"verl{extra}=={candidate.versions['verl']}"]
    pins += [f"{n}=={v}" for n, v in candidate.versions.items() if n != "verl"]
    yield shlex.join(["uv", "venv", "--python", candidate.python, "env"])
    install = ["uv", "pip", "install", "--python", "env", *_newest(candidate), *pins]
    yield shlex.join(install)


def newest_of(candidate: Candidate) -> str | None:
    """Return the instant that keeps out what came later than the set; ``None`` if unknown."""
    try:
        day = dt.date.fromisoformat(candidate.as_of)
    except ValueError:
        return None
    return f"{day + _DAY}T00:00:00Z"


def _newest(candidate: Candidate) -> list[str]:
    newest = newest_of(candidate)
    return ["--exclude-newer", newest] if newest else []
