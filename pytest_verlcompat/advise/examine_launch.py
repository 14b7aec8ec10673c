"""What a launch script leans on: files, a reward function, models, tokens and GPUs."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.advise.advice import Advice, Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_verlcompat.advise.inventory import Inventory
    from pytest_verlcompat.advise.launch import Launch

_FILES = re.compile(
    r"data\.(?:train_files|val_files)|(?:custom_reward_function|reward\.custom_reward_function)\.path"
    r"|.*\.(?:tool_config_path|interaction_config_path|agent_loop_config_path)"
)
_MODELS = re.compile(r"(?:actor_rollout_ref|critic|reward_model)\.model\.path")
_TRACKERS = {
    "swanlab": (("SWANLAB_API_KEY",), "SWANLAB_MODE"),
    "vemlp_wandb": (
        ("VOLC_ACCESS_KEY_ID", "VOLC_SECRET_ACCESS_KEY", "MLP_TRACKING_REGION"), None,
    ),
}  # fmt: skip
"""Variables a tracker of verl reads, and the one that changes its mode.

Source: ``verl/utils/tracking.py`` of verl 0.6.1, read 2026-11-20.
"""
_HUB_NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_REMOTE = ("hdfs://", "s3://", "gs://", "http://", "https://")


def examine(inventory: Inventory) -> Iterator[Advice]:
    """Yield what the script of the inventory, if there is one, leans on and lacks."""
    launch = inventory.launch
    if launch is None:
        return
    environ = _environ(inventory)
    yield from _files(launch)
    yield from _reward_function(launch)
    yield from _models(launch, environ, offline=is_offline(inventory))
    yield from _trackers(launch, environ)
    yield from _gpus(launch, inventory)


def _files(launch: Launch) -> Iterator[Advice]:
    for key, value in launch.options.items():
        if not _FILES.fullmatch(key):
            continue
        for name in names_in(value):
            if name.startswith(_REMOTE) or "$" in name:
                continue
            path = Path(name).expanduser()
            if not path.exists():
                yield Advice(
                    code="launch-file-missing",
                    level=Level.BREAKS,
                    title=f"{key} names a file that is not there",
                    detail=name,
                    remedies=(f"ls -l {path.parent}",),
                    costs=("none: shows what there is instead",),
                )


def _reward_function(launch: Launch) -> Iterator[Advice]:
    """Yield that the file of the reward function does not define the function asked for."""
    for key, value in launch.options.items():
        prefix, _, last = key.rpartition(".")
        if last != "path" or not prefix.endswith("custom_reward_function") or "$" in value:
            continue
        name = launch.options.get(f"{prefix}.name", "compute_score")
        names = _defined(Path(value).expanduser())
        if names is not None and name not in names:
            yield Advice(
                code="launch-reward-function",
                level=Level.BREAKS,
                title=f"{value} defines no function {name}",
                detail=f"It defines {', '.join(sorted(names)[:6]) or 'nothing'}.",
                remedies=tuple(f"{prefix}.name={each}" for each in sorted(names)[:1]),
                costs=tuple("another function scores the answers" for _ in sorted(names)[:1]),
            )


def _defined(path: Path) -> frozenset[str] | None:
    """Return the names a module binds at its top, ``None`` where it cannot be told."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if any(isinstance(each, (ast.If, ast.Try, ast.With)) for each in body):
        return None
    found: set[str] = set()
    for each in body:
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(each.name)
        elif isinstance(each, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in each.names}
        elif isinstance(each, ast.Assign):
            found |= {target.id for target in each.targets if isinstance(target, ast.Name)}
    return None if "*" in found else frozenset(found)


def _models(launch: Launch, environ: Mapping[str, str], *, offline: bool) -> Iterator[Advice]:
    for key, value in launch.options.items():
        if not _MODELS.fullmatch(key) or "$" in value or Path(value).expanduser().exists():
            continue
        if value.startswith(("/", "~", "./")):
            level, detail = Level.BREAKS, f"{value} is not there"
        elif _HUB_NAME.fullmatch(value):
            cached = _cached(value, environ)
            if cached:
                continue
            level = Level.BREAKS if offline else Level.RISK
            detail = f"{value} will be downloaded" + (", and HF_HUB_OFFLINE is set" * offline)
            if not _has_token(environ):
                detail += "; there is no HF_TOKEN, without which gated repositories refuse"
        else:
            continue
        yield Advice(
            code="launch-model",
            level=level,
            title=f"{key} is not on this machine",
            detail=detail,
            remedies=(f"hf download {value} --local-dir /data/models/{Path(value).name}",),
            costs=("where there is a network; then name the folder as model path",),
        )


def _has_token(environ: Mapping[str, str]) -> bool:
    home = environ.get("HF_HOME") or "~/.cache/huggingface"
    named = environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN")
    place = environ.get("HF_TOKEN_PATH") or f"{home}/token"
    return bool(named) or Path(place).expanduser().is_file()


def _cached(name: str, environ: Mapping[str, str]) -> bool:
    home = environ.get("HF_HOME") or "~/.cache/huggingface"
    hub = environ.get("HF_HUB_CACHE") or f"{home}/hub"
    return (Path(hub).expanduser() / f"models--{name.replace('/', '--')}" / "snapshots").is_dir()


def _trackers(launch: Launch, environ: Mapping[str, str]) -> Iterator[Advice]:
    logger = launch.options.get("trainer.logger", "")
    known = environ.get("WANDB_API_KEY") or Path("~/.netrc").expanduser().exists()
    if "wandb" in names_in(logger) and not known and not environ.get("WANDB_MODE"):
        yield Advice(
            code="VC138",
            level=Level.BREAKS,
            title="trainer.logger names wandb and there is no key for it",
            detail="Neither WANDB_API_KEY nor WANDB_MODE nor ~/.netrc",
            remedies=("export WANDB_MODE=offline", 'trainer.logger=["console"]'),
            costs=("nothing is uploaded", "no tracking"),
        )
    needs = {name: keys for name, keys in _TRACKERS.items() if name in names_in(logger)}
    for name, (wanted, mode) in needs.items():
        missing = [key for key in wanted if not environ.get(key)]
        if missing and not (mode and environ.get(mode)):
            yield Advice(
                code="launch-tracker",
                level=Level.RISK,
                title=f"trainer.logger names {name} and {' and '.join(missing)} is not set",
                detail="An earlier login may stand in for it; in a container there is none.",
                remedies=('trainer.logger=["console"]',),
                costs=("no tracking",),
            )


def _gpus(launch: Launch, inventory: Inventory) -> Iterator[Advice]:
    wanted = launch.options.get("trainer.n_gpus_per_node", "")
    present = len(inventory.host.machine.gpus)
    if wanted.isdigit() and present and int(wanted) > present:
        yield Advice(
            code="VC172",
            level=Level.BREAKS,
            title="The script asks for more GPUs than there are",
            detail=f"trainer.n_gpus_per_node={wanted}, and {present} can be seen",
            remedies=(f"trainer.n_gpus_per_node={present}",),
            costs=("a slower training",),
        )


def is_offline(inventory: Inventory) -> bool:
    """Return whether the variables of shell and script forbid downloads from the hub."""
    environ = _environ(inventory)
    return any(
        environ.get(name, "").lower() in {"1", "true", "yes", "on"}
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def _environ(inventory: Inventory) -> Mapping[str, str]:
    launch = inventory.launch
    return {**inventory.all_variables, **(launch.variables if launch else {})}


def names_in(value: str) -> list[str]:
    """Return the paths in an option: one, or a list in brackets."""
    inside = value.strip().removeprefix("[").removesuffix("]")
    return [each.strip().strip("'\"") for each in inside.split(",") if each.strip().strip("'\"")]
