"""Extensions are loaded for real, in processes that may die, with an honest stub driver."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

from pytest_verlcompat.checks.abi_load import (
    build_driver_stub,
    find_driver_names,
    load_libraries,
)
from pytest_verlcompat.errors import ToolMissingError
from tests.abi_objects import (
    NEW_CHECK,
    OLD_CHECK,
    build_extension,
    build_torch,
    compile_shared,
    link,
    use,
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with a torch of a few symbols."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    build_torch(site)
    return folder


def site_of(environment: Path) -> Path:
    """Return its site-packages."""
    return next(environment.glob("lib/python3*/site-packages"))


def test_loading_agrees_with_the_symbols(environment: Path, tmp_path: Path) -> None:
    """What has its symbols loads; what lacks one fails with that name; a crash is no failure."""
    site = site_of(environment)
    good = build_extension(tmp_path / "good", needs=[OLD_CHECK], torch=site)
    bad = build_extension(tmp_path / "bad", needs=[NEW_CHECK], torch=site)
    code = "#include <stdlib.h>\n__attribute__((constructor)) void boom(void) { abort(); }\n"
    crash = compile_shared(tmp_path / "crash" / "_C.so", code)

    results = load_libraries(
        environment / "bin" / "python", [good, bad, crash, good], folder=tmp_path
    )

    assert [(each.error is None, each.signal) for each in results] == [
        (True, None),
        (False, None),
        (True, 6),
        (True, None),
    ]
    assert f"undefined symbol: {NEW_CHECK}" in (results[1].error or "")


def test_stub_driver_binds_the_names_and_nothing_else(environment: Path, tmp_path: Path) -> None:
    """With the stub an extension that needs the driver loads where there is none."""
    site = site_of(environment)
    (tmp_path / "none").mkdir()
    driver = build_driver_stub(tmp_path / "none", names=[]) / "libcuda.so.1"
    flags = link(driver, site / "torch" / "lib" / "libtorch.so")
    needs = compile_shared(tmp_path / "_C.so", use("cuMadeUpForThisTest", OLD_CHECK), flags=flags)
    (tmp_path / "stub").mkdir()

    names = find_driver_names([needs])
    stub = build_driver_stub(tmp_path / "stub", names=names)
    python = environment / "bin" / "python"
    (without,) = load_libraries(python, [needs], folder=tmp_path, stub=tmp_path / "none")
    (with_stub,) = load_libraries(python, [needs], folder=tmp_path, stub=stub)

    assert names == ("cuMadeUpForThisTest",)
    assert "undefined symbol: cuMadeUpForThisTest" in (without.error or "")
    assert with_stub.error is None


def test_broken_torch_is_told_for_the_first_extension(tmp_path: Path) -> None:
    """Where torch itself cannot be imported, nothing is said of the extensions."""
    results = load_libraries(
        Path(sys.executable),
        [tmp_path / "a.so", tmp_path / "b.so"],
        folder=tmp_path,
    )

    assert len(results) == 1
    assert "exit status 1: " in (results[0].error or "")


def test_missing_compiler_is_said(tmp_path: Path) -> None:
    """Without a compiler there is no stub, and no claim."""
    with pytest.raises(ToolMissingError):
        build_driver_stub(tmp_path, names=["cuInit"], compiler=str(tmp_path / "no-such-compiler"))
