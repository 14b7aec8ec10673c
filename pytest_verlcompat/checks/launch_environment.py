"""Environment lines of a launch script against the engine of a release."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_verlcompat.checks.launch_script import Setting

_ALLOCATOR = frozenset({"PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"})
_ASSERTS_UNTIL = Version("0.20.0")
_TOGGLES_UNTIL = Version("0.30.0")
_NOT_VLLM = frozenset({"VLLM_ASCEND_ENABLE_NZ"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingFinding:
    """What is to be said about one environment line."""

    setting: Setting
    message: str
    is_refused: bool
    """Whether the run stops at it."""


def known_variables(source: bytes) -> frozenset[str]:
    """Return the variables that the text of ``vllm/envs.py`` declares, none if it declares none."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            found |= {key for key in keys if isinstance(key, str) and key.isupper()}
    return frozenset(found)


def judge_settings(
    settings: Sequence[Setting], *, vllm: Version | None, known: frozenset[str]
) -> Iterator[SettingFinding]:
    """Yield what this vLLM makes of the environment lines of a script.

    Args:
        known: The variables that this vLLM declares; empty if they were not read.
    """
    for setting in settings:
        if vllm is None:
            continue
        if setting.name in _ALLOCATOR:
            yield from _allocator(setting, vllm)
        elif setting.name.startswith("VLLM_") and known and setting.name not in known | _NOT_VLLM:
            yield SettingFinding(
                setting=setting,
                message=f"vLLM {vllm} does not know {setting.name}; it has no effect"
                + _hint(setting),
                is_refused=False,
            )


def _hint(setting: Setting) -> str:
    if setting.name == "VLLM_USE_V1" and setting.value == "0":
        return ", and there is no V0 engine to go back to"
    if setting.name == "VLLM_ATTENTION_BACKEND":
        return "; the engine argument attention_backend takes its place"
    return ""


def _allocator(setting: Setting, vllm: Version) -> Iterator[SettingFinding]:
    """Yield what sleep mode makes of expandable segments.

    Source: ``vllm/device_allocator/cumem.py`` of the wheels 0.10.2, 0.11.0, 0.20.0 (assertion),
    0.20.1, 0.30.0 (switched off meanwhile) and 0.31.0, read 2026-11-20.
    """
    if setting.value is None or "expandable_segments:True" not in setting.value:
        return
    if vllm <= _ASSERTS_UNTIL:
        yield SettingFinding(
            setting=setting,
            message=f"vLLM {vllm} asserts that expandable segments are off when sleep mode "
            "(free_cache_engine) is on; unset it",
            is_refused=True,
        )
    elif vllm <= _TOGGLES_UNTIL:
        yield SettingFinding(
            setting=setting,
            message=f"vLLM {vllm} switches expandable segments off around sleep mode and resets "
            "the other options of this variable with them",
            is_refused=False,
        )
