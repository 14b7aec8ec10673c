"""``verlcompat launch`` as people type it, against an index in a folder."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import main

if TYPE_CHECKING:
    from pathlib import Path

MAIN = '@hydra.main(config_path="config", config_name="ppo_trainer")\ndef main(config): ...\n'
OLD = "data: {train_batch_size: 8}\ncustom_reward_function: {path: null}\n"
NEW = "data: {train_batch_size: 8}\nreward: {custom_reward_function: {path: null}}\n"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a script, beside an index with two verl releases and one vLLM."""
    root = tmp_path / "index"
    for name, version, members in (
        ("verl", "0.6.1", {"verl/trainer/config/ppo_trainer.yaml": OLD}),
        ("verl", "0.9.1", {"verl/trainer/config/ppo_trainer.yaml": NEW}),
        ("vllm", "0.24.0", {"vllm/envs.py": "environment_variables = {'VLLM_PORT': 1}\n"}),
    ):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for member, text in {**members, "verl/trainer/main_ppo.py": MAIN}.items():
                archive.writestr(member, text)
            needs = "Requires-Dist: vllm==0.24.0; extra == 'vllm'\n" if name == "verl" else ""
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
            archive.writestr(f"{name}-{version}.dist-info/METADATA", metadata)
        links = "".join(f'<a href="{each.name}">{each.name}</a>' for each in folder.glob("*.whl"))
        (folder / "index.html").write_text(f"<!doctype html><html><body>{links}</body></html>")
    for name in ("PIP_INDEX_URL", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", root.as_uri())
    monkeypatch.setenv("VERLCOMPAT_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "train.sh"
    path.write_text(
        "export VLLM_USE_V1=1\n"
        "python3 -m verl.trainer.main_ppo \\\n"
        "    data.train_batch_size=16 \\\n"
        "    custom_reward_function.path=mine.py $@\n"
    )
    return path


def test_vanished_key_is_refused_with_its_new_name(
    script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each override is judged with its line; the environment line too."""
    status = main(["launch", str(script), "--verl", "0.9.1"])

    printed = capsys.readouterr().out
    assert status == 1
    assert (
        "line 4: unknown key: custom_reward_function.path is gone; "
        "it is reward.custom_reward_function.path here"
    ) in printed
    assert "train.sh:1: note: vLLM 0.24.0 does not know VLLM_USE_V1" in printed
    assert "passes on its own arguments" in printed


def test_script_that_fits_ends_with_0(script: Path) -> None:
    """Nothing refused, nothing to do."""
    assert main(["launch", str(script), "--verl", "0.6.1"]) == 0


def test_migration_prints_a_diff(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From one release to another, the changes are a unified diff."""
    status = main(["launch", "--from", "0.6.1", "--to", "0.9.1", str(script)])

    printed = capsys.readouterr().out
    assert status == 1
    assert "verl 0.6.1 -> verl 0.9.1: 1 overrides to change" in printed
    assert "-    custom_reward_function.path=mine.py $@" in printed
    assert "+    reward.custom_reward_function.path=mine.py $@" in printed


def test_json_says_the_same(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads state, line and replacement."""
    main(["launch", str(script), "--verl", "0.9.1", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert found["refused"] is True
    assert found["launches"][0]["keys"][0]["replacement"] == (
        "reward.custom_reward_function.path=mine.py"
    )


_MISTAKES = [
    ([], "give --verl VERSION, or --from VERSION and --to VERSION"),
    (["--from", "0.6.1"], "give --verl VERSION, or --from VERSION and --to VERSION"),
    (["--verl", "new"], "'new' is not a version of verl"),
    (["--verl", "9.9"], "the index has no verl 9.9"),
]


@pytest.mark.parametrize("case", _MISTAKES)
def test_mistakes_of_the_caller_end_with_2(
    script: Path, capsys: pytest.CaptureFixture[str], case: tuple[list[str], str]
) -> None:
    """A mistake is not a verdict about the script."""
    words, message = case
    status = main(["launch", str(script), *words])

    assert status == 2
    assert message in capsys.readouterr().err


def test_script_without_a_trainer_is_said_to_be_one(
    script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another shell script is an error of the caller."""
    script.write_text("echo hello\n")

    status = main(["launch", str(script), "--verl", "0.9.1"])

    assert status == 2
    assert "starts no trainer" in capsys.readouterr().err


def test_migrations_of_a_folder_of_examples_are_one_list(
    script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Equal changes of several scripts are one line that says where the first one is."""
    examples = tmp_path / "examples" / "0.6.1" / "examples"
    examples.mkdir(parents=True)
    for name in ("a.sh", "b.sh"):
        (examples / name).write_text(script.read_text())
    words = [str(tmp_path / "examples"), "--to", "0.9.1", "--output", str(tmp_path / "out")]

    status = main(["launch-migrations", *words])

    lines = (tmp_path / "out" / "launch_migrations.jsonl").read_text().splitlines()
    found = {body["key"]: body for body in map(json.loads, lines)}
    moved = found["custom_reward_function.path"]
    assert status == 0
    assert "2 changes of 1 releases" in capsys.readouterr().out
    assert (moved["scripts"], moved["first"]) == (2, "examples/a.sh:4")
    assert moved["becomes"] == "reward.custom_reward_function.path"
    assert found["VLLM_USE_V1"]["state"] == "setting"
    table = (tmp_path / "out" / "launch_migrations.md").read_text()
    assert "| `reward.custom_reward_function.path` | `custom_reward_function.path` | 2 |" in table


def test_folder_that_is_no_release_is_named(
    script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Examples must lie below the release that they were written for."""
    (tmp_path / "examples" / "grpo_trainer").mkdir(parents=True)
    (tmp_path / "examples" / "grpo_trainer" / "run.sh").write_text(script.read_text())

    status = main(["launch-migrations", str(tmp_path / "examples"), "--to", "0.9.1"])

    assert status not in {0, 1}
    assert "such as 0.6.1" in capsys.readouterr().err
