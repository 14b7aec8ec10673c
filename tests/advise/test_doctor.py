"""The doctor sees planted faults from metadata alone, quickly, and prints no secret."""

from __future__ import annotations

import dataclasses
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.advise.advice import Advice, Level
from pytest_verlcompat.advise.doctor import examinations, find_advice
from pytest_verlcompat.advise.host import ask_smi, cgroup_memory
from pytest_verlcompat.advise.inventory import Inventory, read_inventory
from pytest_verlcompat.advise.launch import read_launch
from pytest_verlcompat.advise.render_doctor import render_markdown, render_text, render_values
from pytest_verlcompat.cli import main
from pytest_verlcompat.errors import InterpreterMissingError, SourceSyntaxError
from pytest_verlcompat.model.machine import Gpu

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "hf_" + "s" * 34


class Patient:
    """A real virtual environment whose distributions are metadata only."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        self.site = next(folder.glob("lib/python3*/site-packages"))

    def install(self, name: str, version: str, *requires: str, **files: str) -> None:
        """Put the metadata of a distribution there, and nothing that could be imported."""
        folder = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        lines = [f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {each}" for each in requires]
        (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, "", "Text"]))
        for key, text in files.items():
            (folder / f"{key}.json").write_text(text)

    def inventory(self, environ: Mapping[str, str] | None = None) -> Inventory:
        """Return what the doctor knows of it, with no variables but *environ*."""
        return read_inventory(self.python, environ=environ or {})

    def codes(self, environ: Mapping[str, str] | None = None) -> dict[str, Level]:
        """Return the codes found and how bad each is."""
        return {each.code: each.level for each in find_advice(self.inventory(environ))}

    def forms(self, script: Path) -> tuple[str, str, str]:
        """Return what is said of it and of a launch script: as text, as Markdown, as JSON."""
        launch = read_launch(script, environ={})
        inventory = read_inventory(self.python, environ={}, launch=launch)
        found = find_advice(inventory)
        return (
            render_text(inventory, found),
            render_markdown(inventory, found),
            json.dumps(render_values(inventory, found)),
        )


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is remembered of environments out of the user's folder."""
    monkeypatch.setenv("VERLCOMPAT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    """Return an environment with nothing in it."""
    return Patient(tmp_path / "env")


FAULTS = {
    "numpy-opencv": ([("verl", "0.8.0"), ("vllm", "0.15.0")], {}, "VC001"),
    "torch-below-vllm": ([("vllm", "0.10.2"), ("torch", "2.9.1")], {}, "VC045"),
    "transformers-5": ([("vllm", "0.11.0"), ("transformers", "5.4.0")], {}, "VC083"),
    "uvloop": ([("uvloop", "0.22.1"), ("sglang", "0.5.4")], {}, "VC105"),
    "pkg-resources": ([("setuptools", "82.0.0"), ("tensorboard", "2.20.0")], {}, "VC126"),
    "pyarrow-numpy": ([("pyarrow", "26.0.1"), ("numpy", "1.26.4")], {}, "VC121"),
    "moved-name": ([("verl", "0.6.1"), ("vllm", "0.12.0")], {}, "VC049"),
    "expandable-segments": (
        [("vllm", "0.11.0"), ("verl", "0.7.1")],
        {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}, "VC099",
    ),
    "v1-switch": ([("verl", "0.5.0"), ("vllm", "0.8.5")], {"VLLM_USE_V1": "0"}, "VC088"),
    "torchvision": ([("torch", "2.8.0"), ("torchvision", "0.22.1")], {}, "VC047"),
    "two-opencv": (
        [("opencv-python", "4.8.0.74"), ("opencv-python-headless", "4.11.0.86")], {},
        "several-opencv",
    ),
    "mixed-cuda": (
        [("nvidia-cublas-cu12", "12.8.4.1"), ("nvidia-cublas-cu13", "13.0.0")], {},
        "mixed-cuda-wheels",
    ),
    "mixed-cuda-without-suffix": (
        [("nvidia-cublas-cu12", "12.8.4.1"), ("nvidia-cuda-runtime", "13.0.96")], {},
        "mixed-cuda-wheels",
    ),
    "flashinfer-parts": (
        [("flashinfer-python", "0.5.2"), ("flashinfer-cubin", "0.5.3")], {}, "VC096",
    ),
    "numba": ([("numba", "0.61.2"), ("numpy", "2.3.5")], {}, "VC124"),
    "rocr": ([("verl", "0.8.0")], {"ROCR_VISIBLE_DEVICES": "0"}, "VC115"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_found(patient: Patient, fault: str) -> None:
    """Metadata and variables are enough for each of these."""
    distributions, environ, code = FAULTS[fault]
    for name, version in distributions:
        patient.install(name, version)

    assert code in patient.codes(environ)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("expandable-segments", "PYTORCH_CUDA_ALLOC_CONF contains expandable_segments:True"),
        ("v1-switch", "VLLM_USE_V1 = 0"),
        ("rocr", "ROCR_VISIBLE_DEVICES is set"),
    ],
)
def test_what_is_wrong_with_a_variable_is_a_sentence(
    patient: Patient, fault: str, words: str
) -> None:
    """The condition is told the way it is read."""
    distributions, environ, _ = FAULTS[fault]
    for name, version in distributions:
        patient.install(name, version)

    assert words in " ".join(each.detail for each in find_advice(patient.inventory(environ)))


def test_sound_stack_has_nothing_that_breaks(patient: Patient) -> None:
    """The set verl 0.9.1 pins is not accused."""
    for name, version in {
        "verl": "0.9.1", "vllm": "0.24.0", "torch": "2.11.0", "torchvision": "0.26.0",
        "transformers": "5.9.0", "numpy": "2.2.6", "pyarrow": "24.0.0", "datasets": "4.8.0",
        "ray": "2.56.0", "uvloop": "0.22.1", "setuptools": "79.0.1", "tensorboard": "2.21.0",
        "numba": "0.65.0", "opencv-python-headless": "4.13.0.90", "huggingface-hub": "1.31.0",
        "tokenizers": "0.22.2", "trl": "0.27.0", "tensordict": "0.10.0", "peft": "0.18.0",
    }.items():  # fmt: skip
        patient.install(name, version)

    advice = find_advice(patient.inventory())

    assert [each.code for each in advice if each.level is Level.BREAKS] == []


def test_unmet_requirement_is_a_risk(patient: Patient) -> None:
    """What pip check would say is said, markers and extras considered."""
    patient.install(
        "vllm", "0.11.0", "torch==2.8.0", "x>1; extra == 'y'", "z; sys_platform == 'win32'"
    )
    patient.install("torch", "2.8.1")

    titles = [e.title for e in find_advice(patient.inventory()) if e.code == "requirement-unmet"]

    assert titles == ["vllm 0.11.0 requires torch==2.8.0"]


def test_duplicate_metadata_is_found(patient: Patient) -> None:
    """An interrupted install leaves two versions of a name."""
    patient.install("torch", "2.8.0")
    patient.install("torch", "2.9.0")

    assert patient.codes()["duplicate-distribution"] is Level.BREAKS


def test_editable_install_names_its_commit(patient: Patient) -> None:
    """Origin and commit of what was not installed from an index are said."""
    origin = {
        "url": "https://github.com/verl-project/verl",
        "vcs_info": {"vcs": "git", "commit_id": "a" * 7},
        "dir_info": {"editable": True},
    }
    patient.install("verl", "0.9.0.dev0", direct_url=json.dumps(origin))

    details = [e.detail for e in find_advice(patient.inventory()) if e.code == "editable"]

    assert "https://github.com/verl-project/verl@aaaaaaa" in details[0]


@pytest.mark.parametrize("kept", ["loose", "packed"])
def test_editable_checkout_names_the_commit_it_is_at(
    patient: Patient, tmp_path: Path, kept: str
) -> None:
    """No commit is recorded for a local checkout, so it is read from there, without git."""
    source = tmp_path / "my verl"
    (source / ".git" / "refs" / "heads").mkdir(parents=True)
    (source / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    commit = "0123456789abcdef" * 2 + "01234567"
    if kept == "packed":
        (source / ".git" / "packed-refs").write_text(f"# pack-refs\n{commit} refs/heads/main\n")
    else:
        (source / ".git" / "refs" / "heads" / "main").write_text(f"{commit}\n")
    direct = {"url": source.as_uri(), "dir_info": {"editable": True}}
    patient.install("verl", "0.9.0.dev0", direct_url=json.dumps(direct))

    details = [e.detail for e in find_advice(patient.inventory()) if e.code == "editable"]

    assert "@0123456789ab;" in details[0]


def test_python_path_goes_before_the_environment(patient: Patient, tmp_path: Path) -> None:
    """What stands in PYTHONPATH is what is imported, and it is said."""
    patient.install("torch", "2.8.0")
    other = tmp_path / "other"
    (other / "torch-2.5.0.dist-info").mkdir(parents=True)
    (other / "torch-2.5.0.dist-info" / "METADATA").write_text("Name: torch\nVersion: 2.5.0\n\n")
    environ = {"PYTHONPATH": str(other)}

    inventory = patient.inventory(environ)

    assert str(inventory.facts.versions["torch"]) == "2.5.0"
    assert "python-path" in patient.codes(environ)


def test_nothing_of_the_environment_is_executed(patient: Patient, tmp_path: Path) -> None:
    """Neither .pth files nor sitecustomize nor packages of the patient run."""
    trap = tmp_path / "executed"
    code = f"open({str(trap)!r}, 'w')"
    (patient.site / "trap.pth").write_text(f"import os; {code}\n")
    (patient.site / "sitecustomize.py").write_text(code)
    (patient.site / "torch.py").write_text(code)
    patient.install("torch", "2.8.0")

    patient.codes({"PYTHONPATH": str(patient.site)})

    assert not trap.exists()


def test_interpreter_that_does_not_run_is_judged_by_its_folders(patient: Patient) -> None:
    """A broken Python still has metadata beside it."""
    patient.install("torch", "2.8.0")
    patient.python.unlink()
    patient.python.write_text("#!/nonexistent/python\n")
    patient.python.chmod(0o755)

    assert "torch" in patient.inventory().facts.versions


def test_missing_interpreter_is_an_error(tmp_path: Path) -> None:
    """A path without a Python is the caller's mistake."""
    with pytest.raises(InterpreterMissingError):
        read_inventory(tmp_path / "bin" / "python", environ={})


def test_no_output_holds_a_secret(patient: Patient) -> None:
    """Tokens, users in addresses and homes are hidden in all three forms."""
    origin = {"url": f"https://bob:{SECRET}@example.org/verl"}
    patient.install("verl", "0.9.1", direct_url=json.dumps(origin))
    environ = {
        "HF_TOKEN": SECRET, "WANDB_API_KEY": "k" * 40, "HF_HOME": "/home/bob/hf",
        "RAY_ADDRESS": "10.1.2.3:6379", "VLLM_API_KEY": "topsecret",
    }  # fmt: skip
    inventory = patient.inventory(environ)
    found = find_advice(inventory)

    forms = (
        render_text(inventory, found),
        render_markdown(inventory, found),
        json.dumps(render_values(inventory, found)),
    )

    for text in forms:
        assert not any(word in text for word in (SECRET, "kkkk", "bob", "10.1.2.3", "topsecret"))
        assert "HF_TOKEN" in text


def test_no_output_holds_a_secret_of_the_script(patient: Patient, tmp_path: Path) -> None:
    """Tokens on command lines and passwords in addresses are hidden in all three forms."""
    script = tmp_path / "train.sh"
    script.write_text(
        f"hf download Qwen/Qwen2.5-0.5B --token {SECRET}\n"
        "git clone https://bob:hunter2@127.0.0.1/repository\n"
        "python -m verl.trainer.main_ppo reward.url=http://bob:hunter2@127.0.0.1:9/score\n"
    )

    forms = patient.forms(script)

    assert "launch-downloads" in forms[0]
    assert not any(word in text for text in forms for word in (SECRET, "hunter2"))


def test_markdown_shows_what_was_hidden(patient: Patient) -> None:
    """A placeholder is no HTML tag, so a reader sees that something stood there."""
    inventory = patient.inventory({"HF_HOME": "/home/bob/<b>hf</b>|x"})

    text = render_markdown(inventory, find_advice(inventory))

    assert "| $HF_HOME | &lt;home>/&lt;b>hf&lt;/b>\\|x |" in text


def test_what_metadata_smuggles_in_is_rendered_inert(patient: Patient, tmp_path: Path) -> None:
    """Neither a version nor a script moves the cursor of who reads the findings."""
    patient.install("torch", "2.8.0\x1b[2J\x1b]0;owned\x07")
    patient.install("torch", "2.7.1")
    script = tmp_path / "train.sh"
    script.write_text("python -m verl.trainer.main_ppo data.train_files='/no\x1b[2Jsuch'\n")

    forms = patient.forms(script)

    assert "duplicate-distribution" in forms[0]
    assert "launch-file-missing" in forms[0]
    assert not any(character in text for text in forms for character in "\x1b\x07")


def test_each_gpu_is_shown_with_what_decides_its_kernels(patient: Patient) -> None:
    """Memory and compute capability stand in what is pasted into an issue."""
    inventory = patient.inventory()
    gpus = (Gpu(name="NVIDIA H200", memory_mib=143771, compute_capability="9.0"),)
    machine = dataclasses.replace(inventory.host.machine, gpus=gpus)
    host = dataclasses.replace(inventory.host, machine=machine, processes=-1)
    shown = render_markdown(dataclasses.replace(inventory, host=host), ())

    assert "| gpu 0 | NVIDIA H200, 143771 MiB, compute capability 9.0 |" in shown
    assert "| processes | unlimited |" in shown


def test_judging_a_large_environment_takes_less_than_a_second(patient: Patient) -> None:
    """Two hundred and fifty distributions of ten kilobytes of metadata are read at once."""
    for number in range(250):
        requires = [f"dependency-{n}>=1; python_version > '3.8'" for n in range(40)]
        patient.install(f"filler-{number}", "1.0", *requires)
    patient.install("vllm", "0.11.0", *[f"filler-{n}>=1" for n in range(60)])

    started = time.perf_counter()
    find_advice(patient.inventory())

    assert time.perf_counter() - started < 2.0  # the figure itself is measured by the bench


@pytest.mark.parametrize(
    ("files", "own", "mib"),
    [
        ({"memory.max": "max"}, "0::/", None),
        ({"memory.max": "8589934592"}, "0::/", 8192),
        ({"job/memory.max": "4294967296", "job/step/memory.max": "max"}, "0::/job/step", 4096),
        ({"memory/slurm/memory.limit_in_bytes": "1073741824"}, "3:cpu:/x\n5:memory:/slurm", 1024),
        ({"memory/memory.limit_in_bytes": str(2**63 - 4096)}, "", None),
        ({"memory.max": "8589934592"}, "0::/../../escape\nnonsense", 8192),
    ],
)
def test_memory_limit_is_that_of_the_narrowest_group(
    tmp_path: Path, files: dict[str, str], own: str, mib: int | None
) -> None:
    """Container, job and step are asked, in both versions of control groups."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "own").write_text(own)

    assert cgroup_memory(root=tmp_path, own=tmp_path / "own") == mib


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_is_wrong_comes_with_a_remedy(patient: Patient, fault: str) -> None:
    """No finding leaves a person alone at two in the morning."""
    distributions, environ, _ = FAULTS[fault]
    for name, version in distributions:
        patient.install(name, version, "torch==0.1")

    wrong = [
        each
        for each in find_advice(patient.inventory(environ))
        if each.level in {Level.BREAKS, Level.RISK}
    ]

    assert wrong
    assert [each.code for each in wrong if not each.remedies] == []


AUDITED = """
import json, sys
started = []
def hook(event, words):
    if event in {"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.spawn"}:
        started.append([event, str(words[0])])
sys.addaudithook(hook)
from pytest_verlcompat.cli import main
main(["doctor", "--python", sys.argv[1]])
print(json.dumps(started))
"""


def test_no_shell_and_no_tool_is_needed(patient: Patient) -> None:
    """In a container with a Python and nothing else the doctor works as elsewhere."""
    patient.install("torch", "2.8.0")

    ended = subprocess.run(
        [sys.executable, "-c", AUDITED, patient.python],
        env={"PYTHONPATH": str(Path.cwd()), "PATH": "/nonexistent", "HOME": str(patient.site)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    started = json.loads(ended.stdout.splitlines()[-1])
    assert {event for event, _ in started} <= {"subprocess.Popen", "os.posix_spawn"}
    assert {Path(program).name for _, program in started} <= {"python", Path(sys.executable).name}


@pytest.mark.parametrize(
    ("printed", "devices"),
    [
        ("NVIDIA H100 80GB HBM3, 81559, 9.0, 550.54.15", [["NVIDIA H100 80GB HBM3", 81559, 9, 0]]),
        ("Failed to initialize NVML: Driver/library version mismatch", None),
        ("NVIDIA A100, [N/A], 8.0, 550.54.15", None),
    ],
)
def test_gpus_are_asked_of_nvidia_smi_where_the_library_is_mute(
    tmp_path: Path, printed: str, devices: list[object] | None
) -> None:
    """What it prints is read, and what it prints instead is no GPU."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{printed}'\n")
    program.chmod(0o755)

    reply = ask_smi({"PATH": str(tmp_path)})

    assert reply.get("devices") == devices


def test_examinations_are_found_by_their_names() -> None:
    """A further examination is a further file."""
    assert {"examine_catalogue", "examine_host", "examine_packages"} <= set(examinations())


def test_command_imports_none_of_the_stack(patient: Patient) -> None:
    """The doctor works where torch is broken or absent, as a process of its own."""
    for name in ("torch", "verl", "ray", "numpy"):
        (patient.site / f"{name}.py").write_text("raise SystemExit(99)")
    patient.install("torch", "2.8.0")

    ended = subprocess.run(
        [sys.executable, "-m", "pytest_verlcompat.cli", "doctor", "--json",
         "--python", patient.python],
        env={**os.environ, "PYTHONPATH": f"{patient.site}:{Path.cwd()}"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert ended.returncode in {0, 1}, ended.stderr
    assert json.loads(ended.stdout)["distributions"]["torch"]["version"] == "2.8.0"


LAUNCH = """\
set -x
DATA=/nonexistent/gsm8k
export VLLM_USE_V1=0
VLLM_ATTENTION_BACKEND=XFORMERS python3 -m verl.trainer.main_ppo \\
    data.train_files="['$DATA/train.parquet']" \\
    actor_rollout_ref.model.path=Qwen/Qwen2.5-0.5B-Instruct \\
    trainer.logger='["console","wandb"]' \\
    +actor_rollout_ref.rollout.multi_turn.tool_config_path=${TOOLS:-/nonexistent/tools.yaml} \\
    reward.url=http://127.0.0.1:9/score \\
    trainer.n_gpus_per_node=8 $@
"""


def _judge_launch(patient: Patient, script: Path, environ: Mapping[str, str]) -> list[Advice]:
    launch = read_launch(script, environ=environ)
    inventory = read_inventory(patient.python, environ=environ, launch=launch)
    return list(find_advice(inventory))


def test_launch_script_is_judged_without_being_run(patient: Patient, tmp_path: Path) -> None:
    """Files, model, tracker, server and exported variables of the script are looked at."""
    patient.install("verl", "0.5.0")
    patient.install("vllm", "0.8.5")
    script = tmp_path / "train.sh"
    script.write_text(LAUNCH)

    found = _judge_launch(patient, script, {"HOME": str(tmp_path)})

    details = [each.detail for each in found if each.code == "launch-file-missing"]
    assert sorted(details) == ["/nonexistent/gsm8k/train.parquet", "/nonexistent/tools.yaml"]
    assert {"launch-model", "launch-server", "VC138", "VC088"} <= {each.code for each in found}


def test_launch_script_that_has_everything_is_not_accused(patient: Patient, tmp_path: Path) -> None:
    """Files that are there and a tracker in offline mode are fine."""
    data = tmp_path / "train.parquet"
    data.write_text("x")
    script = tmp_path / "train.sh"
    script.write_text(
        f"export WANDB_MODE=offline\npython -m verl.trainer.main_ppo data.train_files={data} "
        f"actor_rollout_ref.model.path={tmp_path} trainer.logger=wandb\n"
    )

    found = _judge_launch(patient, script, {})

    bad = [each for each in found if each.level in {Level.BREAKS, Level.RISK}]
    assert not [each for each in bad if each.code.startswith("launch") or each.code == "VC138"]


def test_reward_function_that_its_file_lacks_is_found(patient: Patient, tmp_path: Path) -> None:
    """The file is read, not imported; the name verl looks for by itself is known."""
    rewards = tmp_path / "rewards.py"
    rewards.write_text("raise SystemExit\ndef score(*words): return 1.0\n")
    script = tmp_path / "train.sh"
    script.write_text(f"python -m verl.trainer.main_ppo custom_reward_function.path={rewards}\n")

    wrong = _judge_launch(patient, script, {})
    script.write_text(f"{script.read_text().strip()} custom_reward_function.name=score\n")

    (said,) = [each for each in wrong if each.code == "launch-reward-function"]
    assert said.remedies == ("custom_reward_function.name=score",)
    codes = {each.code for each in _judge_launch(patient, script, {})}
    assert "launch-reward-function" not in codes


def test_server_of_a_tool_configuration_is_asked(patient: Patient, tmp_path: Path) -> None:
    """Addresses inside the YAML of tools count as those of options."""
    tools = tmp_path / "tools.yaml"
    script = tmp_path / "train.sh"
    key = "actor_rollout_ref.rollout.multi_turn.tool_config_path"
    script.write_text(f"python -m verl.trainer.main_ppo {key}={tools}\n")
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler
    ) as s:
        threading.Thread(target=s.serve_forever, daemon=True).start()
        tools.write_text(f"tools:\n- config: {{url: 'http://127.0.0.1:{s.server_port}/none'}}\n")
        answered = {each.code for each in _judge_launch(patient, script, {})}
        s.shutdown()

    silent = {each.code for each in _judge_launch(patient, script, {})}

    assert "launch-servers-answer" in answered
    assert "launch-server" in silent


@pytest.mark.parametrize(
    ("versions", "line", "code"),
    [
        ({"huggingface-hub": "1.4.0"}, "huggingface-cli download x", "VC140"),
        ({"verl": "0.6.1"}, "python -m verl.trainer.main_ppo data.trust_remote_code=True", "VC161"),
        (
            {"verl": "0.8.0", "vllm": "0.20.0"},
            (
                "python -m verl.trainer.main_ppo "
                "actor_rollout_ref.rollout.enable_rollout_routing_replay=True"
            ),
            "VC164",
        ),
        ({"verl": "0.7.0", "ray": "2.50.0"}, "export UV_RUN_RECURSION_DEPTH=1", "VC108"),
    ],
)
def test_rule_over_the_script_is_seen_with_the_script_alone(
    patient: Patient, tmp_path: Path, versions: dict[str, str], line: str, code: str
) -> None:
    """Options and commands of the script are facts like versions and variables."""
    for name, version in versions.items():
        patient.install(name, version)
    script = tmp_path / "train.sh"
    script.write_text(f"{line}\n")

    assert code in {each.code for each in _judge_launch(patient, script, {})}
    assert code not in patient.codes()


CONFIG = """\
defaults: [_self_]
actor_rollout_ref: {rollout: {n: 1, engine_kwargs: {}}}
trainer: {n_gpus_per_node: 8, nnodes: 1, total_epochs: 30}
"""
MAIN = """\
import hydra
@hydra.main(config_path="config", config_name="ppo_trainer", version_base=None)
def main(config): ...
"""


def test_overrides_are_judged_by_the_verl_that_is_installed(
    patient: Patient, tmp_path: Path
) -> None:
    """What Hydra would refuse is said with the known failure it ends in."""
    patient.install("verl", "0.6.1")
    for name, text in {
        "__init__.py": "", "trainer/__init__.py": "", "trainer/main_ppo.py": MAIN,
        "trainer/config/ppo_trainer.yaml": CONFIG,
    }.items():  # fmt: skip
        path = patient.site / "verl" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    script = tmp_path / "train.sh"
    command = "python -m verl.trainer.main_ppo"
    script.write_text(f"{command} +trainer.nnodes=1 trainer.nosuch=3\n")

    refused = [e for e in _judge_launch(patient, script, {}) if e.code in {"VC128", "VC129"}]
    script.write_text(f"{command} trainer.nnodes=1\n")

    assert {each.code for each in refused} == {"VC128", "VC129"}
    assert "train.sh:1" in refused[0].detail
    assert "launch-options" in {each.code for each in _judge_launch(patient, script, {})}


def test_steps_that_download_are_listed(patient: Patient, tmp_path: Path) -> None:
    """A risk where there is a network, a failure where the hub is switched off."""
    script = tmp_path / "train.sh"
    script.write_text(
        "MODEL=Qwen/Qwen2.5-0.5B\nhf download $MODEL\npip install -U vllm\necho done\n"
    )

    (risk,) = [e for e in _judge_launch(patient, script, {}) if e.code == "launch-downloads"]
    offline = _judge_launch(patient, script, {"HF_HUB_OFFLINE": "1"})

    assert risk.detail == "hf download Qwen/Qwen2.5-0.5B; pip install -U vllm"
    assert [e.level for e in offline if e.code == "launch-downloads"] == [Level.BREAKS]


def test_launch_script_with_an_open_quote_is_refused(tmp_path: Path) -> None:
    """A script the shell would refuse is refused with its place."""
    script = tmp_path / "train.sh"
    script.write_text("echo ok\npython -m x 'open\n")

    with pytest.raises(SourceSyntaxError, match="command 2"):
        read_launch(script, environ={})


def test_exit_status_says_whether_something_breaks(
    patient: Patient, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 where something will break, 0 where nothing does."""
    patient.install("setuptools", "82.0.0")
    fine = main(["doctor", "--python", str(patient.python)])
    patient.install("tensorboard", "2.20.0")

    assert (fine, main(["doctor", "--python", str(patient.python), "--markdown"])) == (0, 1)
    assert "VC126" in capsys.readouterr().out
