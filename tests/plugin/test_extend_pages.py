"""A stranger who follows the pages on extending has a probe, a known failure and marked tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.docs.extension import extension_files
from tests.docs.stack import STACK

if TYPE_CHECKING:
    from tests.plugin.conftest import Project


def test_stranger_gets_what_the_pages_promise(project: Project) -> None:
    """The files as they stand on the pages are enough: no other is written or edited."""
    files = extension_files()
    for name in ("tensordict", "torch"):
        version, source = STACK[name]
        project.install(name, version)
        (project.site / f"{name}.py").write_text(source)
    for name, text in files.items():
        path = project.pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    result = project.run("--verlcompat", "-v", "-rx", "--strict-markers")

    result.stdout.fnmatch_lines(
        [
            "verlcompat::engine PASSED*",
            "verlcompat::tensordict_stack PASSED*",
            "tests/test_keys.py::test_keys XFAIL*",
            "tests/test_rows.py::test_rows PASSED*",
            "verdict: compatible",
            "XFAIL tests/test_keys.py::test_keys - MINE001: Stacked rows lose a key",
        ]
    )
    assert sorted(files) == [
        "pyproject.toml",
        "tests/known/MINE001-rows-lose-keys.toml",
        "tests/probes/tensordict_stack.py",
        "tests/test_keys.py",
        "tests/test_rows.py",
    ]


def test_known_failure_of_a_fixed_release_is_no_longer_expected(project: Project) -> None:
    """Where the entry says that the stack is not affected, the same test simply fails."""
    files = extension_files()
    project.install("tensordict", "0.8.3")
    for name in ("pyproject.toml", "tests/known/MINE001-rows-lose-keys.toml", "tests/test_keys.py"):
        path = project.pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[name].replace('probes = ["tests/probes"]\n', ""))

    project.run().assert_outcomes(failed=1)
