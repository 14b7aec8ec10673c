"""The overrides of a launch script against the configuration of the verl that is installed."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.advise.advice import Advice, Level
from pytest_verlcompat.checks.config_surface import REFUSED, KeyState
from pytest_verlcompat.checks.launch_judge import JudgedLaunch, judge_script
from pytest_verlcompat.checks.launch_script import load_script
from pytest_verlcompat.errors import VerlcompatError
from pytest_verlcompat.wheels.config_facts import ConfigFacts, collect_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.checks.config_surface import KeyFinding
    from pytest_verlcompat.issues.installed import Distribution

_ENTRIES = {
    KeyState.UNKNOWN: "VC128",
    KeyState.NEEDS_PLUS: "VC128",
    KeyState.CHOICE: "VC128",
    KeyState.FORBIDDEN_PLUS: "VC129",
    KeyState.TYPE: "VC131",
}
"""The known failure that a refused override ends in."""
_SHOWN = 8
_LOOK_COST = "none: says what is to be changed"


def _look(script: str, judged: JudgedLaunch) -> str:
    """Return the command that says what became of each key."""
    release = judged.schema.label.partition(" ")[2] if judged.schema else ""
    return f"verlcompat launch {shlex.quote(script)} --verl {release}"


def judge_options(path: Path, verl: Distribution) -> Iterator[Advice]:
    """Yield each override of the script at *path* that *verl* refuses, and each sum that fails."""
    try:
        report = judge_script(load_script(path), _configuration(verl.location, verl.version))
    except VerlcompatError as error:
        yield untested(str(error))
        return
    for each in report.launches:
        if each.schema is None:
            yield untested(each.reason)
        else:
            yield from _judged(each, path.name)


def _judged(judged: JudgedLaunch, script: str) -> Iterator[Advice]:
    said = [each for each in judged.keys if each.state in _ENTRIES]
    for each in said[:_SHOWN]:
        yield _key(each, judged, script=script)
    if len(said) > _SHOWN:
        yield Advice(
            code="launch-options-more",
            level=Level.BREAKS,
            title=f"{len(said) - _SHOWN} more overrides are refused",
            detail="verlcompat launch lists them all",
            remedies=(_look(script, judged),),
            costs=(_LOOK_COST,),
        )
    for found in judged.sums:
        yield Advice(
            code="VC173",
            level=Level.BREAKS,
            title="A sum of the script does not come out",
            detail=found.message,
            remedies=(_look(script, judged),),
            costs=(_LOOK_COST,),
        )
    if judged.schema is not None and not said and not judged.sums:
        yield Advice(
            code="launch-options",
            level=Level.FINE,
            title="The installed verl takes every override of the script",
            detail=f"{len(judged.launch.overrides)} overrides, by {judged.schema.label}",
        )


def _key(finding: KeyFinding, judged: JudgedLaunch, *, script: str) -> Advice:
    remedy = finding.replacement
    return Advice(
        code=_ENTRIES[finding.state],
        level=Level.BREAKS if finding.state in REFUSED else Level.RISK,
        title=f"{finding.override.text}: {finding.state.value}",
        detail=f"{script}:{finding.override.line}: {finding.message}",
        remedies=(remedy or _look(script, judged),),
        costs=("instead of what stands there" if remedy else _LOOK_COST,),
    )


def untested(reason: str) -> Advice:
    """Return that the overrides were not judged, and why."""
    return Advice(
        code="launch-options-untested",
        level=Level.UNTESTED,
        title="The overrides of the script were not judged",
        detail=reason,
    )


def _configuration(site: Path, version: str) -> ConfigFacts:
    return collect_config(_Installed(site), distribution="verl", version=version)


class _Installed:
    """The files of the installed verl, without a look at the rest of its site-packages."""

    def __init__(self, site: Path) -> None:
        self._site = site

    def names(self) -> list[str]:
        """Return every file of verl but the composed copies, which nothing reads."""
        return sorted(
            str(Path(place, file).relative_to(self._site))
            for place, _, files in os.walk(self._site / "verl")
            for file in files
            if not file.startswith("_generated_")
        )

    def read_many(self, names: list[str], *, on_error: object = None) -> dict[str, bytes]:
        """Return the content of those that can be read."""
        del on_error
        found = {}
        for name in names:
            try:
                found[name] = (self._site / name).read_bytes()
            except OSError:
                continue
        return found
