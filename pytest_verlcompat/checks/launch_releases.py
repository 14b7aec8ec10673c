"""The releases that a launch script is judged by: the trainer's past, and its engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from pytest_verlcompat.checks.launch_environment import known_variables
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.wheels.config_store import declared_engine, read_config, read_member

if TYPE_CHECKING:
    from pytest_verlcompat.wheels.config_facts import ConfigFacts
    from pytest_verlcompat.wheels.surface_store import FactsStore

_OLDEST = Version("0.4.0")


def history_before(store: FactsStore, version: str) -> list[ConfigFacts]:
    """Return the configurations of the releases before *version*, oldest first.

    Raises:
        UsageError: If that is no version.
    """
    try:
        last = Version(version)
    except InvalidVersion as error:
        raise UsageError(f"{version!r} is not a version of verl") from error
    return [
        read_config(store, "verl", str(each))
        for each in store.versions("verl")
        if _OLDEST <= each < last
    ]


def engine_for(
    store: FactsStore, version: str, *, chosen: str | None = None
) -> tuple[Version | None, frozenset[str]]:
    """Return the vLLM release that environment lines are judged by, and what it knows.

    Args:
        version: Release of verl, whose metadata names an engine.
        chosen: Take this release of vLLM instead.
    """
    text = chosen or declared_engine(store, version)
    if text is None:
        return None, frozenset()
    source = read_member(store, "vllm", text, name="vllm/envs.py")
    return Version(text), known_variables(source or b"")
