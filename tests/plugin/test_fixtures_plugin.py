"""The fixtures, over small stand-ins for a stack; the real one is in test_fixtures_stack."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.fake_nvml import install_fake_nvml

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import Project

COUNTED = """
import os
with open({file!r}, "a") as file:
    file.write("x")
return {{"ran": True}}
"""


@pytest.mark.parametrize("way", [(), ("-n", "3"), ("--verlcompat", "-n", "2")], ids=" ".join)
def test_probe_runs_once_a_session(project: Project, tmp_path: Path, way: tuple[str, ...]) -> None:
    """Over all tests and all workers, and with the items of ``--verlcompat`` too."""
    project.write_probe("counted", COUNTED.format(file=str(tmp_path / "count")))
    project.pytester.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("number", range(6))
        def test_own(verlcompat, number):
            assert verlcompat.probe("counted").passed
            assert verlcompat.probe("counted").facts["ran"] is True
            assert verlcompat.rungs["cpu"] == "passed"
            assert verlcompat.rungs["gpu"] == "untested"
        """
    )

    result = project.run(*way)

    assert result.ret == 0
    assert (tmp_path / "count").read_text() == "x"


def test_nothing_is_left_when_the_session_ends(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that workers share is removed by the process that started them."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    project.pytester.makepyfile("def test_own(verlcompat): verlcompat.probe('engine')")

    for way in ((), ("-n", "2")):
        project.run(*way).assert_outcomes(passed=1)

        assert [path.name for path in scratch.iterdir() if "pytest-of" not in path.name] == []


def test_probe_says_why(project: Project) -> None:
    """A failure has its cause, a lack of the host its name, a mistake the nearest name."""
    project.write_probe("broken", "raise ValueError('no')")
    project.write_probe("far", "return {'lacks': ['a GPU']}")
    project.pytester.makepyfile(
        """
        import pytest
        from pytest_verlcompat.errors import UsageError
        def test_failure(verlcompat):
            result = verlcompat.probe("broken")
            assert (result.passed, result.skipped, result.why) == (False, False, "ValueError: no")
        def test_lack(verlcompat):
            result = verlcompat.probe("far")
            assert (result.passed, result.skipped, result.why) == (False, True, "host lacks a GPU")
        def test_mistake(verlcompat):
            with pytest.raises(UsageError, match="no probe 'brokn'; nearest: broken"):
                verlcompat.probe("brokn")
        """
    )

    project.run().assert_outcomes(passed=3)


def test_require_skips_with_what_is_missing(project: Project) -> None:
    """The reason stands at the line of the test that asked."""
    project.pytester.makepyfile(
        "def test_own(verlcompat):\n    verlcompat.require('alpha>=2', 'beta')\n"
    )

    result = project.run("-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED*_missing.py:2: needs alpha>=2 (installed: 1.0); beta (not installed)"]
    )


GPU = """
import os, time
def test_one(verl_gpu):
    assert verl_gpu.count == 1
    assert os.environ["CUDA_VISIBLE_DEVICES"] == verl_gpu.visible_devices
    time.sleep(0.5)
def test_two(verl_gpus):
    assert verl_gpus(2).labels == ("GPU 0", "GPU 1")
def test_none(): assert "CUDA_VISIBLE_DEVICES" not in os.environ
"""


@pytest.mark.parametrize("way", [(), ("-n", "2")], ids=["alone", "workers"])
def test_assigned_devices_are_visible_alone_and_for_a_while(
    project: Project, monkeypatch: pytest.MonkeyPatch, way: tuple[str, ...]
) -> None:
    """The variable is set while the test runs and as before after it."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    install_fake_nvml(project.pytester.path, monkeypatch).gpus(0, 0)
    project.pytester.makepyfile(GPU)

    project.run(*way).assert_outcomes(passed=3)


def test_fixture_without_a_gpu_skips_with_what_is_there(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU that others use is named with what they use."""
    install_fake_nvml(project.pytester.path, monkeypatch).gpus(12288)
    project.pytester.makepyfile(GPU)

    result = project.run("-rs")

    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["*needs 1 free GPU; visible: 1 (GPU 0: 12.0 GiB used by others)"])


HOLD = """
import time, pathlib
def test_own(verl_gpu):
    note, release = pathlib.Path({note!r}), pathlib.Path({release!r})
    assert not note.exists()
    note.touch()
    while not release.exists(): time.sleep(0.1)
    note.unlink()
"""


def test_two_sessions_share_one_gpu_one_after_the_other(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits for the first; one that may not wait is skipped and says who holds it."""
    install_fake_nvml(project.pytester.path, monkeypatch).gpus(0)
    note, release = tmp_path / "note", tmp_path / "release"
    project.pytester.makepyfile(HOLD.format(note=str(note), release=str(release)))
    first = project.popen()
    while not note.exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    hasty = project.run("-rs", "-o", "cache_dir=other", "-c", project.write_ini("gpu_wait_s = 0"))
    (project.pytester.path / "pyproject.toml").unlink()
    second = project.popen("-o", "cache_dir=another")
    release.touch()
    ended = [each.communicate(timeout=100)[0] for each in (first, second)]

    assert (first.returncode, second.returncode) == (0, 0), ended
    hasty.assert_outcomes(skipped=1)
    hasty.stdout.fnmatch_lines(["*needs 1 free GPU; visible: 1 (GPU 0: held by other probes*"])


TORCH = """
class cuda:
    opened = False
    @classmethod
    def is_initialized(cls): return cls.opened
    @staticmethod
    def empty_cache(): pass
"""


@pytest.mark.parametrize("opened", ["False", "True"])
def test_conftest_that_imports_torch_before_us(
    project: Project, monkeypatch: pytest.MonkeyPatch, opened: str
) -> None:
    """Probes do not notice; devices can be assigned until CUDA is open, and then it is said."""
    install_fake_nvml(project.pytester.path, monkeypatch).gpus(0)
    project.install("torch", "2.8.0")
    (project.site / "torch.py").write_text(TORCH)
    project.append_conftest(f"import torch\ntorch.cuda.opened = {opened}")
    project.pytester.makepyfile("def test_own(verl_gpu): pass")

    result = project.run("--verlcompat", "--verlcompat-probe=engine")

    if opened == "True":
        result.assert_outcomes(passed=1, errors=1)
        result.stdout.fnmatch_lines(["*UsageError: torch has opened CUDA in this process*"])
    else:
        result.assert_outcomes(passed=2)


def test_conftest_that_imports_a_broken_torch(project: Project) -> None:
    """Pytest ends before anything is judged, and we say how to judge all the same."""
    project.install("torch", "2.8.0")
    (project.site / "torch.py").write_text("raise ImportError('libtorch.so: cannot open')\n")
    project.append_conftest("import torch")

    asked, idle = project.run("--verlcompat"), project.run()

    assert "libtorch.so: cannot open" in asked.stderr.str()
    assert "pytest --noconftest --verlcompat" in asked.stderr.str()
    assert "verlcompat: " not in idle.stderr.str()


VLLM = """
import os
class SamplingParams:
    def __init__(self, **settings): self.__dict__.update(settings)
class Row:
    logprob = -0.5
class Output:
    def __init__(self, count): self.token_ids, self.logprobs = [7] * count, [{7: Row}] * count
class Answer:
    def __init__(self, count): self.outputs = [Output(count)]
class Core:
    def shutdown(self): open(os.environ["VLLM_NOTE"], "w").close()
class Engine:
    engine_core = Core()
class LLM:
    def __init__(self, **settings):
        if os.environ.get("VLLM_BROKEN"): raise RuntimeError("cannot start")
        self.llm_engine, self.settings = Engine(), settings
        self.devices = os.environ["CUDA_VISIBLE_DEVICES"]
        assert os.path.isdir(settings["model"])
    def generate(self, requests, parameters, use_tqdm):
        return [Answer(each.max_tokens) for each in parameters]
"""
MODEL = """
import pytest
from pytest_verlcompat.plugin.tiny import TinyModel
@pytest.fixture(scope="session")
def tiny_qwen3(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    return lambda: TinyModel(path=folder, architecture="Qwen3ForCausalLM", parameters=1)
"""


@pytest.fixture
def engine_project(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project with a stand-in for vLLM and one GPU."""
    install_fake_nvml(project.pytester.path, monkeypatch).gpus(0)
    monkeypatch.setenv("VLLM_NOTE", str(tmp_path / "shut"))
    for name, version, source in (("vllm", "0.11.0", VLLM), ("torch", "2.8.0", TORCH)):
        project.install(name, version)
        (project.site / name).mkdir()
        (project.site / name / "__init__.py").write_text(source)
        (project.site / f"{name}-{version}.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
    (project.site / "vllm" / "engine").mkdir()
    (project.site / "vllm" / "engine" / "arg_utils.py").write_text("logprobs_mode = None\n")
    project.append_conftest(MODEL)
    return project


def test_engine_answers_and_is_shut_down(engine_project: Project, tmp_path: Path) -> None:
    """It runs in a process of its own on a device of its own, which a test of it may share."""
    engine_project.pytester.makepyfile(
        """
        import sys
        def test_own(engine, verl_gpu):
            assert (engine.name, engine.version) == ("vllm", "0.11.0")
            (one, two) = engine.generate([[1, 2], [3]], tokens=3)
            assert (one.tokens, one.logprobs) == ((7, 7, 7), (-0.5, -0.5, -0.5))
            assert verl_gpu.visible_devices == "0"
            assert "vllm" not in sys.modules
        """
    )

    engine_project.run().assert_outcomes(passed=1)
    assert (tmp_path / "shut").exists()


def test_engine_that_cannot_start_says_why(
    engine_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is the stack's own, with its place."""
    monkeypatch.setenv("VLLM_BROKEN", "1")
    engine_project.pytester.makepyfile("def test_own(engine): pass")

    result = engine_project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*StackError: engine: RuntimeError: cannot start", "*vllm/__init__.py:*"]
    )


def test_engine_without_an_engine_skips(project: Project) -> None:
    """Nothing is started, not even a model."""
    project.pytester.makepyfile("def test_own(engine): pass")

    result = project.run("-rs")

    result.stdout.fnmatch_lines(["SKIPPED*needs vllm or sglang (not installed)"])


def test_event_loop_policies_are_put_back(project: Project) -> None:
    """Each policy is in force for one test, with no loop set; uvloop skips where it is not."""
    (project.site / "uvloop.py").write_text(
        "import asyncio\nclass EventLoopPolicy(asyncio.DefaultEventLoopPolicy): pass\n"
    )
    project.pytester.makepyfile(
        """
        import asyncio
        before = asyncio.get_event_loop_policy()
        seen = []
        def test_own(event_loop_policy_matrix):
            assert asyncio.get_event_loop_policy() is event_loop_policy_matrix
            seen.append(type(event_loop_policy_matrix).__module__)
        def test_after():
            assert asyncio.get_event_loop_policy() is before
            assert seen[1:] == ["uvloop"]
        """
    )

    project.run().assert_outcomes(passed=3)


def test_fixtures_are_listed_with_what_they_return(project: Project) -> None:
    """``pytest --fixtures`` is where people look."""
    result = project.run("--fixtures")

    listed = set(
        re.findall(
            r"^(\w+)(?: \[\w+ scope\])? -- .*fixtures\.py", result.stdout.str(), re.MULTILINE
        )
    )
    assert listed >= {
        "verlcompat", "verl_cell", "verl_gpu", "verl_gpus", "tiny_qwen3", "tiny_grpo",
        "gsm8k_like", "engine", "ray_cluster", "event_loop_policy_matrix",
    }  # fmt: skip
    assert "no docstring available" not in result.stdout.str()
