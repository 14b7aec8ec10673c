"""``verlcompat abi`` ends with 0 when it loads, 1 when it does not, and another for mistakes."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.abi_table import find_wheels, make_table, render_table
from pytest_verlcompat.cli import main
from pytest_verlcompat.cli.cmd_abi import find_site_packages
from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.wheels.exports import (
    TorchExports,
    load_exports,
    parse_exports,
    render_exports,
)
from pytest_verlcompat.wheels.index import IndexClient
from tests.abi_objects import NEW_CHECK, OLD_CHECK, build_extension, build_torch, record

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep caches and indexes of this machine out of the tests."""
    monkeypatch.setenv("VERLCOMPAT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", (tmp_path / "index").as_uri())
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a torch to copy."""
    return build_torch(tmp_path_factory.mktemp("built"))


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Path:
    """Return an installed torch."""
    folder = tmp_path / "env" / "lib" / "python3.12" / "site-packages"
    return Path(shutil.copytree(built, folder))


def wheel(path: Path, members: Mapping[str, Path], *, requires: str = "torch==2.9.1") -> Path:
    """Return a wheel with these files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = f"Metadata-Version: 2.1\nName: vllm\nVersion: 1.0\nRequires-Dist: {requires}\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in members.items():
            archive.write(file, name)
        archive.writestr("vllm-1.0.dist-info/METADATA", metadata)
    return path


@pytest.mark.parametrize(
    ("torch", "status"), [("2.9.1", 0), ("2.10.0", 1), ("2.9.1+cpu", 0), ("9.9", 2)]
)
def test_status_tells_whether_an_object_loads(
    site: Path, tmp_path: Path, torch: str, *, status: int
) -> None:
    """A shared object on disk, against the exports that are shipped."""
    path = build_extension(tmp_path, needs=[OLD_CHECK], torch=site, name="_C.so")

    assert main(["abi", str(path), "--torch", torch]) == status


def test_verdict_is_printed_with_its_reason(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Symbol, demangled name, who has it, and what it was built for."""
    path = build_extension(tmp_path, needs=[OLD_CHECK], torch=site, name="_C.so")

    main(["abi", str(path), "--torch", "2.10.0"])

    out = capsys.readouterr().out
    assert f"{path} beside torch 2.10.0: cannot load\n" in out
    assert f"  _C.so: undefined symbol: {OLD_CHECK}\n" in out
    assert "exported by torch 2.4.0-2.9.1 (libc10_cuda.so)" in out
    assert "unsigned int, bool): exported by torch 2.10.0-" in out
    assert "built for torch 2.4.0-2.9.1" in out


def test_wheel_is_judged_beside_the_torch_it_pins(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wheel whose metadata and symbols contradict each other does not load."""
    extension = build_extension(tmp_path, needs=[NEW_CHECK], torch=site, name="_C.so")
    path = wheel(tmp_path / "vllm-1.0-py3-none-any.whl", {"vllm/_C.so": extension})

    status = main(["abi", str(path), "--json"])

    body = json.loads(capsys.readouterr().out)
    assert status == 1
    assert (body["torch"], body["torch_is_asked"], body["loads"]) == ("2.9.1", False, False)
    assert body["allowed_in_vain"] == ["2.9.1"]
    assert body["fits"][0] == "2.10.0"
    assert body["extensions"][0]["torch"] == [NEW_CHECK]


def test_damaged_member_is_told_once_and_the_rest_is_judged(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Content without its CRC is no reason to leave out the other object."""
    one = build_extension(tmp_path / "1", needs=[OLD_CHECK], torch=site, name="_A.so")
    path = tmp_path / "vllm-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(one, "vllm/_A.so")
        archive.write(one, "vllm/_B.so")
    body = bytearray(path.read_bytes())
    body[body.rindex(b"entry\0", 0, body.index(b"vllm/_B.so"))] ^= 1
    path.write_bytes(bytes(body))

    main(["abi", str(path), "--torch", "2.9.1"])

    out = capsys.readouterr().out
    assert out.count("does not have the declared CRC") == 1
    assert "vllm/_A.so: its content does not have the declared CRC" in out
    assert "unstable C++ ABI: 2" in out


def test_floors_and_bindings_are_printed(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What else the loader has to find stands beside the verdict."""
    path = build_extension(tmp_path, needs=[OLD_CHECK, "malloc"], torch=site, name="_C.so")

    main(["abi", str(path), "--torch", "2.9.1"])

    out = capsys.readouterr().out
    assert "  binds to unstable C++ ABI: 1\n" in out
    assert "  needs glibc 2." in out


def test_release_on_the_index_is_found(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The index may as well be a folder; several targets end with the worst."""
    good = build_extension(tmp_path / "g", needs=[OLD_CHECK], torch=site, name="_C.so")
    bad = build_extension(tmp_path / "b", needs=[NEW_CHECK], torch=site, name="_C.so")
    folder = tmp_path / "index" / "vllm"
    name = "vllm-1.0-cp38-abi3-manylinux1_x86_64.whl"
    wheel(folder / name, {"vllm/_C.so": good})
    (folder / "index.html").write_text(f'<a href="{(folder / name).as_uri()}">{name}</a>')

    assert main(["abi", "vllm==1.0", "--torch", "2.9.1"]) == 0
    assert main(["abi", "vllm==1.0", str(bad), "--torch", "2.9.1"]) == 1
    assert "vllm 1.0 beside torch 2.9.1: loads" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["vllm"], "names no single release"),
        (["vllm==1.0"], "no index that is configured knows"),
        (["not/a file"], "neither a file nor a requirement"),
        ([], "name a target"),
        (["--python", "/nowhere/python"], "neither an interpreter nor a folder"),
    ],
)
def test_mistake_of_the_caller_is_status_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was wrong is said on standard error, and nothing on standard output."""
    assert main(["abi", *words]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.out == ""


def test_file_that_is_no_object_is_status_13(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear error names the file."""
    path = tmp_path / "text.so"
    path.write_text("text" * 100)

    assert main(["abi", str(path)]) == 13
    assert "text.so: is not an ELF file" in capsys.readouterr().err


def test_installed_environment_is_judged(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Interpreter, environment and site-packages name the same thing."""
    build_extension(site, needs=[NEW_CHECK], torch=site)
    record(site, name="ext", version="1.0", files=["ext/_C.so"])
    environment = site.parents[2]

    assert main(["abi", "--python", str(environment)]) == 1
    assert main(["abi", "--python", str(site), "--json"]) == 1
    out = capsys.readouterr().out
    assert f"ext/_C.so: undefined symbol: {NEW_CHECK}" in out
    assert "something would not load" in out


def test_interpreter_is_asked_only_where_files_do_not_tell(site: Path, tmp_path: Path) -> None:
    """A virtual environment is found by its files; another interpreter says it itself."""
    environment = site.parents[2]
    (environment / "pyvenv.cfg").touch()
    (environment / "bin").mkdir()
    asked = tmp_path / "asked" / "bin" / "python"
    asked.parent.mkdir(parents=True)
    asked.write_text(f"#!/bin/sh\necho {site}\n")
    asked.chmod(0o755)
    silent = asked.with_name("silent")
    silent.symlink_to(shutil.which("true") or "/bin/true")

    assert find_site_packages(environment / "bin" / "python") == site
    assert find_site_packages(asked) == site
    with pytest.raises(UsageError, match="does not say"):
        find_site_packages(silent)


def _publish_torch(site: Path, index: Path, version: str) -> None:
    folder = index / "torch"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"torch-{version}-cp312-cp312-manylinux_2_28_x86_64.whl"
    files = {f"torch/lib/{path.name}": path for path in (site / "torch" / "lib").glob("*.so")}
    wheel(folder / name, files)
    links = "".join(f'<a href="{p.as_uri()}">{p.name}</a>' for p in sorted(folder.glob("*.whl")))
    (folder / "index.html").write_text(links)


def test_torch_release_is_learned(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table at --output is extended, in version order."""
    _publish_torch(site, tmp_path / "index", "3.0.0")
    _publish_torch(site, tmp_path / "index", "3.1.0")
    target = tmp_path / "exports.xz"
    target.write_bytes(render_exports([TorchExports((), names=(), places=())]))

    status = main(["abi", "--index-torch", "3.1.0", "--output", str(target)])
    status += main(["abi", "--index-torch", "3.0.0", "--output", str(target)])

    learned = parse_exports(target.read_bytes())["x86_64"]
    assert status == 0
    assert learned.versions == ("3.0.0", "3.1.0")
    assert learned.releases_with("_ZN2at4cuda3runEv") == ("3.0.0", "3.1.0")
    assert "torch 3.0.0: " in capsys.readouterr().err


def test_unknown_torch_release_is_a_mistake_of_the_caller(site: Path, tmp_path: Path) -> None:
    """Nothing is written for a release that has no wheel."""
    _publish_torch(site, tmp_path / "index", "3.0.0")
    target = tmp_path / "exports.xz"

    assert main(["abi", "--index-torch", "4.0.0", "--output", str(target)]) == 2
    assert not target.exists()


def test_table_holds_every_wheel_and_says_what_it_could_not_read(
    site: Path, tmp_path: Path
) -> None:
    """One row a release, with the column *locked to torch?*."""
    extension = build_extension(tmp_path, needs=[OLD_CHECK], torch=site, name="_C.so")
    folder = tmp_path / "index" / "vllm"
    good = wheel(folder / "vllm-1.0-cp38-abi3-manylinux1_x86_64.whl", {"vllm/_C.so": extension})
    broken = folder / "vllm-1.1-cp38-abi3-manylinux1_x86_64.whl"
    broken.write_bytes(good.read_bytes()[:-100])
    links = "".join(f'<a href="{path.as_uri()}">{path.name}</a>' for path in (good, broken))
    (folder / "index.html").write_text(links)
    exports = load_exports()
    files = list(find_wheels(IndexClient([(tmp_path / "index").as_uri()])))

    rows = make_table(files, exports=exports, cache=None)
    text = render_table(rows, exports=exports, command="made by a test")

    assert [(row.version, row.extensions, len(row.problems)) for row in rows] == [
        ("1.0", 1, 0),
        ("1.1", 0, 1),
    ]
    assert rows[0].fits[-1] == "2.9.1"
    assert "| vllm 1.0 | ==2.9.1 | to a range: 2.4.0-2.9.1 |" in text
    assert "unreadable: 1" in text


def test_table_command_writes_both_forms(site: Path, tmp_path: Path) -> None:
    """A run without changes writes the same bytes."""
    (tmp_path / "index").mkdir()
    first, second = tmp_path / "first", tmp_path / "second"

    assert main(["abi", "--table", "--output", str(first)]) == 0
    assert main(["abi", "--table", "--output", str(second)]) == 0
    for name in ("abi_table.json", "abi_table.md"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
