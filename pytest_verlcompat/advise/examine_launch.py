"""What a launch script leans on: files, tokens, downloads, servers and variables."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
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
_HUB_NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_REMOTE = ("hdfs://", "s3://", "gs://", "http://", "https://")
_ADDRESS = re.compile(r"https?://[\w.:\[\]-]{1,200}")
_ANSWER_S = 0.3


def examine(inventory: Inventory) -> Iterator[Advice]:
    """Yield what the script of the inventory, if there is one, leans on and lacks."""
    launch = inventory.launch
    if launch is None:
        return
    environ = {**inventory.all_variables, **launch.variables}
    yield from _files(launch)
    yield from _models(launch, environ)
    yield from _trackers(launch, environ)
    yield from _gpus(launch, inventory)
    yield from _servers(launch)


def _files(launch: Launch) -> Iterator[Advice]:
    for key, value in launch.options.items():
        if not _FILES.fullmatch(key):
            continue
        for name in _names(value):
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


def _models(launch: Launch, environ: Mapping[str, str]) -> Iterator[Advice]:
    offline = any(
        environ.get(name, "").lower() in {"1", "true", "yes", "on"}
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )
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


def _cached(name: str, environ: Mapping[str, str]) -> bool:
    home = environ.get("HF_HOME") or "~/.cache/huggingface"
    hub = environ.get("HF_HUB_CACHE") or f"{home}/hub"
    return (Path(hub).expanduser() / f"models--{name.replace('/', '--')}" / "snapshots").is_dir()


def _trackers(launch: Launch, environ: Mapping[str, str]) -> Iterator[Advice]:
    logger = launch.options.get("trainer.logger", "")
    known = environ.get("WANDB_API_KEY") or Path("~/.netrc").expanduser().exists()
    if "wandb" in logger and not known and not environ.get("WANDB_MODE"):
        yield Advice(
            code="VC138",
            level=Level.BREAKS,
            title="trainer.logger names wandb and there is no key for it",
            detail="Neither WANDB_API_KEY nor WANDB_MODE nor ~/.netrc",
            remedies=("export WANDB_MODE=offline", 'trainer.logger=["console"]'),
            costs=("nothing is uploaded", "no tracking"),
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


def _servers(launch: Launch) -> Iterator[Advice]:
    addresses = {
        address
        for key, value in launch.options.items()
        if "url" in key.lower()
        for address in _ADDRESS.findall(value)
    }
    for address in sorted(addresses)[:2]:
        if not _answers(address):
            yield Advice(
                code="launch-server",
                level=Level.RISK,
                title="A server that the script names does not answer",
                detail=f"{address}, asked for {_ANSWER_S} s from this machine",
                remedies=(f"curl -sS -m 5 -o /dev/null -w '%{{http_code}}' {address}",),
                costs=("none: shows what it answers",),
            )


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=_ANSWER_S):  # noqa: S310 -- only http by the pattern
            return True
    except urllib.error.HTTPError:
        return True  # it answered, with an error of its own
    except (OSError, ValueError):
        return False


def _names(value: str) -> list[str]:
    """Return the paths in an option: one, or a list in brackets."""
    inside = value.strip().removeprefix("[").removesuffix("]")
    return [each.strip().strip("'\"") for each in inside.split(",") if each.strip().strip("'\"")]
