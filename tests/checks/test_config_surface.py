"""Overrides, sums and migrations against configurations that the tests build as wheels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from pytest_verlcompat.checks.config_schema import compose
from pytest_verlcompat.checks.config_surface import KeyState, judge_overrides, schema_for
from pytest_verlcompat.checks.launch_arithmetic import check_arithmetic
from pytest_verlcompat.checks.launch_environment import judge_settings, known_variables
from pytest_verlcompat.checks.launch_judge import judge_script
from pytest_verlcompat.checks.launch_migration import migrate, migration_diff
from pytest_verlcompat.checks.launch_script import parse_script
from pytest_verlcompat.wheels.archive import WheelFile
from pytest_verlcompat.wheels.config_facts import collect_config, dump_config, load_config

if TYPE_CHECKING:
    from pytest_verlcompat.wheels.config_facts import ConfigFacts
    from tests.checks.conftest import BuildRelease

CONFIG = "verl/trainer/config"
MAIN = '@hydra.main(config_path="config", config_name="ppo_trainer")\ndef main(config): ...\n'
OLD = {
    "verl/trainer/main_ppo.py": MAIN,
    f"{CONFIG}/ppo_trainer.yaml": """
        data: {train_batch_size: 1024, gen_batch_size: null}
        custom_reward_function: {path: null, name: compute_score}
        actor_rollout_ref:
          rollout: {n: 1, tensor_model_parallel_size: 2, chat_scheduler: null}
        trainer: {nnodes: 1, n_gpus_per_node: 8, logger: [console]}
    """,
}
NEW = {
    "verl/trainer/main_ppo.py": MAIN,
    f"{CONFIG}/ppo_trainer.yaml": """
        defaults:
          - model_engine: dp
          - actor@actor_rollout_ref.actor: ${model_engine}_actor
          - legacy
          - _self_
        data: {train_batch_size: 1024}
        reward: {custom_reward_function: {path: null, name: null}}
        actor_rollout_ref:
          model: {use_remove_padding: true}
          rollout:
            n: 1
            tensor_model_parallel_size: 2
            log_prob_micro_batch_size: null
            log_prob_micro_batch_size_per_gpu: null
            engine_kwargs: {vllm: {}}
        trainer: {nnodes: 1, n_gpus_per_node: 8, logger: [console], resume: false}
    """,
    f"{CONFIG}/ppo_megatron_trainer.yaml": """
        defaults:
          - ppo_trainer
          - override model_engine: megatron
          - _self_
    """,
    f"{CONFIG}/model_engine/dp.yaml": "# @package _global_\nmodel_engine: dp\n",
    f"{CONFIG}/model_engine/megatron.yaml": "# @package _global_\nmodel_engine: megatron\n",
    f"{CONFIG}/actor/actor.yaml": """
        strategy: ???
        ppo_mini_batch_size: 256
        ppo_micro_batch_size: null
        ppo_micro_batch_size_per_gpu: null
        use_dynamic_bsz: false
        ulysses_sequence_parallel_size: 1
    """,
    f"{CONFIG}/actor/dp_actor.yaml": """
        defaults:
          - ../optim@optim: fsdp
          - actor
          - _self_
        strategy: fsdp
        fsdp_config: {param_offload: false}
    """,
    f"{CONFIG}/actor/megatron_actor.yaml": """
        defaults:
          - ../optim@optim: megatron
          - actor
          - _self_
        megatron: {tensor_model_parallel_size: 1}
    """,
    f"{CONFIG}/optim/fsdp.yaml": "lr: 1e-6\nwarmup: 0.1\n",
    f"{CONFIG}/optim/megatron.yaml": "lr: 1e-6\ndecay_style: cosine\n",
    f"{CONFIG}/legacy.yaml": "custom_reward_function: {path: null, name: null}\n",
}
RUN = "python3 -m verl.trainer.main_ppo "


@pytest.fixture
def old(build_release: BuildRelease) -> ConfigFacts:
    """Return the configuration of an old release."""
    with WheelFile(build_release("verl", "0.6.1", OLD)) as tree:
        return collect_config(tree, distribution="verl", version="0.6.1")


@pytest.fixture
def new(build_release: BuildRelease) -> ConfigFacts:
    """Return the configuration of a new release."""
    with WheelFile(build_release("verl", "0.9.1", NEW)) as tree:
        return collect_config(tree, distribution="verl", version="0.9.1")


def test_configuration_is_composed_as_hydra_would(new: ConfigFacts) -> None:
    """Groups, packages, relative groups and interpolated choices end where Hydra puts them."""
    schema = compose(new, folder=CONFIG, name="ppo_trainer")

    assert schema.values["actor_rollout_ref.actor.strategy"] == "fsdp"
    assert schema.values["actor_rollout_ref.actor.optim.warmup"] == 0.1
    assert schema.values["model_engine"] == "dp"
    assert not schema.has("actor_rollout_ref.actor.megatron")


def test_override_of_a_group_changes_the_schema(new: ConfigFacts) -> None:
    """``override`` in a file and a choice on the command line lead to the same keys."""
    launch = parse_script(f"{RUN} model_engine=megatron").launches[0]

    by_file = compose(new, folder=CONFIG, name="ppo_megatron_trainer")
    by_choice = schema_for(new, launch)

    assert by_file.values["actor_rollout_ref.actor.optim.decay_style"] == "cosine"
    assert dict(by_file.values) == dict(by_choice.values)


def test_kept_configuration_is_equal(new: ConfigFacts) -> None:
    """Kept facts give the same schema."""
    assert load_config(dump_config(new), where="test") == new


_JUDGED = [
    ("data.train_batch_size=8", None, None),
    ("+data.mine=1 data.mine=2", None, None),
    ("++data.whatever=1", None, None),
    ("hydra.run.dir=out", None, None),
    ("actor@actor_rollout_ref.actor=megatron_actor", None, None),
    ("data.nothing_like_it=8", KeyState.UNKNOWN, None),
    ("data.train_batch_sizes=8", KeyState.UNKNOWN, None),
    ("~data.gone", KeyState.UNKNOWN, ""),
    ("+data.train_batch_size=8", KeyState.FORBIDDEN_PLUS, "data.train_batch_size=8"),
    ("+actor_rollout_ref.rollout.log_prob_micro_batch_size=8", None, None),
    (
        "actor_rollout_ref.rollout.engine_kwargs.vllm.seed=1",
        KeyState.NEEDS_PLUS,
        "+actor_rollout_ref.rollout.engine_kwargs.vllm.seed=1",
    ),
    (
        "custom_reward_function.path=a.py",
        KeyState.MOVED,
        "reward.custom_reward_function.path=a.py",
    ),
    ("trainer.resume=auto", KeyState.TYPE, None),
    ("model_engine=fsdp", KeyState.CHOICE, None),
]


@pytest.mark.parametrize("case", _JUDGED)
def test_override_is_judged_by_the_release(
    new: ConfigFacts, case: tuple[str, KeyState | None, str | None]
) -> None:
    """What Hydra refuses is refused, with the form this release wants where it is known."""
    words, state, replacement = case
    launch = parse_script(RUN + words).launches[0]

    found = judge_overrides(launch, compose(new, folder=CONFIG, name="ppo_trainer"))

    expected = [] if state is None else [(state, replacement)]
    assert [(each.state, each.replacement) for each in found] == expected


def test_vanished_key_says_where_it_last_was(old: ConfigFacts, new: ConfigFacts) -> None:
    """The history of releases explains a key that is gone."""
    script = parse_script(f"{RUN} data.gen_batch_size=8")

    report = judge_script(script, new, history=[old])

    assert report.is_refused
    assert report.launches[0].keys[0].message == (
        "data.gen_batch_size is not a key of this release; it was one in verl 0.6.1 ppo_trainer"
    )


_SUMS = [
    ("data.train_batch_size=100", "train batch size 100 is smaller than the mini batch size 256"),
    (
        "data.train_batch_size=300 trainer.n_gpus_per_node=7",
        "train batch size 300 x n 1 = 300 is not divisible by 7, the smallest batch of 7 GPUs",
    ),
    (
        "actor_rollout_ref.rollout.tensor_model_parallel_size=3",
        "tensor parallel size 3 of the rollout does not divide 8 GPUs",
    ),
    (
        (
            "actor_rollout_ref.actor.ulysses_sequence_parallel_size=2 "
            "actor_rollout_ref.model.use_remove_padding=False"
        ),
        "Ulysses size 2 needs actor_rollout_ref.model.use_remove_padding=True",
    ),
    (
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=5",
        (
            "mini batch size 256 x n 1 over 8 data-parallel ranks is 32 each, "
            "not a multiple of the micro batch size 5"
        ),
    ),
    (
        "actor_rollout_ref.rollout.tensor_model_parallel_size=8",
        "tensor parallel size 8 does not divide the model's 12 heads",
    ),
]


@pytest.mark.parametrize(("words", "message"), _SUMS)
def test_sum_that_does_not_come_out_is_said(new: ConfigFacts, words: str, message: str) -> None:
    """What verl asserts on after minutes is worked out before."""
    launch = parse_script(RUN + words).launches[0]

    found = list(check_arithmetic(launch, schema_for(new, launch), heads=12))

    assert message in [each.message for each in found]


def test_sum_with_an_unknown_part_is_left_out(new: ConfigFacts) -> None:
    """What only the shell knows makes no finding."""
    launch = parse_script(f"{RUN} trainer.nnodes=$NODES data.train_batch_size=$B").launches[0]

    assert list(check_arithmetic(launch, schema_for(new, launch))) == []


def test_migration_is_a_diff_of_the_script(old: ConfigFacts, new: ConfigFacts) -> None:
    """Moved keys are renamed in place, vanished ones are taken out, the rest stays."""
    text = (
        f"{RUN}\\\n"
        "    data.train_batch_size=512 \\\n"
        "    data.gen_batch_size=8 \\\n"
        "    custom_reward_function.path='my reward.py' \\\n"
        "    trainer.nnodes=2 $@\n"
    )

    migration = migrate(parse_script(text), old, new, history=[old])

    assert migration_diff(migration, text, name="train.sh") == (
        "--- a/train.sh\n"
        "+++ b/train.sh\n"
        "@@ -2,4 +2,3 @@\n"
        "     data.train_batch_size=512 \\\n"
        "-    data.gen_batch_size=8 \\\n"
        "-    custom_reward_function.path='my reward.py' \\\n"
        "+    reward.custom_reward_function.path='my reward.py' \\\n"
        "     trainer.nnodes=2 $@\n"
    )


_ENVIRONMENT = [
    ("export VLLM_USE_V1=0", "0.12.0", "vLLM 0.12.0 does not know VLLM_USE_V1", False),
    (
        "export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True",
        "0.11.0",
        "vLLM 0.11.0 asserts that expandable segments are off",
        True,
    ),
    (
        "export PYTORCH_ALLOC_CONF=max_split_size_mb:512,expandable_segments:True",
        "0.24.0",
        "vLLM 0.24.0 switches expandable segments off around sleep mode",
        False,
    ),
]


@pytest.mark.parametrize("case", _ENVIRONMENT)
def test_environment_line_is_judged_for_the_engine(case: tuple[str, str, str, bool]) -> None:
    """A variable of another era is named, with whether the run stops at it."""
    text, engine, message, refused = case
    known = known_variables(b"environment_variables = {'VLLM_PORT': lambda: 1}")

    found = list(judge_settings(parse_script(text).settings, vllm=Version(engine), known=known))

    assert found[0].message.startswith(message)
    assert found[0].is_refused is refused


def test_environment_line_that_the_engine_knows_is_fine() -> None:
    """No finding without a reason."""
    settings = parse_script("export VLLM_PORT=1\nexport NCCL_DEBUG=INFO").settings
    known = frozenset({"VLLM_PORT"})

    assert list(judge_settings(settings, vllm=Version("0.31.0"), known=known)) == []


def test_trainer_of_another_project_is_not_judged(new: ConfigFacts) -> None:
    """A recipe that is not in the wheel is said not to be judged."""
    report = judge_script(parse_script("python -m recipe.dapo.main_dapo a.b=1"), new)

    assert report.launches[0].reason == "recipe.dapo.main_dapo is not part of verl 0.9.1"
    assert not report.is_refused
