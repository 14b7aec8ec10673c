"""Launch scripts as people write them: what is read out of them, and what is never run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.launch_script import load_script, parse_script
from pytest_verlcompat.errors import SourceSyntaxError

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = r"""#!/usr/bin/env bash
set -xeuo pipefail
export VLLM_USE_V1=1
MODEL=${MODEL:-Qwen/Qwen3-8B}      # which model
max_prompt=$((1024 * 2)); max_response=1024
if [ "$1" = "big" ]; then
    tp=8
else
    tp=4
fi
DATA=(
    data.train_batch_size=256   # sequences
    data.max_prompt_length=${max_prompt}
)
DATA+=("data.train_files=['a b.parquet']")
cat > note.txt <<EOF
python3 -m verl.trainer.main_ppo not.an=override
EOF
PYTHONUNBUFFERED=1 python3 -m verl.trainer.main_ppo --config-path=config \
    --config-name='ppo_megatron_trainer.yaml' \
    "${DATA[@]}" \
    actor_rollout_ref.model.path="$MODEL" \
    actor_rollout_ref.rollout.tensor_model_parallel_size=$tp \
    actor_rollout_ref.rollout.max_num_batched_tokens=$((max_prompt + max_response)) \
    +actor_rollout_ref.rollout.engine_kwargs.vllm.seed=1 \
    trainer.logger='["console","wandb"]' \
    ~trainer.ray_wait \
    trainer.experiment_name=run-$(date +%s) $@ 2>&1 | tee log.txt
"""


def test_everything_of_a_usual_script_is_read() -> None:
    """Variables, arrays, sums, continuations, comments and here-documents are followed."""
    script = parse_script(SCRIPT)

    assert script.mistakes == ()
    assert script.passes_arguments
    launch = script.launches[0]
    assert (launch.module, launch.config_name) == (
        "verl.trainer.main_ppo",
        "ppo_megatron_trainer.yaml",
    )
    assert [(each.text, each.line) for each in launch.overrides] == [
        ("data.train_batch_size=256", 12),
        ("data.max_prompt_length=2048", 13),
        ("data.train_files=['a b.parquet']", 15),
        ("actor_rollout_ref.model.path=Qwen/Qwen3-8B", 22),
        ("actor_rollout_ref.rollout.tensor_model_parallel_size=8", 23),
        ("actor_rollout_ref.rollout.max_num_batched_tokens=3072", 24),
        ("+actor_rollout_ref.rollout.engine_kwargs.vllm.seed=1", 25),
        ('trainer.logger=["console","wandb"]', 26),
        ("~trainer.ray_wait", 27),
        ("trainer.experiment_name=…", 28),
    ]


def test_environment_lines_are_kept_with_their_values() -> None:
    """What the script exports, or sets for the one command, is known with its line."""
    script = parse_script(SCRIPT)

    found = {setting.name: (setting.value, setting.line) for setting in script.settings}
    assert found["VLLM_USE_V1"] == ("1", 3)
    assert found["PYTHONUNBUFFERED"] == ("1", 19)


def test_no_command_of_a_script_is_run(tmp_path: Path) -> None:
    """Substitutions stay unknown; the shell is not asked."""
    mark = tmp_path / "was-run"
    text = f"X=$(touch {mark}) `touch {mark}`\ntouch {mark}\nverl=1 python -m verl.x a.b=$X\n"

    script = parse_script(text)

    assert script.launches[0].overrides[0].value is None
    assert not mark.exists()


_UNBALANCED = [
    ("python -m verl.t a.b='x\npython -m verl.t c.d=2\n", 1, "' is never closed"),
    ('A=1\npython -m verl.t a.b="x\nc.d=2\n', 2, '" is never closed'),
    ("DATA=(\n a.b=1\npython -m verl.t c.d=2\n", 1, "( is never closed"),
    ("python -m verl.t a.b=${X\npython -m verl.t c.d=2\n", 1, "${ is never closed"),
]


@pytest.mark.parametrize(("text", "line", "message"), _UNBALANCED)
def test_unbalanced_quotes_are_named_with_their_line(text: str, line: int, message: str) -> None:
    """What a shell would refuse is an error with a line, not a crash."""
    script = parse_script(text)

    assert (script.mistakes[0].line, script.mistakes[0].message) == (line, message)


def test_rest_of_a_script_with_an_open_quote_is_still_read() -> None:
    """One mistake does not hide the lines before and after it."""
    text = "python -m verl.t a.b=1 c.d='x\npython -m verl.u e.f=2\n"

    script = parse_script(text)

    assert [launch.module for launch in script.launches] == ["verl.t", "verl.u"]


def test_list_of_overrides_is_a_launch(tmp_path: Path) -> None:
    """Overrides alone, one a line, are judged too."""
    path = tmp_path / "overrides.txt"
    path.write_text("algorithm.adv_estimator=grpo\n+data.x=1\n")

    script = load_script(path)

    assert [each.text for each in script.launches[0].overrides] == [
        "algorithm.adv_estimator=grpo",
        "+data.x=1",
    ]


def test_yaml_leaves_are_overrides_with_their_lines(tmp_path: Path) -> None:
    """A YAML file of the caller is taken leaf by leaf."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "defaults:\n  - ppo_trainer\ndata:\n  train_batch_size: 8\ntrainer: {nnodes: 1}\n"
    )

    script = load_script(path)

    assert [(each.text, each.line) for each in script.launches[0].overrides] == [
        ("data.train_batch_size=8", 4),
        ("trainer.nnodes=1", 5),
    ]


_UNREADABLE = [
    ("bad.yaml", b"a: [1\nb: 2\n", r"bad\.yaml:2: "),
    ("bad.sh", b"python -m verl.t a=\xff\xfe\n", r"byte 19 is not UTF-8"),
]


@pytest.mark.parametrize("case", _UNREADABLE)
def test_unreadable_file_is_an_error_of_the_caller(
    tmp_path: Path, case: tuple[str, bytes, str]
) -> None:
    """File and line are named."""
    name, content, message = case
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(SourceSyntaxError, match=message):
        load_script(path)
