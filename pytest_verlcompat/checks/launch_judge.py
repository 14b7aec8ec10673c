"""Put together what is to be said about a launch script: keys, sums, environment lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_verlcompat.checks.config_surface import (
    REFUSED,
    KeyFinding,
    judge_overrides,
    schema_for,
)
from pytest_verlcompat.checks.launch_arithmetic import Sum, check_arithmetic
from pytest_verlcompat.checks.launch_environment import SettingFinding, judge_settings
from pytest_verlcompat.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.version import Version

    from pytest_verlcompat.checks.config_schema import Schema
    from pytest_verlcompat.checks.launch_script import Launch, Script
    from pytest_verlcompat.checks.launch_words import Mistake
    from pytest_verlcompat.wheels.config_facts import ConfigFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedLaunch:
    """One start of a trainer, judged."""

    launch: Launch
    schema: Schema | None
    """``None`` if the release has no such trainer or configuration."""
    reason: str
    """Why it was not judged; empty if it was."""
    keys: tuple[KeyFinding, ...] = ()
    sums: tuple[Sum, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchReport:
    """A script, judged by one release."""

    release: str
    launches: tuple[JudgedLaunch, ...]
    settings: tuple[SettingFinding, ...]
    mistakes: tuple[Mistake, ...]
    passes_arguments: bool

    @property
    def is_refused(self) -> bool:
        """Whether some launch would not start, or stop at one of its sums or settings."""
        return (
            any(key.state in REFUSED for each in self.launches for key in each.keys)
            or any(each.sums for each in self.launches)
            or any(setting.is_refused for setting in self.settings)
            or bool(self.mistakes)
        )


def judge_script(
    script: Script,
    facts: ConfigFacts,
    *,
    history: Sequence[ConfigFacts] = (),
    vllm: Version | None = None,
    known: frozenset[str] = frozenset(),
    heads: int | None = None,
) -> LaunchReport:
    """Return what the release of *facts* makes of *script*.

    Args:
        history: Configurations of earlier releases, oldest first.
        vllm: Engine that the environment lines are meant for.
        known: Variables that this engine declares.
        heads: Attention heads of the model.

    Raises:
        UsageError: If the script starts no trainer.
    """
    if not script.launches:
        raise UsageError(
            "starts no trainer (python -m verl.…) and lists no overrides; "
            "give the script that holds the command line"
        )
    return LaunchReport(
        release=facts.label,
        launches=tuple(
            _judge(launch, facts, history=history, heads=heads) for launch in script.launches
        ),
        settings=tuple(judge_settings(script.settings, vllm=vllm, known=known)),
        mistakes=script.mistakes,
        passes_arguments=script.passes_arguments,
    )


def _judge(
    launch: Launch, facts: ConfigFacts, *, history: Sequence[ConfigFacts], heads: int | None
) -> JudgedLaunch:
    module = launch.module or ""
    if module and module.partition(".")[0] != facts.distribution:
        reason = f"{module} is not part of {facts.label}"
        return JudgedLaunch(launch=launch, schema=None, reason=reason)
    try:
        schema = schema_for(facts, launch)
    except UsageError as error:
        return JudgedLaunch(launch=launch, schema=None, reason=str(error))
    before = past_schemas(launch, history)
    return JudgedLaunch(
        launch=launch,
        schema=schema,
        reason="",
        keys=tuple(judge_overrides(launch, schema, history=before)),
        sums=tuple(check_arithmetic(launch, schema, heads=heads)),
    )


def past_schemas(launch: Launch, history: Sequence[ConfigFacts]) -> list[Schema]:
    """Return the same configuration in other releases, where they have it."""
    found = []
    for facts in history:
        try:
            found.append(schema_for(facts, launch))
        except UsageError:
            continue
    return found
