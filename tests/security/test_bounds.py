"""What others made may be hostile: each reader ends within moments, with an error of ours."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.launch_script import load_script
from pytest_verlcompat.errors import VerlcompatError
from pytest_verlcompat.execute.manifest import load_manifest
from pytest_verlcompat.matrix.load import load_toml
from pytest_verlcompat.probes.launch import _read_reply
from pytest_verlcompat.resolve import sdist
from pytest_verlcompat.wheels.config_facts import collect_config

if TYPE_CHECKING:
    from pathlib import Path

_MOST_S = 10.0


def _alias_bomb(opening: str, closing: str, pair: str) -> str:
    """Return YAML of some lines whose names stand for billions of values."""
    lines = [f"b0: &b0 {opening}{pair.format(0)}1{closing}"]
    for level in range(1, 10):
        parts = ", ".join(f"{pair.format(each)}*b{level - 1}" for each in range(9))
        lines.append(f"b{level}: &b{level} {opening}{parts}{closing}")
    return "\n".join(lines)


_MAPPINGS = _alias_bomb("{", "}", "k{}: ")
_LISTS = _alias_bomb("[", "]", "")
_GROWING = "A=aaaaaaaaaa\n" + "A=$A$A$A$A\n" * 30 + "python3 -m verl.trainer.main_ppo a.b=$A\n"
_ARRAYS = "A=(a b c d)\n" + 'A=("${A[@]}" "${A[@]}" "${A[@]}")\n' * 30 + "python3 -m m a=${A[@]}\n"

SCRIPTS = {
    "mappings.yaml": _MAPPINGS,
    "itself.yaml": "&a {b: *a}",
    "deep.yaml": "{a: " * 30_000,
    "deeper.yaml": "\n".join(" " * level + "a:" for level in range(600)),
    "growing.sh": _GROWING,
    "arrays.sh": _ARRAYS,
    "defaults.sh": "echo " + "${A:-" * 2_000,
    "large.sh": "a.b=" + "x" * 5_000_000,
}
FINE = {
    "lists.yaml": _LISTS,  # a list is kept as its text, names and all
    "substitutions.sh": "$(" * 20_000,
    "quotes.sh": "'\"" * 60_000,
    "escapes.sh": "\\a" * 60_000,
    "word.sh": "a.b=" + "x" * 200_000,
    "heredoc.sh": "cat <<X\n" + "\n" * 200_000,
    "product.sh": "A=9\n" + "A=$((A*A))\n" * 40,
}


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_hostile_launch_script_is_refused_within_moments(tmp_path: Path, name: str) -> None:
    """Nodes that name one another, values that grow, nesting without end, megabytes."""
    path = tmp_path / name
    path.write_text(SCRIPTS[name])
    started = time.monotonic()

    with pytest.raises(VerlcompatError, match=rf"^(line \d+|.*{name})"):
        load_script(path)
    assert time.monotonic() - started < _MOST_S


@pytest.mark.parametrize("name", list(FINE))
def test_odd_launch_script_is_read_within_moments(tmp_path: Path, name: str) -> None:
    """What is only odd is read, in a time that does not grow with the square."""
    path = tmp_path / name
    path.write_text(FINE[name])
    started = time.monotonic()

    load_script(path)

    assert time.monotonic() - started < _MOST_S


@pytest.mark.parametrize("text", [_MAPPINGS, _LISTS, "a: &a [*a]", "[" * 100_000, "&a {b: *a}"])
def test_hostile_configuration_is_a_problem_of_its_release(text: str) -> None:
    """The file is named, the others are read."""

    class Tree:
        def names(self) -> list[str]:
            return ["verl/config/a.yaml", "verl/config/b.yaml"]

        def read_many(self, names: list[str], **_: object) -> dict[str, bytes]:
            return dict(zip(names, (text.encode(), b"x: 1"), strict=True))

    facts = collect_config(Tree(), distribution="verl", version="1.0")

    assert list(facts.files) == ["verl/config/b"]
    assert facts.problems[0].startswith("verl/config/a.yaml: ")


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000,
        ".".join("a" * 20_000) + " = 1",
        "a = " + "9" * 10_000,
        "\0",
        "a = 1" * 9,
    ],
)
def test_hostile_toml_is_an_error_of_ours(tmp_path: Path, text: str) -> None:
    """Nesting, keys of thousands of parts and numbers that nothing holds."""
    path = tmp_path / "x.toml"
    path.write_text(text)
    started = time.monotonic()

    with pytest.raises(VerlcompatError, match=r"^cells/x\.toml: is not TOML"):
        load_toml(path, "cells/x.toml")
    assert time.monotonic() - started < _MOST_S


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": 1, "files": 1e999}', "x" * (17 << 20)])
def test_hostile_manifest_is_an_error_of_ours(tmp_path: Path, text: str) -> None:
    """The first thing that is read of a bundle."""
    (tmp_path / "manifest.json").write_text(text)

    with pytest.raises(VerlcompatError, match=r"^manifest\.json: "):
        load_manifest(tmp_path)


def test_source_distribution_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that nobody asks for is skipped only by unpacking it."""
    monkeypatch.setattr(sdist, "_LIMIT_UNPACKED_BYTES", 1 << 20)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("ext-1.0/zeros")
        entry.size = 2 << 20
        archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    path = tmp_path / "ext-1.0.tar.gz"
    path.write_bytes(gzip.compress(stream.getvalue()))

    with pytest.raises(VerlcompatError, match="unpacks to more than"):
        sdist.read_sdist(path)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, json.dumps({"facts": {"x": "y" * (5 << 20)}}), '{"facts": {"a": 1e999}}'],
)
def test_hostile_reply_of_a_probe_is_no_reply(tmp_path: Path, text: str) -> None:
    """What the stack under test left is read like anything of a stranger."""
    (tmp_path / "output.json").write_text(text)

    assert _read_reply(tmp_path) is None
