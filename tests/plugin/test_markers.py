"""``verl_requires`` and ``verl_xfail``: what they skip, expect and refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.process.gpu_lease import GpuPool
from tests.fake_nvml import install_fake_nvml

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

WAYS = pytest.mark.parametrize("way", [(), ("-n", "2")], ids=["alone", "workers"])

ENTRY = """
id = "{id}"
title = "Alpha cannot be opened"
stage = "import"
cause = "It is closed."
verified = "report"
[[signature]]
contains = ['alpha is closed']
pattern = 'RuntimeError: alpha is closed'
[[affected]]
alpha = "{affected}"
[[remedy]]
do = "open it"
cost = "none"
[precheck]
note = "Look."
[[source]]
url = "index:alpha==1.0"
date = "2026-11-20"
"""


@pytest.mark.parametrize(
    ("marker", "reason"),
    [
        ("'alpha>=2'", "needs alpha>=2 (installed: 1.0)"),
        ("'beta', 'alpha<1'", "needs beta (not installed); alpha<1 (installed: 1.0)"),
        ("'alpha>=1', gpus=2", "needs 2 free GPUs; visible: 1"),
        ("probe='broken'", "needs probe broken (failed: ValueError: no)"),
    ],
)
def test_skip_names_exactly_what_is_missing(
    project: Project, monkeypatch: pytest.MonkeyPatch, marker: str, reason: str
) -> None:
    """The reason can be acted on without looking further, and stands at the test."""
    install_fake_nvml(project.pytester.path, monkeypatch).gpus(0)
    project.write_probe("broken", "raise ValueError('no')")
    project.pytester.makepyfile(
        f"import pytest\n@pytest.mark.verl_requires({marker})\ndef test_own(): raise SystemError"
    )

    result = project.run("-rs")

    result.assert_outcomes(skipped=1)
    assert f"test_skip_names_exactly_what_is_missing.py:2: {reason}" in result.stdout.str()


def test_gpu_of_another_session_is_not_there(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one session holds another skips for, or gets the next one; it is shown to the test."""
    install_fake_nvml(project.pytester.path, monkeypatch).gpus(0, 0)
    ini = project.write_ini("gpu_wait_s = 0")
    project.pytester.makepyfile(
        """
        import os, pytest
        @pytest.mark.verl_requires(gpus=1)
        def test_one(): assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        @pytest.mark.verl_requires(gpus=1)
        def test_more(verl_gpus): assert verl_gpus(2)
        @pytest.mark.verl_requires(gpus=2)
        def test_two(): raise SystemError
        def test_after(): assert "CUDA_VISIBLE_DEVICES" not in os.environ
        """
    )

    with GpuPool().borrow(1):
        beside = project.run("-rs", "-c", ini)
    with GpuPool().borrow(2):
        without = project.run("-rs", "-c", ini)

    beside.assert_outcomes(passed=2, skipped=2)
    without.assert_outcomes(passed=1, skipped=3)
    beside.stdout.fnmatch_lines(
        ["SKIPPED*2 free GPUs; visible: 2 (GPU 0: held by other probes for 0 s)"]
    )
    without.stdout.fnmatch_lines(["SKIPPED*1 free GPU; visible: 2 (GPU 0: held by other*"])


def test_marked_test_runs_though_cuda_is_open_already(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conftest that opened CUDA before us is left what it sees; the GPU is held all the same."""
    install_fake_nvml(project.pytester.path, monkeypatch).gpus(0)
    ini = project.write_ini("gpu_wait_s = 0")
    project.append_conftest(
        "import sys, types\n"
        "opened = types.SimpleNamespace(is_initialized=lambda: True)\n"
        "sys.modules['torch'] = types.SimpleNamespace(cuda=opened)\n"
    )
    project.pytester.makepyfile(
        """
        import os, pytest
        @pytest.mark.verl_requires(gpus=1)
        def test_own(): assert "CUDA_VISIBLE_DEVICES" not in os.environ
        """
    )

    alone = project.run("-c", ini)
    with GpuPool().borrow(1):
        beside = project.run("-c", ini)

    alone.assert_outcomes(passed=1)
    beside.assert_outcomes(skipped=1)


def test_gpu_of_a_marker_stays_with_what_outlives_the_test(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fixture of the module that shared the GPU of a test keeps it from others after that."""
    install_fake_nvml(project.pytester.path, monkeypatch).gpus(0)
    project.pytester.makepyfile(
        """
        import pytest
        from pytest_verlcompat.plugin.session_state import session_state
        from pytest_verlcompat.process.gpu_lease import GpuPool, Lack
        def is_free():
            with GpuPool(wait_s=0).borrow(1) as found:
                return not isinstance(found, Lack)
        @pytest.fixture(scope="module")
        def held(request):
            with session_state(request.config).devices.borrow(1):
                yield
        @pytest.mark.verl_requires(gpus=1)
        def test_marked(held): pass
        def test_after(): assert not is_free()
        """
    )
    project.pytester.makepyfile(
        test_last="from test_gpu_of_a_marker_stays_with_what_outlives_the_test import is_free\n"
        "def test_end(): assert is_free()"
    )

    project.run().assert_outcomes(passed=3)


def test_test_whose_needs_are_met_runs(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions, devices, a probe and markers of class and module count together."""
    install_fake_nvml(project.pytester.path, monkeypatch).gpus(0, 0)
    project.pytester.makepyfile(
        """
        import pytest
        pytestmark = pytest.mark.verl_requires("alpha>=0.5,<2", gpus=2)
        @pytest.mark.verl_requires("alpha", probe="engine", rung="gpu")
        class TestAll:
            def test_own(self): pass
        """
    )

    result = project.run()

    result.assert_outcomes(passed=1)


def test_rung_that_failed_in_this_session_skips(project: Project) -> None:
    """What the probes found before counts; what nobody tried does not stop a test."""
    project.write_probe("broken", "raise ValueError('no')")
    project.pytester.makepyfile(
        """
        import pytest
        @pytest.mark.verl_requires(rung="cpu")
        def test_upper(): pass
        @pytest.mark.verl_requires(rung="loads")
        def test_lower(): pass
        """
    )

    judged, alone = project.run("--verlcompat", "-rs"), project.run()

    judged.assert_outcomes(passed=2, failed=1, skipped=1)
    assert "needs rung cpu (broken failed: ValueError: no)" in judged.stdout.str()
    alone.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("verl_xfail('VC31')", "no known failure 'VC31'; nearest: VC031"),
        ("verl_xfail()", "name one known failure"),
        ("verl_xfail('VC031', strikt=1)", "unknown argument 'strikt'; did you mean 'strict'?"),
        ("verl_requires(probe='enigne')", "no probe 'enigne'; nearest: engine"),
        ("verl_requires('alpha>=2', 'alpha<1')", "the requirements contradict"),
        ("verl_requires('alpha=>2')", "'alpha=>2' is no requirement; write"),
        ("verl_requires(rung='gpus')", "no rung 'gpus'; nearest: gpu."),
        ("verl_requires(gpus='one')", "gpus is 'one'; write a number"),
    ],
)
def test_mistake_in_a_marker_ends_the_run(project: Project, marker: str, said: str) -> None:
    """A usage error names the test, what was found and the nearest there is; nothing is run."""
    project.pytester.makepyfile(
        f"import pytest\n@pytest.mark.{marker}\ndef test_own(): print('it ran')"
    )

    result = project.run("-s")

    text = result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in text
    assert "::test_own: " in text
    assert "it ran" not in result.stdout.str()


def test_mistake_in_a_worker_ends_that_test(project: Project) -> None:
    """A worker cannot end the run; the test is an error that says the same, others run."""
    project.pytester.makepyfile(
        """
        import pytest
        @pytest.mark.verl_xfail("VC31")
        def test_own(): pass
        def test_other(): pass
        """
    )

    result = project.run("-n", "2")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*::test_own: verl_xfail: no known failure 'VC31'; nearest: *"])


XFAIL = """
import pytest
@pytest.mark.verl_xfail("OWN001")
def test_known(): raise RuntimeError("alpha is closed")
@pytest.mark.verl_xfail("OWN001")
def test_other(): raise RuntimeError("alpha is gone")
@pytest.mark.verl_xfail("OWN001")
def test_fixed(): pass
@pytest.mark.verl_xfail("OWN001", strict=False)
def test_fixed_maybe(): pass
"""


def write_entry(project: Project, *, affected: str = ">=1", name: str = "OWN001") -> None:
    """Declare a known failure of the repository's own."""
    folder = project.pytester.path / "known"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}-closed.toml").write_text(ENTRY.format(id=name, affected=affected))
    project.pytester.makepyprojecttoml("[tool.verlcompat]\nissues = ['known']")


@WAYS
def test_known_failure_is_expected_where_the_stack_is_affected(
    project: Project, way: tuple[str, ...]
) -> None:
    """That failure is expected, another is a failure, and none is one too: upstream fixed it."""
    write_entry(project)
    project.pytester.makepyfile(XFAIL)

    result = project.run("-rxX", *way)

    result.assert_outcomes(xfailed=1, failed=2, xpassed=1)
    text = result.stdout.str()
    assert "XFAIL test_known_failure" in text
    assert "OWN001: Alpha cannot be opened" in text
    assert "[XPASS(strict)] OWN001: Alpha cannot be opened" in text
    assert "expected OWN001, but this failure reads otherwise" in text


def test_known_failure_is_a_failure_where_the_stack_is_not_affected(project: Project) -> None:
    """The marker says nothing on a stack that the known failure does not name."""
    write_entry(project, affected="<1")
    project.pytester.makepyfile(XFAIL)

    result = project.run()

    result.assert_outcomes(failed=2, passed=2)


def test_runxfail_runs_the_test_as_if_unmarked(project: Project) -> None:
    """Pytest's own option for it counts for ours."""
    write_entry(project)
    project.pytester.makepyfile(XFAIL)

    result = project.run("--runxfail")

    result.assert_outcomes(failed=2, passed=2)


def test_known_failure_of_a_taken_id_is_refused(project: Project) -> None:
    """An id means one thing: a repository begins its own with letters of its own."""
    write_entry(project, name="VC031")
    project.pytester.makepyfile(XFAIL)

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *VC031-closed.toml: VC031 is taken by *"])


def test_markers_are_known_to_strict_markers(project: Project) -> None:
    """A repository that does not ask for a verdict may use them under ``--strict-markers``."""
    project.pytester.makepyfile(
        """
        import pytest
        @pytest.mark.verl_matrix(alpha=["1.0"])
        @pytest.mark.verl_requires("alpha")
        def test_own(): pass
        """
    )

    result = project.run("--strict-markers", "-W", "error")

    result.assert_outcomes(passed=1)


def test_known_failure_of_the_repository_explains_a_probe(project: Project) -> None:
    """What a repository knows stands below the failed probe and in the summary."""
    write_entry(project)
    project.write_probe("broken", "raise RuntimeError('alpha is closed')")

    result = project.run("--verlcompat")

    result.assert_outcomes(passed=1, failed=1)
    assert result.stdout.str().count("known as OWN001") == 2
