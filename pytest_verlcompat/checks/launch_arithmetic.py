"""The sums of a launch that verl asserts on, worked out before anything starts.

A sum with a part that only the shell or the model knows is left out.

Source: ``validate_config`` (``verl/utils/config.py``), ``ActorConfig.validate`` and
``fsdp_workers.py`` / ``engine_workers.py`` of the verl wheels 0.6.1 and 0.9.1, read 2026-11-20.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.checks.config_schema import Schema
    from pytest_verlcompat.checks.launch_script import Launch

_ACTOR = "actor_rollout_ref.actor"
_ROLLOUT = "actor_rollout_ref.rollout"
_REFERENCE = re.compile(r"^\$\{(?:oc\.select:)?([\w.]+)(?:,([^}]*))?\}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """A sum that does not come out."""

    message: str
    keys: tuple[str, ...]
    """The keys it is about."""


class Values:
    """The values a launch ends up with: its overrides over the defaults."""

    def __init__(self, launch: Launch, schema: Schema) -> None:
        self._given = {override.key: override.value for override in launch.overrides}
        self._schema = schema

    def value(self, key: str, depth: int = 0) -> Any:  # noqa: ANN401 - YAML holds anything
        """Return the value of *key*, references followed; ``None`` if it is not known."""
        found = self._given[key] if key in self._given else self._schema.values.get(key)
        if isinstance(found, str):
            reference = _REFERENCE.match(found)
            if reference and depth < 10:  # noqa: PLR2004 - deeper references are a circle
                target = self.value(reference[1], depth + 1)
                return reference[2] if target is None else target
        return found

    def number(self, key: str) -> int | None:
        """Return *key* as a whole number, ``None`` if it is not one or not known."""
        found = self.value(key)
        if isinstance(found, bool) or found is None:
            return None
        text = str(found).strip().strip("'\"")
        return int(text) if re.fullmatch(r"-?\d+", text) else None

    def truth(self, key: str) -> bool | None:
        """Return *key* as true or false, ``None`` if it is neither or not known."""
        text = str(self.value(key)).strip().lower()
        return {"true": True, "false": False}.get(text)


def check_arithmetic(launch: Launch, schema: Schema, *, heads: int | None = None) -> Iterator[Sum]:
    """Yield the sums that do not come out.

    Args:
        heads: Attention heads of the model, where they are known.
    """
    values = Values(launch, schema)
    nodes, per_node = values.number("trainer.nnodes"), values.number("trainer.n_gpus_per_node")
    if not schema.has(_ROLLOUT) or nodes is None or per_node is None:
        return
    gpus = nodes * per_node
    if gpus <= 0:
        return
    heads = heads or _heads_of(values)
    yield from _batches(values, gpus)
    yield from _micro_batches(values, gpus)
    yield from _tensor_parallel(values, gpus, heads=heads)
    yield from _ulysses(values, gpus, heads=heads)


def _is_megatron(values: Values) -> bool:
    return bool(values.value(f"{_ACTOR}.strategy") == "megatron")


def _batches(values: Values, gpus: int) -> Iterator[Sum]:
    train, n = values.number("data.train_batch_size"), values.number(f"{_ROLLOUT}.n")
    mini = values.number(f"{_ACTOR}.ppo_mini_batch_size")
    if train is not None and mini is not None and train < mini:
        yield Sum(
            message=f"train batch size {train} is smaller than the mini batch size {mini}",
            keys=("data.train_batch_size", f"{_ACTOR}.ppo_mini_batch_size"),
        )
    if train is None or n is None or values.truth(f"{_ACTOR}.use_dynamic_bsz") is not False:
        return
    least = _least_batch(values, gpus)
    if least and train * n % least:
        yield Sum(
            message=f"train batch size {train} x n {n} = {train * n} is not divisible by {least}, "
            f"the smallest batch of {gpus} GPUs",
            keys=("data.train_batch_size", f"{_ROLLOUT}.n"),
        )


def _least_batch(values: Values, gpus: int) -> int | None:
    if not _is_megatron(values):
        return gpus
    sizes = [
        values.number(f"{_ACTOR}.megatron.{name}_parallel_size")
        for name in ("tensor_model", "pipeline_model", "context")
    ]
    micro = values.number(f"{_ACTOR}.ppo_micro_batch_size_per_gpu")
    if micro is None or any(size is None for size in sizes):
        return None
    product = 1
    for size in sizes:
        product *= size or 1
    return gpus // product * micro if gpus % product == 0 else None


def _micro_batches(values: Values, gpus: int) -> Iterator[Sum]:
    if values.truth(f"{_ACTOR}.use_dynamic_bsz") is not False:
        return
    for owner, name in ((_ACTOR, "ppo"), (_ROLLOUT, "log_prob")):
        old, new = f"{owner}.{name}_micro_batch_size", f"{owner}.{name}_micro_batch_size_per_gpu"
        both = [values.value(key) not in {None, "null", "None"} for key in (old, new)]
        if all(both):
            yield Sum(message=f"{old} and {new} are both set; keep the second", keys=(old, new))
    mini, n = values.number(f"{_ACTOR}.ppo_mini_batch_size"), values.number(f"{_ROLLOUT}.n")
    micro = values.number(f"{_ACTOR}.ppo_micro_batch_size_per_gpu")
    ulysses = values.number(f"{_ACTOR}.ulysses_sequence_parallel_size") or 1
    if None in {mini, n, micro} or _is_megatron(values) or gpus % ulysses:
        return
    share = (mini or 0) * (n or 0) // (gpus // ulysses)
    if share == 0 or share % (micro or 1):
        yield Sum(
            message=f"mini batch size {mini} x n {n} over {gpus // ulysses} data-parallel ranks is "
            f"{share} each, not a multiple of the micro batch size {micro}",
            keys=(f"{_ACTOR}.ppo_mini_batch_size", f"{_ACTOR}.ppo_micro_batch_size_per_gpu"),
        )


def _tensor_parallel(values: Values, gpus: int, *, heads: int | None) -> Iterator[Sum]:
    key = f"{_ROLLOUT}.tensor_model_parallel_size"
    size = values.number(key)
    if not size or size < 1:
        return
    if gpus % size:
        yield Sum(
            message=f"tensor parallel size {size} of the rollout does not divide {gpus} GPUs",
            keys=(key,),
        )
    if heads and heads % size:
        yield Sum(
            message=f"tensor parallel size {size} does not divide the model's {heads} heads",
            keys=(key,),
        )


def _ulysses(values: Values, gpus: int, *, heads: int | None) -> Iterator[Sum]:
    key = f"{_ACTOR}.ulysses_sequence_parallel_size"
    size = values.number(key) or 1
    if size <= 1:
        return
    if values.truth("actor_rollout_ref.model.use_remove_padding") is False:
        yield Sum(
            message=f"Ulysses size {size} needs actor_rollout_ref.model.use_remove_padding=True",
            keys=(key,),
        )
    if gpus % size:
        yield Sum(message=f"Ulysses size {size} does not divide {gpus} GPUs", keys=(key,))
    if heads and heads % size:
        yield Sum(
            message=f"Ulysses size {size} does not divide the model's {heads} heads", keys=(key,)
        )


def _heads_of(values: Values) -> int | None:
    """Return the attention heads of a model that lies on this machine."""
    path = values.value("actor_rollout_ref.model.path")
    if not isinstance(path, str) or "\0" in path:
        return None
    try:
        config = json.loads(Path(path).expanduser().joinpath("config.json").read_text())
        found = config.get("num_attention_heads")
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, int) else None
