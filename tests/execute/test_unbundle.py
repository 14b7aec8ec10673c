"""A cell that was carried: every piece looked at, nothing trusted, the same outcomes."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import main
from pytest_verlcompat.environments.installed import versions_sha256
from pytest_verlcompat.errors import BundleError, DiskSpaceError, EvidenceError, UsageError
from pytest_verlcompat.execute.local import LocalExecutor
from pytest_verlcompat.execute.manifest import Manifest, render_manifest
from pytest_verlcompat.execute.pieces import PieceWriter, find_pieces
from pytest_verlcompat.execute.unbundle import Unbundled, open_bundle, run_probes
from pytest_verlcompat.execute.unpack import unpack
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.probes import registry
from pytest_verlcompat.probes.registry import list_probes
from pytest_verlcompat.store.jsonl import load_cell_evidence
from pytest_verlcompat.store.merge import merge
from tests.carried import TinyCell, build_tiny_cell, quiet, tiny_environ
from tests.tiny import MACHINE, write_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyCell]:
    """Return a cell whose environment was built, with three probes."""
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tiny_environ(folder).items():
            patch.setenv(name, value)
        cell = build_tiny_cell(folder)
        add = cell.workspace.write_probe
        add("good", "import alpha, beta\nreturn {'beta': beta.__version__}")
        add("bad", "import alpha\nraise ValueError('no')")
        add("poor", "import alpha\nreturn {'lacks': ['a moon']}")
        add("where", "import os, shutil\nreturn {'tool': shutil.which('alpha-tool')}")
        yield cell


@pytest.fixture
def out(tiny: TinyCell, tmp_path: Path) -> Path:
    """Return a folder with a bundle in it."""
    tiny.bundle(tmp_path / "out")
    return tmp_path / "out"


def opened(out: Path, *, python: Path = Path(sys.executable), into: str = "here") -> Unbundled:
    """Return the bundle in *out* as an environment beside it."""
    return open_bundle(out, into=out.parent / into, python=python, say=quiet)


def contents(prefix: Path) -> dict[str, str]:
    """Return what is installed: name to digest."""
    found = {}
    for folder in ("lib", "share"):
        for path in (prefix / folder).rglob("*"):
            name = path.relative_to(prefix).as_posix()
            if path.is_file() and "__pycache__" not in name and "_virtualenv" not in name:
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_unbundled_environment_is_the_environment(tiny: TinyCell, out: Path) -> None:
    """Every installed file arrives, with the same bytes."""
    bundle = opened(out)
    carried = contents(out.parent / "here")

    assert not bundle.reused
    assert {name: digest for name, digest in contents(tiny.prefix).items() if name in carried} == (
        carried
    )
    assert {Path(name).name for name in carried} >= {"data.txt", "alpha.cfg", "RECORD"}


def test_probes_come_to_the_same_outcomes(tiny: TinyCell, out: Path) -> None:
    """What passes, fails or lacks something in the cell does so in the carried one, in its name."""
    probes = list_probes(tiny.workspace.scripts)
    executor = LocalExecutor(
        workspace=tiny.workspace.workspace, machine=MACHINE, say=lambda *_: None
    )
    executor.run_cell(tiny.cell, probes=probes)
    evidence = tiny.workspace.workspace.evidence
    local = {
        each.subject: each.outcome for each in load_cell_evidence(evidence, tiny.cell.id).records
    }
    records = run_probes(opened(out), probes, machine=MACHINE, evidence=out / "e.jsonl", say=quiet)

    assert {each.subject: each.outcome for each in records} == {
        name: local[name] for name in ("good", "bad", "poor", "where")
    }
    assert {local[name] for name in ("good", "bad", "poor")} == {
        Outcome.PASSED,
        Outcome.FAILED,
        Outcome.SKIPPED,
    }
    assert {each.cell_id for each in records} == {tiny.cell.id}
    assert {each.lock_sha256 for each in records} == {tiny.lock.sha256}


def test_programs_of_the_environment_come_first_on_the_path(tiny: TinyCell, out: Path) -> None:
    """A probe finds the environment's own programs, as after activation, and they run there."""
    (where,) = (each for each in list_probes(tiny.workspace.scripts) if each.name == "where")
    bundle = opened(out)
    (record,) = run_probes(bundle, [where], machine=MACHINE, evidence=out / "e.jsonl", say=quiet)
    tool = subprocess.run(
        [bundle.python.with_name("alpha-tool")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert record.facts["tool"] == "<environment>/bin/alpha-tool"
    assert str(out.parent / "here") in tool.stdout


def test_records_come_back_and_merge_once(tiny: TinyCell, out: Path, tmp_path: Path) -> None:
    """What was recorded elsewhere becomes evidence of its cell; merging again adds nothing."""
    probes = list_probes(tiny.workspace.scripts)
    run_probes(opened(out), probes, machine=MACHINE, evidence=out / "e.jsonl", say=quiet)
    first = merge([out / "e.jsonl"], evidence=tmp_path / "e", cells=[tiny.cell.id])
    second = merge([out / "e.jsonl"], evidence=tmp_path / "e", cells=[tiny.cell.id])
    elsewhere = merge([out / "e.jsonl"], evidence=tmp_path / "f", cells=["another"])

    assert first.added == {tiny.cell.id: 4}
    assert (second.added, second.known) == ({}, 4)
    assert len(elsewhere.refused) == 4
    assert len(load_cell_evidence(tmp_path / "e", tiny.cell.id).records) == 4


def test_command_records_and_merges(
    tiny: TinyCell,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """``unbundle`` says by its status whether a probe failed; ``merge`` takes its file."""
    monkeypatch.setattr(registry, "SCRIPTS", tiny.workspace.scripts)
    shutil.copytree(tiny.workspace.root / "matrix", out.parent / "home" / "matrix")
    home = f"--root={out.parent / 'home'}"
    good = main(["unbundle", str(out), "--probe=good"])
    everything = main(["unbundle", str(out), f"--evidence={out / 'all.jsonl'}"])
    merged = main(["merge", str(out / "evidence.jsonl"), str(out / "all.jsonl"), home])
    printed = capsys.readouterr().out

    assert (good, everything, merged) == (0, 1, 0)
    assert "1 passed, 0 failed" in printed
    assert "2 passed, 1 failed, 1 skipped, 0 errored" in printed
    assert f"{tiny.cell.id}: 5 new" in printed


def test_merge_refuses_what_belongs_to_no_cell(
    tiny: TinyCell, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged line and a file that is not there are said, and the status is not 0."""
    (out / "e.jsonl").write_text("{}\n")
    root = f"--root={tiny.workspace.root}"

    assert main(["merge", str(out / "e.jsonl"), root]) == 1
    assert "refused: e.jsonl:1" in capsys.readouterr().out
    assert main(["merge", str(out / "none.jsonl"), root]) == EvidenceError.exit_status


def test_what_was_recorded_is_not_run_again(tiny: TinyCell, out: Path) -> None:
    """After an interruption only the rest is run; ``--again`` runs all."""
    probes = list_probes(tiny.workspace.scripts)
    bundle = opened(out)
    options = {"machine": MACHINE, "evidence": out / "e.jsonl", "say": quiet}
    counts = [
        len(run_probes(bundle, probes[:1], **options)),  # type: ignore[arg-type]
        len(run_probes(bundle, probes, **options)),  # type: ignore[arg-type]
        len(run_probes(bundle, probes, **options)),  # type: ignore[arg-type]
        len(run_probes(bundle, probes, again=True, **options)),  # type: ignore[arg-type]
    ]

    assert counts == [1, 3, 0, 4]


def test_pieces_may_lie_in_folders_of_their_own(out: Path) -> None:
    """Who carries pieces one at a time need not put them together."""
    for piece in sorted(out.glob("piece.*")):
        folder = out / f"pieces-{piece.suffix[1:]}"
        folder.mkdir()
        piece.rename(folder / piece.name)

    assert opened(out).python.exists()


def _remove(out: Path) -> None:
    (out / "piece.001").unlink()


def _swap(out: Path) -> None:
    (out / "piece.000").rename(out / "x")
    (out / "piece.001").rename(out / "piece.000")
    (out / "x").rename(out / "piece.001")


def _alter(out: Path) -> None:
    data = bytearray((out / "piece.002").read_bytes())
    data[10] ^= 1
    (out / "piece.002").write_bytes(data)


def _cut(out: Path) -> None:
    os.truncate(out / "piece.000", 700)


def _add(out: Path) -> None:
    (out / "piece.777").write_bytes(b"?")


def _double(out: Path) -> None:
    (out / "pieces-000").mkdir()
    shutil.copy(out / "piece.000", out / "pieces-000")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_remove, r"missing: piece\.001 \(\d+ of \d+ are here\); carry it too"),
        (_swap, r"piece\.000: holds what belongs into piece\.001"),
        (_alter, r"piece\.002: altered: has the right size and sha256"),
        (_cut, r"piece\.000: altered: has 700 of 1500 bytes"),
        (_add, r"piece\.777: surplus"),
        (_double, r"piece\.000: is there 2 times"),
    ],
)
def test_wrong_piece_is_named_and_nothing_is_unpacked(
    out: Path, change: Callable[[Path], None], message: str
) -> None:
    """A missing, reordered, altered, cut, surplus or doubled piece is one clear error."""
    change(out)

    with pytest.raises(BundleError, match=message):
        opened(out)
    assert not (out.parent / "here").exists()


def test_command_says_what_is_wrong(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged bundle ends the command with its own status and one line."""
    _remove(out)
    status = main(["unbundle", str(out)])

    assert status == BundleError.exit_status
    assert capsys.readouterr().err.count("missing: piece.001") == 1


def test_second_time_reuses_what_is_unpacked(out: Path) -> None:
    """A bundle that is unpacked already costs nothing again."""
    opened(out)

    assert opened(out).reused


def test_unfinished_unpacking_is_begun_anew(out: Path) -> None:
    """What an interruption left is not taken for an environment."""
    opened(out)
    (out.parent / "here" / "verlcompat.json").unlink()
    (out.parent / "here" / ".verlcompat-unfinished").touch()

    assert not opened(out).reused


def test_folder_with_something_else_is_left_alone(out: Path) -> None:
    """Nothing that is not ours is removed."""
    (out.parent / "here").mkdir()
    (out.parent / "here" / "thesis.tex").touch()

    with pytest.raises(UsageError, match="--into"):
        opened(out)
    assert (out.parent / "here" / "thesis.tex").exists()


def change_manifest(out: Path, **changes: object) -> None:
    """Rewrite the manifest as if the bundle had been made so."""
    bundle = opened(out, into="read")
    manifest = dataclasses.replace(bundle.manifest, **changes)  # type: ignore[arg-type]
    (out / "manifest.json").write_text(render_manifest(manifest))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"python": "3.9"}, "the cell needs CPython 3.9, name one with --python"),
        ({"platform": "riscv64-manylinux_2_35"}, "the cell was locked for riscv64"),
    ],
)
def test_other_machine_is_refused(out: Path, changes: dict[str, str], message: str) -> None:
    """A Python or architecture that the files do not fit is said before anything is unpacked."""
    change_manifest(out, **changes)

    with pytest.raises(BundleError, match=message):
        opened(out)


def test_full_disk_is_said_before(out: Path) -> None:
    """What does not fit is not begun."""
    change_manifest(out, unpacked_bytes=1 << 60)

    with pytest.raises(DiskSpaceError, match="MiB are needed"):
        opened(out)


def make_target(folder: Path, **versions: str) -> Path:
    """Return the interpreter of an environment that has *versions*, unpacked from wheels."""
    subprocess.run(
        [sys.executable, "-I", "-m", "venv", "--without-pip", folder], check=True, timeout=60
    )
    (site,) = folder.glob("lib/python*/site-packages")
    for name, version in versions.items():
        shutil.unpack_archive(write_wheel(folder / "wheels", name, version), site, "zip")
    return folder / "bin" / "python"


def test_left_out_distribution_comes_from_the_target_alone(tiny: TinyCell, tmp_path: Path) -> None:
    """The target gives what was left out, and nothing else of what it has."""
    tiny.bundle(tmp_path / "out", without=("beta",))
    python = make_target(tmp_path / "target", beta="1.0", gamma="7.0", alpha="9.9")
    bundle = opened(tmp_path / "out", python=python)
    code = (
        "import alpha, beta, importlib.util as u, importlib.metadata as m;"
        "print(alpha.__version__, beta.__version__, m.version('beta'), u.find_spec('gamma'))"
    )
    said = subprocess.run(
        [bundle.python, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    patient = bundle.patient(MACHINE)

    assert said.stdout.split() == ["1.0", "1.0", "1.0", "None"]
    assert (patient.cell_id, patient.lock_sha256) == (tiny.cell.id, tiny.lock.sha256)


def test_other_version_at_the_target_is_not_the_cell(tiny: TinyCell, tmp_path: Path) -> None:
    """Evidence with another version than the lock's names no cell, and says what differs."""
    tiny.bundle(tmp_path / "out", without=("beta",))
    python = make_target(tmp_path / "target", beta="1.5")
    bundle = opened(tmp_path / "out", python=python)
    patient = bundle.patient(MACHINE)
    (good,) = (each for each in list_probes(tiny.workspace.scripts) if each.name == "good")
    (record,) = run_probes(
        bundle, [good], machine=MACHINE, evidence=tmp_path / "e.jsonl", say=quiet
    )

    assert patient.cell_id is None
    assert patient.lock_sha256 == versions_sha256({"alpha": "1.0", "beta": "1.5"})
    assert record.facts["beta"] == "1.5"
    assert record.facts["bundle"]["differing"] == {"beta": "1.5, locked 1.0"}


def test_left_out_distribution_that_is_missing_is_said(tiny: TinyCell, tmp_path: Path) -> None:
    """A target without what was left out is told so before anything is unpacked."""
    tiny.bundle(tmp_path / "out", without=("beta",))

    with pytest.raises(BundleError, match=r"not found for \S+: beta 1\.0"):
        opened(tmp_path / "out")


def test_distribution_without_record_cannot_be_linked(tiny: TinyCell, tmp_path: Path) -> None:
    """Files that no list names cannot be told from those of others."""
    tiny.bundle(tmp_path / "out", without=("beta",))
    python = make_target(tmp_path / "target", beta="1.0")
    (record,) = (tmp_path / "target").glob("lib/python*/site-packages/beta-1.0.dist-info/RECORD")
    record.unlink()

    with pytest.raises(BundleError, match="has no RECORD"):
        opened(tmp_path / "out", python=python)


def test_namespace_is_linked_below_its_folder(tiny: TinyCell, tmp_path: Path) -> None:
    """Two left-out distributions may live in one folder without a module of its own."""
    tiny.bundle(tmp_path / "out", without=("beta",))
    target = tmp_path / "target"
    python = make_target(target)
    (site,) = target.glob("lib/python*/site-packages")
    files = {"space/one/__init__.py": "", "space/two/__init__.py": ""}
    wheel = write_wheel(target / "wheels", "beta", "1.0", files=files)
    shutil.unpack_archive(wheel, site, "zip")
    opened(tmp_path / "out", python=python)
    links = tmp_path / "here" / "target"

    assert not (links / "space").is_symlink()
    assert (links / "space" / "one").is_symlink()
    assert (links / "beta").is_symlink()


def hostile(folder: Path, *entries: tarfile.TarInfo, files: int | None = None) -> Manifest:
    """Return the manifest of a stream with *entries*, written into *folder*."""
    folder.mkdir(parents=True)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for entry in entries:
            archive.addfile(entry, io.BytesIO(b"x" * entry.size))
    with PieceWriter(folder, piece_bytes=100) as pieces:
        pieces.write(data.getvalue())
    return Manifest(
        cell_id="c",
        values={},
        versions={},
        lock_sha256="",
        python="3.12",
        platform="x86_64-manylinux_2_35",
        left_out={},
        dropped=(),
        compression="gzip",
        harness="0",
        files=len(entries) if files is None else files,
        unpacked_bytes=10,
        bytes=len(data.getvalue()),
        sha256="",
        pieces=tuple(pieces.pieces),
    )


def entry(
    name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0
) -> tarfile.TarInfo:
    """Return the header of a member."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([entry("../escaped")], "leads elsewhere"),
        ([entry("/tmp/escaped")], "leads elsewhere"),
        ([entry("a/../../escaped")], "leads elsewhere"),
        ([entry("a//b")], "leads elsewhere"),
        ([entry("a", kind=tarfile.SYMTYPE, link="/etc")], "outside"),
        ([entry("a/b", kind=tarfile.SYMTYPE, link="../../x")], "outside"),
        (
            [entry("d/e"), entry("l", kind=tarfile.SYMTYPE, link="d"), entry("l/f")],
            "goes through a link",
        ),
        (
            [entry("d"), entry("l", kind=tarfile.SYMTYPE, link="d"), entry("l", size=1)],
            "goes through a link",
        ),
        ([entry("a", kind=tarfile.LNKTYPE, link="b")], "neither a file nor a link"),
        ([entry("a", kind=tarfile.CHRTYPE)], "neither a file nor a link"),
        ([entry("a", kind=tarfile.DIRTYPE)], "neither a file nor a link"),
        ([entry("a", size=11)], "more than its manifest says"),
        ([entry("a"), entry("a")], "cannot be unpacked"),
    ],
)
def test_hostile_stream_writes_nothing_outside(
    tmp_path: Path, entries: list[tarfile.TarInfo], message: str
) -> None:
    """A stream whose digests are right is still not trusted with places, kinds and sizes."""
    manifest = hostile(tmp_path / "out", *entries)
    paths = find_pieces(tmp_path / "out", manifest)

    with pytest.raises(BundleError, match=message):
        unpack(paths, manifest, into=tmp_path / "a" / "b" / "here")
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize(("files", "message"), [(1, "more than"), (3, "ends after 2 of 3")])
def test_number_of_files_is_that_of_the_manifest(tmp_path: Path, files: int, message: str) -> None:
    """Fewer or more files than were promised are an error."""
    manifest = hostile(tmp_path / "out", entry("a"), entry("b"), files=files)

    with pytest.raises(BundleError, match=message):
        unpack(find_pieces(tmp_path / "out", manifest), manifest, into=tmp_path / "here")


def test_stream_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    """Bytes that are what the manifest says, and still no archive, are an error of the bundle."""
    manifest = hostile(tmp_path / "out", entry("a"))
    with PieceWriter(tmp_path, piece_bytes=100) as pieces:
        pieces.write(b"no archive at all")
    broken = dataclasses.replace(manifest, pieces=tuple(pieces.pieces))

    with pytest.raises(BundleError, match="cannot be read"):
        unpack(find_pieces(tmp_path, broken), broken, into=tmp_path / "here")
