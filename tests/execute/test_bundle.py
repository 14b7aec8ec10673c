"""Packing an environment: what goes in, what is left out, and the same bytes again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import main
from pytest_verlcompat.errors import BundleError, IndexUnavailableError, UsageError
from pytest_verlcompat.execute.manifest import load_manifest, parse_size
from tests.carried import PIECE_BYTES, TinyCell, build_tiny_cell, repack_wheel, tiny_environ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyCell]:
    """Return a cell whose environment was built; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tiny_environ(folder).items():
            patch.setenv(name, value)
        yield build_tiny_cell(folder)


def unpacked_names(folder: Path) -> set[str]:
    """Return the files in the bundle in *folder*, read by tar."""
    pieces = sorted(folder.glob("piece.*"))
    joined = b"".join(piece.read_bytes() for piece in pieces)
    listed = subprocess.run(
        [str(shutil.which("tar")), "-tzf", "-"],
        input=joined,
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    return set(listed.stdout.decode().split())


def test_manifest_tells_pieces_apart(tiny: TinyCell, tmp_path: Path) -> None:
    """Each piece is named with its size and digest, and so is the whole."""
    manifest = tiny.bundle(tmp_path / "out")
    data = [(tmp_path / "out" / piece.name).read_bytes() for piece in manifest.pieces]

    assert len(data) > 2
    assert {len(each) for each in data[:-1]} == {PIECE_BYTES}
    assert [hashlib.sha256(each).hexdigest() for each in data] == [
        piece.sha256 for piece in manifest.pieces
    ]
    assert hashlib.sha256(b"".join(data)).hexdigest() == manifest.sha256
    assert load_manifest(tmp_path / "out") == manifest


def test_plain_tools_can_read_the_stream(tiny: TinyCell, tmp_path: Path) -> None:
    """Plain tools unpack what is carried: site-packages, programs, data, nothing of the venv."""
    tiny.bundle(tmp_path / "out")
    site = f"lib/python{tiny.cell.python}/site-packages"
    names = unpacked_names(tmp_path / "out")

    assert {f"{site}/alpha/data.txt", f"{site}/beta/__init__.py"} <= names
    assert {"bin/alpha-tool", "share/alpha.cfg"} <= names
    assert not {each for each in names if "pyvenv" in each or each.startswith("bin/python")}


def test_same_environment_gives_same_bytes(tiny: TinyCell, tmp_path: Path) -> None:
    """Neither time nor owner nor order of the disk is in a bundle."""
    first = tiny.bundle(tmp_path / "one")
    os.utime(tiny.prefix / "share" / "alpha.cfg", (1, 1))

    assert tiny.bundle(tmp_path / "two") == first
    runners = [(tmp_path / name / "verlcompat.pyz").read_bytes() for name in ("one", "two")]
    assert runners[0] == runners[1]


def test_left_out_distribution_is_named_and_not_carried(tiny: TinyCell, tmp_path: Path) -> None:
    """``--without`` takes away a distribution's files and says which version was meant."""
    manifest = tiny.bundle(tmp_path / "out", without=("Beta",))

    assert manifest.left_out == {"beta": "1.0"}
    assert manifest.versions == {"alpha": "1.0", "beta": "1.0"}
    assert not {name for name in unpacked_names(tmp_path / "out") if "beta" in name}


def test_pattern_leaves_out_every_match(tiny: TinyCell, tmp_path: Path) -> None:
    """``--without`` takes patterns, as ``nvidia-*`` needs."""
    manifest = tiny.bundle(tmp_path / "out", without=("a*", "bet*"))

    assert set(manifest.left_out) == {"alpha", "beta"}


def test_unknown_distribution_is_refused(tiny: TinyCell, tmp_path: Path) -> None:
    """A name that is not in the lock would leave nothing out; the nearest is said."""
    with pytest.raises(UsageError, match=r"'alpah' names nothing in the lock; nearest: alpha"):
        tiny.bundle(tmp_path / "out", without=("alpah",))


def test_dropped_files_are_not_carried(tiny: TinyCell, tmp_path: Path) -> None:
    """``--drop`` leaves out files by pattern, and the manifest says the pattern."""
    manifest = tiny.bundle(tmp_path / "out", drop=("*/tests/*",))

    assert manifest.dropped == ("*/tests/*",)
    assert not {name for name in unpacked_names(tmp_path / "out") if "/tests/" in name}


def test_link_out_of_the_environment_is_refused(tiny: TinyCell, tmp_path: Path) -> None:
    """What lies elsewhere cannot be carried as a link, and is not carried silently."""
    site = tiny.prefix / "lib" / f"python{tiny.cell.python}" / "site-packages"
    (site / "away").symlink_to(tmp_path)
    try:
        with pytest.raises(BundleError, match="leads out of the environment"):
            tiny.bundle(tmp_path / "out")
    finally:
        (site / "away").unlink()


def test_folder_in_use_is_refused(tiny: TinyCell, tmp_path: Path) -> None:
    """Old pieces beside new ones would be surplus over there."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "piece.000").touch()

    with pytest.raises(UsageError, match="is not empty"):
        tiny.bundle(tmp_path / "out")


def test_zstandard_that_cannot_be_had_is_said(tiny: TinyCell, tmp_path: Path) -> None:
    """The runner needs zstandard for the target's Python; gzip is named as the way without."""
    with pytest.raises(IndexUnavailableError, match="--compress gzip"):
        tiny.bundle(tmp_path / "out", compression="zstd")


def test_command_bundles_and_bare_python_unbundles(
    tiny: TinyCell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the command to an interpreter without any site-packages, compressed by zstd."""
    wheel = repack_wheel("zstandard", tiny.workspace.root.parent / "index")
    out = tmp_path / "out"
    root = f"--root={tiny.workspace.root}"
    status = main(["bundle", tiny.cell.id, root, f"--out={out}", "--pieces=2KiB"])
    printed = capsys.readouterr().out
    base = getattr(sys, "_base_executable", sys.executable)
    ended = subprocess.run(
        [base, "-I", "-S", out / "verlcompat.pyz", "unbundle", out],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    wheel.unlink()

    assert status == 0
    assert load_manifest(out).digest in printed
    assert (ended.returncode, ended.stderr.count("checking")) == (0, 1), ended.stderr
    assert "0 passed, 0 failed" in ended.stdout
    assert (out / "environment" / "bin" / "alpha-tool").read_text().startswith(f"#!{out}")


def test_cell_without_solution_is_refused(
    tiny: TinyCell, capsys: pytest.CaptureFixture[str]
) -> None:
    """What has no lock has nothing to carry; an id that is not declared neither."""
    assert main(["bundle", "nosuch", f"--root={tiny.workspace.root}"]) == UsageError.exit_status
    assert "no cell 'nosuch'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"),
    [("60MiB", 60 << 20), ("64MB", 64_000_000), ("64M", 64_000_000), ("1.5 GiB", 3 << 29)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    """Binary and decimal units are told apart."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "many", "0", "12", "-5MiB", "5TiB"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    """A size that is too small to be meant, or no size, is said to be none."""
    with pytest.raises(UsageError, match="no size of a piece"):
        parse_size(text)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"format": 2}, "format 2"),
        ({"format": None}, "names no format"),
        ({"pieces": [{"name": "../x", "bytes": 1, "sha256": ""}]}, "no name of a piece"),
        ({"compression": "rar"}, "compression 'rar'"),
        ({"platform": "anything"}, "platform 'anything'"),
        ({"python": "../3"}, "python '../3'"),
        ({"files": "many"}, "malformed"),
        ({"values": 3}, "malformed"),
    ],
)
def test_manifest_that_was_altered_is_refused(
    tiny: TinyCell, tmp_path: Path, change: dict[str, object], match: str
) -> None:
    """A manifest that is not ours, newer, or damaged is refused with what is wrong."""
    tiny.bundle(tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    with pytest.raises(BundleError, match=match):
        load_manifest(tmp_path / "out")


def test_manifest_that_is_missing_or_cut_is_refused(tmp_path: Path) -> None:
    """Without a manifest there is no bundle; half of one is none."""
    with pytest.raises(BundleError, match="name the folder"):
        load_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 1,')
    with pytest.raises(BundleError, match="not JSON"):
        load_manifest(tmp_path)
