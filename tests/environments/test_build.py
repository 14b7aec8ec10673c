"""A lock becomes an environment once; what is cut short, changed or lacking is told apart."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import functools
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.environments.build import (
    BuildFailure,
    Environment,
    build_environment,
    find_environment,
    hold,
)
from pytest_verlcompat.environments.interpreters import describe_python
from pytest_verlcompat.errors import (
    DiskSpaceError,
    EnvironmentBuildError,
    IndexUnavailableError,
    InterpreterMissingError,
)
from pytest_verlcompat.resolve.lock import Lock, load_lock
from pytest_verlcompat.resolve.uv import find_uv
from tests.tiny import TinyIndex, make_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.model.cell import Cell


@pytest.fixture
def cell(tiny_index: TinyIndex) -> Cell:
    """Return a cell whose lock is ``alpha`` and ``beta``."""
    tiny_index.add("alpha", "1.0", requires=["beta<2"])
    tiny_index.add("beta", "1.0")
    return make_cell()


@pytest.fixture
def lock(cell: Cell, tiny_index: TinyIndex, tmp_path: Path) -> Lock:
    """Return the lock of `cell`."""
    wheels = sorted(tiny_index.folder.glob("*.whl"))
    return _write_lock(cell, tmp_path / "locks", *map(_pin, wheels))


def _build(cell: Cell, lock: Lock, folder: Path, said: list[str] | None = None) -> Environment:
    say = [].append if said is None else said.append
    found = build_environment(cell, lock, folder=folder, say=say)
    assert isinstance(found, Environment)
    return found


def _write_lock(cell: Cell, folder: Path, *lines: str) -> Lock:
    path = folder / cell.id / "requirements.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([f"# inputs-sha256: {cell.inputs_sha256}", *lines]) + "\n")
    return load_lock(cell, folder=folder)


def _pin(path: Path) -> str:
    name, version, *_ = path.name.split("-")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_environment_is_exactly_the_lock(cell: Cell, lock: Lock, tmp_path: Path) -> None:
    """Nothing of ours, no pip, nothing but what the lock names is installed."""
    said: list[str] = []

    built = _build(cell, lock, tmp_path / "envs", said)

    code = (
        "import importlib.metadata as m, alpha;"
        "print(sorted((d.name, d.version) for d in m.distributions()), alpha.__version__)"
    )
    listed = subprocess.run(
        [built.python, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert listed.stdout == "[('alpha', '1.0'), ('beta', '1.0')] 1.0\n"
    assert built.interpreter == describe_python(Path(sys.executable))
    assert built.unmet == ()
    assert not built.reused
    assert built.duration_s > 0
    assert said[0].startswith("building 2 distributions for Python ")


def test_second_call_finds_the_same_environment(cell: Cell, lock: Lock, tmp_path: Path) -> None:
    """What is there is used again, under the id it got when it was built."""
    folder = tmp_path / "envs"
    first = _build(cell, lock, folder)

    second = _build(cell, lock, folder)

    assert second.reused
    assert (second.id, second.python) == (first.id, first.python)
    assert find_environment(cell, lock, folder=folder) == second


def test_build_that_was_cut_short_is_built_anew(cell: Cell, lock: Lock, tmp_path: Path) -> None:
    """A folder without its marker is not trusted, and leftovers of it are gone."""
    folder = tmp_path / "envs"
    first = _build(cell, lock, folder)
    place = first.python.parent.parent
    (place / "verlcompat.json").unlink()
    (place / "leftover").write_text("x")

    assert find_environment(cell, lock, folder=folder) is None
    second = _build(cell, lock, folder)

    assert not second.reused
    assert second.id != first.id
    assert not (place / "leftover").exists()


def test_damaged_marker_is_no_marker(cell: Cell, lock: Lock, tmp_path: Path) -> None:
    """A marker that says nothing certain means that the environment is built anew."""
    folder = tmp_path / "envs"
    marker = _build(cell, lock, folder).python.parent.parent / "verlcompat.json"

    for text in ("", "{}", "[]", '{"lock_sha256": 1}', "\x00"):
        marker.write_text(text)

        assert find_environment(cell, lock, folder=folder) is None


def test_interpreter_that_is_gone_means_built_anew(cell: Cell, lock: Lock, tmp_path: Path) -> None:
    """An environment whose base Python was removed is not handed out."""
    folder = tmp_path / "envs"
    first = _build(cell, lock, folder)
    first.python.unlink()

    assert find_environment(cell, lock, folder=folder) is None
    assert _build(cell, lock, folder).id != first.id


def test_other_lock_gets_its_own_environment(
    cell: Cell, lock: Lock, tiny_index: TinyIndex, tmp_path: Path
) -> None:
    """Two locks never share a folder."""
    other = _write_lock(
        cell, tmp_path / "other", _pin(tiny_index.folder / "beta-1.0-py3-none-any.whl")
    )

    first = _build(cell, lock, tmp_path / "envs")
    second = _build(cell, other, tmp_path / "envs")

    assert first.python != second.python


def test_files_are_hard_links_into_the_cache(cell: Cell, lock: Lock, tmp_path: Path) -> None:
    """A second environment costs no second copy."""
    built = _build(cell, lock, tmp_path / "envs")

    (module,) = built.python.parent.parent.rglob("alpha/__init__.py")
    assert module.stat().st_nlink > 1


def test_unmet_requirements_are_reported_and_do_not_stop(
    cell: Cell, tiny_index: TinyIndex, tmp_path: Path
) -> None:
    """What ``pip check`` complains of is a fact about the lock, not an error."""
    beta = tiny_index.add("beta", "2.0")
    alpha = tiny_index.folder / "alpha-1.0-py3-none-any.whl"
    forced = _write_lock(cell, tmp_path / "locks", _pin(alpha), _pin(beta))

    built = _build(cell, forced, tmp_path / "envs")

    (complaint,) = built.unmet
    assert "alpha" in complaint
    assert "beta<2" in complaint
    assert "2.0" in complaint
    assert find_environment(cell, forced, folder=tmp_path / "envs").unmet == built.unmet  # type: ignore[union-attr]


def test_missing_requirement_is_reported(cell: Cell, tiny_index: TinyIndex, tmp_path: Path) -> None:
    """A requirement that is not installed at all is a complaint too."""
    alone = _write_lock(
        cell, tmp_path / "locks", _pin(tiny_index.folder / "alpha-1.0-py3-none-any.whl")
    )

    built = _build(cell, alone, tmp_path / "envs")

    (complaint,) = built.unmet
    assert "beta" in complaint


def test_other_bytes_than_locked_are_refused(
    cell: Cell,
    lock: Lock,
    tiny_index: TinyIndex,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file that changed on the index is neither installed nor blamed on the stack."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cold"))  # the warm one has the right bytes
    tiny_index.add("beta", "1.0", files={"beta/extra.py": "x = 1\n"})

    with pytest.raises(EnvironmentBuildError, match="serves other bytes than were locked"):
        _build(cell, lock, tmp_path / "envs")

    assert find_environment(cell, lock, folder=tmp_path / "envs") is None


def test_file_that_is_gone_from_the_index_is_not_the_stacks_fault(
    cell: Cell, lock: Lock, tiny_index: TinyIndex, tmp_path: Path
) -> None:
    """An index without a locked file is an error of ours, never an outcome."""
    (tiny_index.folder / "beta-1.0-py3-none-any.whl").unlink()

    with pytest.raises(EnvironmentBuildError, match="uv pip ended with"):
        _build(cell, lock, tmp_path / "envs")


def test_source_distribution_that_does_not_build_is_the_stacks_failure(
    cell: Cell, tiny_index: TinyIndex, tmp_path: Path
) -> None:
    """A build that fails here is an outcome, with what the build said."""
    source = tmp_path / "gamma-1.0"
    source.mkdir()
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: gamma\nVersion: 1.0\n")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (source / "backend.py").write_text("raise RuntimeError('no nvcc on this machine')\n")
    archive = shutil.make_archive(
        str(tiny_index.folder / "gamma-1.0"), "gztar", root_dir=tmp_path, base_dir="gamma-1.0"
    )
    digest = hashlib.sha256(Path(archive).read_bytes()).hexdigest()
    lock = _write_lock(cell, tmp_path / "locks", f"gamma==1.0 --hash=sha256:{digest}")

    found = build_environment(cell, lock, folder=tmp_path / "envs", say=lambda _: None)

    assert isinstance(found, BuildFailure)
    assert "no nvcc on this machine" in found.messages
    assert find_environment(cell, lock, folder=tmp_path / "envs") is None


def test_missing_python_is_said_with_the_way_to_get_it(
    tiny_index: TinyIndex, tmp_path: Path
) -> None:
    """A Python this machine does not have is an error of the machine, not of the stack."""
    beta = tiny_index.add("beta", "1.0")
    cell = make_cell(python="3.99")
    lock = _write_lock(cell, tmp_path / "locks", _pin(beta))

    with pytest.raises(
        InterpreterMissingError, match=r"no CPython 3\.99; get it with: uv python install 3\.99"
    ):
        _build(cell, lock, tmp_path / "envs")


def test_too_little_disk_space_is_said_beforehand(
    cell: Cell, lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is about to be full is not filled up."""
    usage = collections.namedtuple("usage", "total used free")  # noqa: PYI024 -- as shutil's
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9 << 30, 9 << 30, 500 << 20))

    with pytest.raises(DiskSpaceError, match="only 500 MiB are free; an environment takes"):
        _build(cell, lock, tmp_path / "envs")


def test_disk_that_fills_up_on_the_way_is_said(
    cell: Cell, lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uv's complaint about the disk is the machine's lack, not a broken stack."""
    real, tool = find_uv(), tmp_path / "bin" / "uv"
    tool.parent.mkdir()
    full = "error: failed to copy: No space left on device (os error 28)"
    tool.write_text(
        f'#!/bin/sh\n[ "$2" != install ] && exec "{real}" "$@"\necho "{full}" >&2\nexit 2\n'
    )
    tool.chmod(0o755)
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(DiskSpaceError, match=r"the disk filled up: .*No space left"):
        _build(cell, lock, tmp_path / "envs")

    assert find_environment(cell, lock, folder=tmp_path / "envs") is None


def test_two_builds_at_once_make_one_environment(cell: Cell, lock: Lock, tmp_path: Path) -> None:
    """The second waits, says so, and takes what the first built."""
    said: list[str] = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        both = [pool.submit(_build, cell, lock, tmp_path / "envs", said) for _ in range(2)]
        first, second = (each.result(timeout=60) for each in both)

    assert first.id == second.id
    assert {first.reused, second.reused} == {True, False}
    assert said.count("waiting for another run that holds it") == 1


def test_lock_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    """A run that was killed never blocks the next one."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from pytest_verlcompat.environments.build import hold\n"
        "with hold(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    path = tmp_path / "x.lock"
    holder = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    holder.kill()
    holder.wait()
    holder.stdout.close()
    said: list[str] = []

    started = time.monotonic()
    with hold(path, say=said.append):
        pass

    assert time.monotonic() - started < 5
    assert said == []


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Stay silent."""


@contextlib.contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """Serve *folder*, whose listings are simple index pages; yield its address."""
    handler = functools.partial(_Silent, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Cell, Lock]:
    """Return a cell that was built once from a real index, which is down by now."""
    index = TinyIndex(folder=tmp_path / "www" / "beta")
    beta = index.add("beta", "1.0")
    cell = make_cell()
    lock = _write_lock(cell, tmp_path / "locks", _pin(beta))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with _serving(tmp_path / "www") as address:
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        _build(cell, lock, tmp_path / "first")
    return cell, lock


@pytest.mark.parametrize("told", [False, True])
def test_warm_cache_builds_without_network(
    warm: tuple[Cell, Lock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, told: bool
) -> None:
    """What is in uv's cache is enough, whether or not uv was told to stay offline."""
    if told:
        monkeypatch.setenv("UV_OFFLINE", "1")

    assert not _build(*warm, tmp_path / "second").reused


@pytest.mark.parametrize("told", [False, True])
def test_cold_cache_without_network_is_the_indexs_lack(
    warm: tuple[Cell, Lock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, told: bool
) -> None:
    """What cannot be fetched is said as such, and is no outcome of the stack."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cold"))
    if told:
        monkeypatch.setenv("UV_OFFLINE", "1")

    with pytest.raises(IndexUnavailableError, match="cannot fetch what is not in uv's cache"):
        _build(*warm, tmp_path / "second")
