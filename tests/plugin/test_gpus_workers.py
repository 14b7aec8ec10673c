"""GPUs under pytest-xdist: shared by the workers, merged by the controller."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from pytest_verlcompat.plugin.gpus import count_workers
from pytest_verlcompat.probes import registry
from tests.fake_nvml import FakeNvml, install_fake_nvml

pytest.importorskip("xdist")

CONFTEST = """
from pathlib import Path
from pytest_verlcompat.probes import registry
registry.SCRIPTS = Path({folder!r})
"""
PROBE = '''
"""Note when it ran, and where."""

import os
import time

TITLE = "takes its time on a GPU"
RUNG = "gpu"
DISTRIBUTIONS = ("pytest",)
GPUS = {gpus}
TIMEOUT_S = 60.0


def probe(request):
    started = time.time()
    time.sleep(0.5)
    return {{
        "devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "started": started,
        "ended": time.time(),
    }}
'''


@pytest.fixture
def nvml(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    """Return a fake library for pytest in a process of its own."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return install_fake_nvml(pytester.path, monkeypatch)


def add_probes(
    pytester: pytest.Pytester, *gpus: int, patch: pytest.MonkeyPatch | None = None
) -> None:
    """Make ``--verlcompat`` run one probe a number, on so many GPUs.

    Args:
        patch: Do it in this process, and not in those pytest starts.
    """
    folder = pytester.mkdir("probes")
    for number, count in enumerate(gpus):
        (folder / f"number_{number}.py").write_text(PROBE.format(gpus=count), encoding="utf-8")
    if patch is None:
        pytester.makeconftest(CONFTEST.format(folder=str(folder)))
    else:
        patch.setattr(registry, "SCRIPTS", folder)


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    """Return how ``pytest --verlcompat`` ended, with evidence in a file."""
    return pytester.runpytest_subprocess(
        *plugin_words(), "--verlcompat", "--verlcompat-evidence=e.jsonl", *words
    )


def plugin_words() -> tuple[str, ...]:
    """Return the words that load the plugin where it is not installed."""
    installed = any(each.name == "verlcompat" for each in entry_points(group="pytest11"))
    return () if installed else ("-p", "pytest_verlcompat.plugin")


def records(folder: Path) -> list[dict[str, Any]]:
    """Return the evidence the controller wrote."""
    lines = (folder / "e.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_workers_never_share_a_device(pytester: pytest.Pytester, nvml: FakeNvml) -> None:
    """Probes that ran at the same time ran on different GPUs, pairs on pairs; all are recorded."""
    nvml.gpus(0, 0)
    add_probes(pytester, 1, 2, 1, 2)
    result = run(pytester, "-n", "2")
    ran = [each["facts"] for each in records(pytester.path)]

    result.assert_outcomes(passed=4)
    assert sorted(len(facts["devices"].split(",")) for facts in ran) == [1, 1, 2, 2]
    for number, one in enumerate(ran):
        for other in ran[number + 1 :]:
            overlap = one["started"] < other["ended"] and other["started"] < one["ended"]
            shared = set(one["devices"].split(",")) & set(other["devices"].split(","))
            assert not (overlap and shared), (one, other)


def test_auto_is_one_worker_a_free_gpu(
    pytester: pytest.Pytester, nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``-n auto`` starts as many workers as there are visible GPUs that nobody uses."""
    nvml.gpus(0, 9000, 0, 0, 0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,2,1,0")
    add_probes(pytester, 1, 1, 1, 1)
    result = run(pytester, "-n", "auto")
    devices = {each["facts"]["devices"] for each in records(pytester.path)}

    result.stdout.fnmatch_lines(["*3 workers*"])
    result.assert_outcomes(passed=4)
    assert devices == {"0", "2", "3"}


@pytest.mark.parametrize(
    ("probes", "used_mib", "words", "expected"),
    [
        ((1,), (0, 0, 0), ("-n", "auto"), 3),
        ((1,), (0, 9000), ("-n", "auto"), 1),
        ((1,), (9000, 9000), ("-n", "auto"), None),  # none is free
        ((0,), (0, 0, 0), ("-n", "auto"), None),  # no probe needs one
        ((1, 0), (0, 0, 0), ("-n", "auto", "--verlcompat-probe=number_1"), None),
        ((1,), (0, 0, 0), ("-n", "auto", "--verlcompat-probe=absent"), None),
        ((1,), (0, 0, 0), ("-n", "logical"), None),
        ((1,), (0, 9000), ("-n", "auto", "--verlcompat-gpu-floor-mib=9000"), 2),
    ],
)
def test_workers_are_counted_only_where_gpus_decide(
    pytester: pytest.Pytester,
    nvml: FakeNvml,
    monkeypatch: pytest.MonkeyPatch,
    probes: tuple[int, ...],
    used_mib: tuple[int, ...],
    words: tuple[str, ...],
    expected: int | None,
) -> None:
    """One worker a free GPU if a probe of this run needs one; else xdist answers as ever."""
    nvml.gpus(*used_mib)
    add_probes(pytester, *probes, patch=monkeypatch)
    config = pytester.parseconfig(*plugin_words(), "--verlcompat", *words)

    assert count_workers(config) == expected


def test_number_in_the_environment_counts_for_more(
    pytester: pytest.Pytester, nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYTEST_XDIST_AUTO_NUM_WORKERS keeps its meaning."""
    nvml.gpus(0, 0, 0)
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "1")
    add_probes(pytester, 1, patch=monkeypatch)

    assert count_workers(pytester.parseconfig(*plugin_words(), "--verlcompat", "-nauto")) is None


def test_skip_names_what_is_missing(
    pytester: pytest.Pytester, nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with too little, the skip says what is needed, what is there and who uses it."""
    nvml.gpus(12288, 0)
    add_probes(pytester, 2, patch=monkeypatch)
    result = pytester.runpytest_inprocess(*plugin_words(), "--verlcompat", "-pno:xdist", "-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*2 free GPUs; visible: 2 (GPU 0: 12.0 GiB used by others)*"])
