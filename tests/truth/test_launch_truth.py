"""Overrides that are called refused or fine, against what Hydra itself does with them.

The scripts are the ``examples`` of verl's repository at each release's tag; verl's own sdists
ship none. ``VERLCOMPAT_EXAMPLES`` names a folder with one folder a release; every
``VERLCOMPAT_EXAMPLES_STEP``-th launch is composed (1: all), and all that have a refusal.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.checks.config_surface import REFUSED, judge_overrides, schema_for
from pytest_verlcompat.checks.launch_script import load_script
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.process.run import Limits, run
from pytest_verlcompat.resolve.uv import call_uv
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.config_store import read_config
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.surface_store import FactsStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.checks.launch_script import Launch, Override
    from pytest_verlcompat.wheels.config_facts import ConfigFacts

pytestmark = pytest.mark.truth

REPORT = Path(__file__).parents[2] / "reports" / "figures" / "launch_truth.json"
CHILD = Path(__file__).with_name("launch_child.py")
DEADLINE_S = 3000.0
EXPLAINED = {
    "+data.trust_remote_code": "the key is there already, so + is refused",
    "+actor_rollout_ref.actor.fsdp_config.model_dtype": "the key is there already",
    "+actor_rollout_ref.model.lora.merge": "the key is there already",
    "actor_rollout_ref.rollout.engine_kwargs.sglang.attention_backend": (
        "engine_kwargs.sglang is an empty table, which takes a key with + only"
    ),
    "reward_model.param_offload": "reward_model.megatron.param_offload in that configuration",
    "critic.model.enable_gradient_checkpointing": "the Megatron configuration has no such key",
    "critic.model.use_remove_padding": "the Megatron configuration has no such key",
    "critic.ulysses_sequence_parallel_size": "the Megatron configuration has no such key",
    "actor_rollout_ref.model.torch_dtype": "actor_rollout_ref.actor.fsdp_config.dtype there",
    "actor_rollout_ref.actor.model_engine": "model_engine is a choice of the whole configuration",
    "actor_rollout_ref.actor.megatron": "there with model_engine=megatron, which is misspelt above",
    "actor_rollout_ref.ref.megatron": "there with model_engine=megatron, which is misspelt above",
    "data.micro_batch_size": "data.micro_batch_size_per_gpu in verl.trainer.sft_trainer",
    "data.multiturn": "data.messages_key in verl.trainer.sft_trainer, which has no such table",
    "model.partial_pretrain": "model.path in verl.trainer.sft_trainer",
    "ulysses_sequence_parallel_size": "below engine in verl.trainer.sft_trainer",
    "use_remove_padding": "below model in verl.trainer.sft_trainer",
}
"""Why scripts of verl hold keys that their own release refuses: mistakes of the scripts.

Each is refused by Hydra as well; a key that nothing here explains fails the test.
"""

GRAMMAR = ("Error parsing", "LexerNoViableAlt", "token recognition", "mismatched input")
"""How Hydra begins when a value, not a key, is what it cannot read."""


@pytest.fixture(scope="module")
def hydra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interpreter with hydra-core 1.3.2."""
    folder = tmp_path_factory.mktemp("hydra") / "env"
    for words in (
        ["venv", "--python", sys.executable, str(folder)],
        ["pip", "install", "--python", str(folder), "hydra-core==1.3.2"],
    ):
        ended = call_uv(words, timeout_s=600)
        assert ended.exit_status == 0, ended.messages
    return folder / "bin" / "python"


def _typed(override: Override) -> str:
    value = (override.value or "0").replace("\0", "0")
    sign, key = override.sign, override.key
    return f"{sign}{key}" if sign == "~" else f"{sign}{key}={value}"


def _job(launch: Launch, facts: ConfigFacts, *, where: str, root: Path) -> dict[str, Any] | None:
    try:
        schema = schema_for(facts, launch)
    except UsageError:
        return None
    if schema.unread or launch.module not in facts.entries:
        return None
    judged = [each for each in judge_overrides(launch, schema) if each.state in REFUSED]
    refused = {each.override for each in judged}
    folder, name = facts.entries[launch.module]
    return {
        "id": where,
        "folder": str(root / folder),
        "name": (launch.config_name or name).removesuffix(".yaml"),
        "accepted": [
            _typed(each)
            for each in launch.overrides
            if each not in refused and "$" not in (each.value or "")
        ],
        "refused": [_typed(each) for each in launch.overrides if each in refused],
        "why": {_typed(each.override): each.message for each in judged},
        "groups": [_typed(each) for each in launch.overrides if each.key in schema.groups],
    }


def _jobs(examples: Path, store: FactsStore, scratch: Path) -> Iterator[dict[str, Any]]:
    for release in sorted(examples.iterdir()):
        facts = read_config(store, "verl", release.name)
        root = scratch / release.name
        _unpack_configuration(store, release.name, root)
        for path in sorted(release.rglob("*.sh")):
            for launch in load_script(path).launches:
                where = f"verl {release.name} {path.relative_to(release)}:{launch.line}"
                job = _job(launch, facts, where=where, root=root)
                if job is not None:
                    yield job


def _unpack_configuration(store: FactsStore, version: str, root: Path) -> None:
    """Write the YAML files of a release to *root*, where Hydra can read them."""
    file = store.find_file("verl", version)
    archive_path = root.with_suffix(".whl")
    archive_path.write_bytes(store.client.transport.get(file.url).body)
    with zipfile.ZipFile(archive_path) as archive:
        for name in archive.namelist():
            if name.startswith("verl/") and name.endswith(".yaml"):
                archive.extract(name, root)


def _answers(python: Path, jobs: list[dict[str, Any]], scratch: Path) -> list[dict[str, Any]]:
    path, output = scratch / "jobs.jsonl", scratch / "answers.jsonl"
    path.write_text("".join(json.dumps(job) + "\n" for job in jobs))
    run(
        [python, "-I", str(CHILD), str(path)],
        env=tool_environ(os.environ),
        cwd=scratch,
        limits=Limits(timeout_s=DEADLINE_S),
        output=output,
    )
    return [json.loads(line) for line in output.read_text().splitlines()]


def _explained(job: dict[str, Any]) -> dict[str, Any]:
    """Return the overrides of a launch that its own release refuses, each with the reason."""
    found = []
    for override in job["refused"]:
        key = override.partition("=")[0]
        known = (each for each in EXPLAINED if key == each or key.startswith(f"{each}."))
        explained = EXPLAINED.get(next(known, ""))
        found.append({"override": override, "said": job["why"][override], "explained": explained})
    return {"id": job["id"], "refused": found}


def test_refusals_are_hydras(hydra: Path, tmp_path: Path) -> None:
    """No key is called refused that Hydra takes, and no key fine that Hydra refuses."""
    named = os.environ.get("VERLCOMPAT_EXAMPLES")
    if not named:
        pytest.skip("VERLCOMPAT_EXAMPLES names no folder of verl's examples, one a release")
    step = int(os.environ.get("VERLCOMPAT_EXAMPLES_STEP", "1"))
    started = time.monotonic()
    cache = MemberCache(default_cache_folder())
    store = FactsStore(IndexClient.configured(cache=cache), cache=cache)
    every = list(_jobs(Path(named), store, tmp_path))
    jobs = [job for index, job in enumerate(every) if job["refused"] or index % step == 0]
    answers = _answers(hydra, jobs, tmp_path)
    missed = [each for each in answers if each["missed"]]
    keys = [each for each in missed if not each["missed"].startswith(GRAMMAR)]
    false = [each for each in answers if each["false"]]
    rows = [_explained(job) for job in every if job["refused"]]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    body = {
        "title": "Overrides of verl's example scripts: judged from wheels against Hydra 1.3.2",
        "command": "nox -s truth -- -k launch",
        "date": datetime.now(tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": {
            "cpus": os.cpu_count(),
            "memory_mib": memory,
            "platform": f"{platform.system()} {platform.machine()}",
        },
        "figures": {
            "launches": len(every),
            "launches_composed": len(answers),
            "overrides": sum(len(job["accepted"]) + len(job["refused"]) for job in every),
            "refused_by_us": sum(len(job["refused"]) for job in every),
            "refused_by_us_taken_by_hydra": sum(len(each["false"]) for each in false),
            "launches_with_a_key_only_hydra_refuses": len(keys),
            "launches_with_a_value_hydra_cannot_read": len(missed) - len(keys),
            "wall_s": round(time.monotonic() - started, 1),
        },
        "rows": [
            *rows,
            *missed,
            *false,
        ],
    }
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")

    assert len(answers) == len(jobs)
    assert not false
    assert [each for row in rows for each in row["refused"] if each["explained"] is None] == []
    # Branches of one `case` that append the same key are both read.
    assert len(keys) <= len(jobs) // 100
