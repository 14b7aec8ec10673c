"""Judge the overrides of a launch against the configuration of a release."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.checks.config_schema import Schema, compose
from pytest_verlcompat.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_verlcompat.checks.launch_script import Launch, Override
    from pytest_verlcompat.wheels.config_facts import ConfigFacts

DEFAULT_MODULE = "verl.trainer.main_ppo"

RENAMES: tuple[tuple[str, str], ...] = (
    ("custom_reward_function", "reward.custom_reward_function"),
    ("reward_model.num_workers", "reward.num_workers"),
    ("reward_model.reward_manager", "reward.reward_manager.name"),
    ("reward_model.reward_loop_source", "reward.reward_manager.source"),
    ("reward_model.reward_loop_module_path", "reward.reward_manager.module.path"),
    ("reward_model.reward_loop_class_name", "reward.reward_manager.module.name"),
    ("reward_model.enable", "reward.reward_model.enable"),
    ("reward_model.enable_resource_pool", "reward.reward_model.enable_resource_pool"),
    ("reward_model.n_gpus_per_node", "reward.reward_model.n_gpus_per_node"),
    ("reward_model.nnodes", "reward.reward_model.nnodes"),
    ("reward_model.model.path", "reward.reward_model.model_path"),
    ("reward_model.rollout", "reward.reward_model.rollout"),
    ("reward_model.reward_kwargs", "reward.reward_kwargs"),
    ("sandbox_fusion", "reward.sandbox_fusion"),
    ("reward_model.sandbox_fusion", "reward.sandbox_fusion"),
    ("critic.model.fsdp_config", "critic.fsdp"),
)
"""Prefixes that moved, old to new.

Source: the two last: ``verl/trainer/config`` of the wheels of verl 0.7.1 and 0.8.0, where the
one name ends and the other begins; the others: ``migrate_legacy_reward_impl`` in
``verl/experimental/reward_loop/reward_loop.py`` of the verl 0.9.1 wheel, read 2026-11-20.
"""

_CLOSE = 0.8
_FEWEST_SHARED = 2


class KeyState(Enum):
    """What a release makes of one override."""

    FINE = "fine"
    UNKNOWN = "unknown key"
    """Hydra refuses it; the configuration has no such key."""
    NEEDS_PLUS = "needs +"
    """The parent exists and is meant to be filled; Hydra takes the key with ``+``."""
    FORBIDDEN_PLUS = "forbidden +"
    """The key exists, so Hydra refuses to append it."""
    MOVED = "moved"
    """Still taken under the old name, which the release translates."""
    TYPE = "type"
    """The value is of another kind than the default."""
    CHOICE = "unknown choice"
    """A group has no file of that name."""


REFUSED = frozenset(
    {KeyState.UNKNOWN, KeyState.NEEDS_PLUS, KeyState.FORBIDDEN_PLUS, KeyState.CHOICE}
)
"""States with which the trainer does not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFinding:
    """What is to be said about one override."""

    override: Override
    state: KeyState
    message: str
    replacement: str | None = None
    """The override as this release wants it; empty to leave it out."""


def schema_for(facts: ConfigFacts, launch: Launch) -> Schema:
    """Return the configuration that *launch* starts from, its choices of groups applied.

    Raises:
        UsageError: If the release has no such trainer or configuration.
    """
    module = launch.module or DEFAULT_MODULE
    entry = facts.entries.get(module)
    if entry is None:
        near = difflib.get_close_matches(module, facts.entries, n=3, cutoff=0.4)
        raise UsageError(
            f"{facts.label} has no trainer {module}"
            + (f"; it has {', '.join(near)}" if near else "")
        )
    folder, name = entry
    name = (launch.config_name or name).removesuffix(".yaml")
    base = compose(facts, folder=folder, name=name)
    choices = {
        override.key: override.value
        for override in launch.overrides
        if override.value is not None and _group_of(override.key, base) is not None
    }
    return compose(facts, folder=folder, name=name, choices=choices) if choices else base


def _group_of(key: str, schema: Schema) -> str | None:
    """Return the group that *key* chooses from, if it is one."""
    if key in schema.groups:
        return key
    return next((each for each in schema.groups if each.partition("@")[0] == key), None)


def judge_overrides(
    launch: Launch, schema: Schema, *, history: Sequence[Schema] = ()
) -> list[KeyFinding]:
    """Return what *schema* makes of each override that is not simply fine.

    Args:
        history: The same configuration in other releases, oldest first.
    """
    found: list[KeyFinding] = []
    added: set[str] = set()
    for override in launch.overrides:
        finding = _judge(override, schema, added=added, history=history)
        if finding is not None:
            found.append(finding)
        if override.sign in {"+", "++"}:
            added |= set(_prefixes(override.key))
    return found


def _prefixes(key: str) -> Iterable[str]:
    parts = key.split(".")
    return (".".join(parts[:size]) for size in range(1, len(parts) + 1))


def _judge(  # noqa: PLR0911 - one way out per state of a key
    override: Override, schema: Schema, *, added: set[str], history: Sequence[Schema]
) -> KeyFinding | None:
    key = override.key
    if key.startswith("hydra.") or key == "hydra":
        return None
    group = _group_of(key, schema)
    if group is not None and not schema.has(f"{key}."):
        return _judge_choice(override, schema.groups[group])
    if any(key == each or key.startswith(f"{each}.") for each in schema.unread):
        return None
    exists = schema.has(key) or key in added
    if override.sign == "+":
        return _judge_plus(override, schema, exists=schema.has(key))
    if override.sign == "++":
        return None
    if not exists:
        return _judge_missing(override, schema, history=history)
    renamed = _renamed(key, schema)
    if renamed is not None:
        return KeyFinding(
            override=override,
            state=KeyState.MOVED,
            message=f"{key} is now {renamed}; this release still translates the old name",
            replacement=replace(override, key=renamed).text,
        )
    return _judge_type(override, schema.values.get(key))


def _judge_choice(override: Override, options: Sequence[str]) -> KeyFinding | None:
    value = override.value
    if value is None or not options or value.removesuffix(".yaml") in {*options, "null"}:
        return None
    message = f"{override.key} has no {value!r}; it has {', '.join(options)}"
    return KeyFinding(override=override, state=KeyState.CHOICE, message=message)


def _judge_plus(override: Override, schema: Schema, *, exists: bool) -> KeyFinding | None:
    # Hydra appends over a null, and merges tables and lists.
    default = schema.values.get(override.key)
    literal = (override.value or "").lstrip("'\"").startswith(("{", "["))
    if not exists or default is None or isinstance(default, dict) or literal:
        return None
    return KeyFinding(
        override=override,
        state=KeyState.FORBIDDEN_PLUS,
        message=f"{override.key} exists; Hydra refuses to append it, write it without +",
        replacement=replace(override, sign="").text,
    )


def _judge_missing(override: Override, schema: Schema, *, history: Sequence[Schema]) -> KeyFinding:
    key = override.key
    renamed = _renamed(key, schema) or _moved(key, schema)
    if renamed is not None:
        return KeyFinding(
            override=override,
            state=KeyState.UNKNOWN,
            message=f"{key} is gone; it is {renamed} here",
            replacement=replace(override, key=renamed).text,
        )
    if override.sign == "~":
        return KeyFinding(
            override=override,
            state=KeyState.UNKNOWN,
            message=f"{key} does not exist, so it cannot be removed",
            replacement="",
        )
    having = [each.label for each in history if each.has(key)]
    parent = key.rpartition(".")[0]
    if _is_empty(parent, schema) or (not having and _is_fillable(parent, schema)):
        return KeyFinding(
            override=override,
            state=KeyState.NEEDS_PLUS,
            message=f"{parent} has no {key.rpartition('.')[2]!r}; to add it, write +{key}",
            replacement=replace(override, sign="+").text,
        )
    near = difflib.get_close_matches(key, schema.values, n=1, cutoff=_CLOSE)
    if having:
        message = f"{key} is not a key of this release; it was one in {_span(having)}"
        replacement: str | None = ""
    elif near:
        message = f"{key} does not exist; did you mean {near[0]}?"
        replacement = None
    else:
        message = f"{key} does not exist; to add it anyway, write +{key}"
        replacement = None
    return KeyFinding(
        override=override, state=KeyState.UNKNOWN, message=message, replacement=replacement
    )


def _span(labels: Sequence[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{labels[0]} to {labels[-1]}"


def _is_empty(parent: str, schema: Schema) -> bool:
    """Whether *parent*, or the nearest parent of it that exists, is an empty table."""
    while parent and parent not in schema.values:
        parent = parent.rpartition(".")[0]
    return bool(parent) and schema.values[parent] == {}


def _is_fillable(parent: str, schema: Schema) -> bool:
    """Whether *parent* is an open table: it is empty, or its name says that it is one."""
    value = schema.values.get(parent)
    if parent and parent not in schema.values:
        return _is_fillable(parent.rpartition(".")[0], schema)
    if value == {} or (value is None and parent in schema.values):
        return True
    return bool(re.search(r"(kwargs|_config|config)$", parent)) and isinstance(value, dict)


def _renamed(key: str, schema: Schema) -> str | None:
    """Return the new name of *key* by the table of renames, where this release has it."""
    for old, new in RENAMES:
        if key == old or key.startswith(f"{old}."):
            renamed = new + key[len(old) :]
            if schema.has(renamed) or schema.has(renamed.rpartition(".")[0]):
                return renamed
    return None


def _moved(key: str, schema: Schema) -> str | None:
    """Return the only key that ends as *key* does, two parts at least shared."""
    parts = key.split(".")
    for size in range(len(parts) - 1, _FEWEST_SHARED - 1, -1):
        suffix = "." + ".".join(parts[-size:])
        found = [each for each in schema.values if each.endswith(suffix)]
        found = [each for each in found if _parts_of(key) == _parts_of(each)]
        same = [each for each in found if each.partition(".")[0] == parts[0]]
        chosen = same if len(same) == 1 else found
        if len(chosen) == 1:
            return chosen[0]
        if found:
            return None
    return None


def _parts_of(key: str) -> frozenset[str]:
    """Return which workers *key* is about; a key does not move from one to another."""
    workers = {"actor", "ref", "rollout", "critic", "reward_model", "reward"}
    return frozenset(key.split(".")) & workers


def _judge_type(override: Override, default: Any) -> KeyFinding | None:  # noqa: ANN401 - YAML holds anything
    value = override.value
    if value is None or "$" in value or default is None:
        return None
    text = value.strip().strip("'\"")
    if text in {"null", "None", ""}:
        return None
    if isinstance(default, bool):
        wrong = text.lower() not in {"true", "false", "yes", "no", "on", "off", "0", "1"}
        kind = "true or false"
    elif isinstance(default, (int, float)):
        wrong = not re.fullmatch(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?|\.?inf|nan", text)
        kind = "a number"
    elif isinstance(default, dict) and default:
        wrong, kind = not text.startswith("{"), "a table"
    else:
        return None
    if not wrong:
        return None
    message = f"{override.key} is {kind} by default ({_short(default)}), not {text!r}"
    return KeyFinding(override=override, state=KeyState.TYPE, message=message)


def _short(default: Any) -> str:  # noqa: ANN401 - YAML holds anything
    return "…" if isinstance(default, dict) else repr(default)


def changed_defaults(launch: Launch, *, old: Schema, new: Schema) -> Mapping[str, tuple[Any, Any]]:
    """Return keys that *launch* leaves alone and whose defaults are of another kind now."""
    given = {override.key for override in launch.overrides}
    found = {}
    for key, before in old.values.items():
        after = new.values.get(key)
        if key in given or before is None or after is None or key not in new.values:
            continue
        if type(before) is not type(after) and not isinstance(before, (int, float)):
            found[key] = (before, after)
    return found
