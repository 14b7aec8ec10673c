"""Feed one parser mutated inputs for some seconds; print what came of it as JSON.

Arguments: the parser, the seconds, a folder of seeds. The dice start at the same number, so a case
can be had again: a case that raises what is not ours, or takes longer than ten seconds, ends this
process with its traceback, and lies in the folder as ``case``.
"""

from __future__ import annotations

import io
import json
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from pytest_verlcompat.checks.launch_script import load_script
from pytest_verlcompat.errors import VerlcompatError
from pytest_verlcompat.execute.manifest import Manifest, load_manifest
from pytest_verlcompat.execute.pieces import find_pieces
from pytest_verlcompat.execute.unpack import unpack
from pytest_verlcompat.issues.catalogue import load_catalogue, parse_entry
from pytest_verlcompat.issues.explain import explain
from pytest_verlcompat.issues.render import render_report, render_text
from pytest_verlcompat.matrix.load import load_axis, load_cell, load_matrix
from pytest_verlcompat.model.codec import render_line
from pytest_verlcompat.resolve.sdist import read_sdist
from pytest_verlcompat.store.jsonl import load
from pytest_verlcompat.wheels.archive import open_wheel
from pytest_verlcompat.wheels.config_facts import _parse as parse_config
from pytest_verlcompat.wheels.elf import GnuHash, Tables, parse_shared_object
from pytest_verlcompat.wheels.fatbin import find_architectures
from pytest_verlcompat.wheels.front import NotInFrontError, parse_front
from pytest_verlcompat.wheels.gpu_code import read_gpu_code
from pytest_verlcompat.wheels.images import SparseImage
from pytest_verlcompat.wheels.needs import read_needs

if TYPE_CHECKING:
    from collections.abc import Callable

DICE = random.Random(20261120)  # noqa: S311 -- cases to be had again, nothing secret
DEADLINE_S = 10
NUMBERS = (0, 1, 0x7F, 0xFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
TOKENS = tuple(
    word.encode()
    for word in (
        "[", "]", "{", "}", '"', "'", "\\", "\n", "\r", "\t", "\0", ":", "=", ",", "#", "|", "&&",
        "&a ", "*a ", "<<: *a", "- ", "$(", "${", "${A:-${B}}", "`", "<<EOF\n", "\\\n", "../",
        "1e999", "NaN", "-1", "9" * 400, "0x", "null", "true", "\\ud800", "\u202e", "\x1b[31m",
        "a" * 5000, " " * 5000, "[" * 3000, "{" * 3000, "\\" * 999, "(((((", "/etc/passwd",
        "Traceback (most recent call last):\n", "ImportError: ", "(EngineCore pid=1) ",
        "!!python/object/apply:os.system ",
    )
)  # fmt: skip


def mutate(body: bytes, other: bytes) -> bytes:
    """Return *body* with a few parts overwritten, cut, repeated, or taken from *other*."""
    mutated = bytearray(body)
    for _ in range(DICE.choice((1, 1, 2, 3, 5, 12))):
        at = DICE.randrange(len(mutated) + 1)
        reach = min(DICE.choice((1, 8, 64, 1000)), len(mutated) - at)
        how = DICE.randrange(7)
        if how == 0 and mutated:
            mutated[min(at, len(mutated) - 1)] = DICE.randrange(256)
        elif how == 1:
            width = DICE.choice((1, 2, 4, 8))
            mutated[at : at + width] = (DICE.choice(NUMBERS) & ((1 << 8 * width) - 1)).to_bytes(
                width, "little"
            )
        elif how == 2:
            mutated[at:at] = DICE.choice(TOKENS)
        elif how == 3:
            del mutated[at : at + reach]
        elif how == 4:
            mutated[at:at] = mutated[at : at + reach] * DICE.choice((1, 2, 50))
        elif how == 5 and other:
            start = DICE.randrange(len(other))
            mutated[at : at + reach] = other[start : start + reach]
        elif DICE.random() < 0.2:
            del mutated[at:]
    return bytes(mutated[: 8 << 20])


def fuzz_elf(body: bytes, _: Path) -> None:
    """Read an object whole, by its hash table and by its start."""
    image = SparseImage([(0, body)], label="fuzzed")
    ways: tuple[Callable[[], object], ...] = (
        lambda: parse_shared_object(image, exports=True),
        lambda: GnuHash(Tables(image)).exports("_ZN3c105ErrorD1Ev"),
        lambda: find_architectures(image),
        lambda: parse_front(lambda size: body[:size], label="fuzzed"),
    )
    for way in ways:
        with suppress(VerlcompatError, NotInFrontError):
            way()


def fuzz_wheel(body: bytes, folder: Path) -> None:
    """Read names, metadata, objects and GPU code of a wheel."""
    path = folder / "ext-1.0-py3-none-any.whl"
    path.write_bytes(body)
    with open_wheel(path) as wheel:
        read_needs(wheel)
        read_gpu_code(wheel)
        for name in list(wheel.names())[:20]:
            for _ in wheel.stream(name):
                pass


def fuzz_sdist(body: bytes, folder: Path) -> None:
    """Read what a source distribution requires."""
    path = folder / "ext-1.0.tar.gz"
    path.write_bytes(body)
    read_sdist(path)


def fuzz_log(body: bytes, _: Path) -> None:
    """Explain a log and say so in both forms."""
    diagnosis = explain(io.BytesIO(body), catalogue=CATALOGUE)
    render_text(diagnosis)
    render_report(diagnosis)


def fuzz_record(body: bytes, folder: Path) -> None:
    """Load lines of evidence; what was read is written again."""
    path = folder / "e.jsonl"
    path.write_bytes(body)
    for record in load([path]).records:
        render_line(record).encode()


def fuzz_toml(body: bytes, folder: Path) -> None:
    """Load an axis, a cell and an entry of the catalogue from the same text."""
    path = folder / "x.toml"
    path.write_bytes(body)
    text = body.decode("utf-8", errors="replace")
    for way in (
        lambda: load_axis(path),
        lambda: load_cell(path, axes=AXES),
        lambda: parse_entry(text, "VC999-x.toml", prove=False),
    ):
        with suppress(VerlcompatError):
            way()


def fuzz_launch(body: bytes, folder: Path) -> None:
    """Read a launch script as shell and as YAML, and a configuration file."""
    for name in ("train.sh", "train.yaml"):
        path = folder / name
        path.write_bytes(body)
        with suppress(VerlcompatError):
            load_script(path)
    with suppress(
        ValueError, RecursionError, yaml.YAMLError
    ):  # what its caller records as a problem
        parse_config(body)


def fuzz_bundle(body: bytes, folder: Path) -> None:
    """Read a manifest, or unpack a stream of which the manifest of another says how much it is."""
    if body.startswith(b"{"):
        (folder / "manifest.json").write_bytes(body)
        find_pieces(folder, load_manifest(folder))
        return
    piece = folder / "piece.000"
    piece.write_bytes(body)
    with tempfile.TemporaryDirectory(dir=folder) as into:
        unpack([piece], MANIFEST, into=Path(into) / "x")


def _take_turns(name: str, seconds: float, seeds: Path) -> dict[str, object]:
    parse = globals()[f"fuzz_{name}"]
    bodies = [path.read_bytes() for path in sorted(seeds.iterdir())]
    ended: Counter[str] = Counter()
    cases, slowest, started = 0, 0.0, time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        while time.monotonic() - started < seconds:
            case = mutate(DICE.choice(bodies), DICE.choice(bodies))
            began = time.monotonic()
            signal.alarm(DEADLINE_S)
            try:
                parse(case, Path(scratch))
                ended["read"] += 1
            except VerlcompatError as error:
                ended[type(error).__name__] += 1
            except BaseException:
                signal.alarm(0)
                (seeds / "case").write_bytes(case)
                raise
            signal.alarm(0)
            cases += 1
            slowest = max(slowest, time.monotonic() - began)
    return {
        "cases": cases,
        "seconds": round(time.monotonic() - started, 1),
        "slowest_case_s": round(slowest, 2),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        "ended": dict(sorted(ended.items())),
    }


def _too_long(*_: object) -> None:
    raise TimeoutError(f"a case takes longer than {DEADLINE_S} s")


CATALOGUE = load_catalogue()
MANIFEST = Manifest(
    cell_id="a1.0",
    values={},
    versions={},
    lock_sha256="",
    python="3.12",
    platform="x86_64-manylinux_2_35",
    left_out={},
    dropped=(),
    compression="gzip",
    harness="0",
    files=3,
    unpacked_bytes=100_000,
    bytes=0,
    sha256="",
    pieces=(),
)
AXES = load_matrix(Path(__file__).parents[2] / "matrix").axes

if __name__ == "__main__":
    signal.signal(signal.SIGALRM, _too_long)
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    told = _take_turns(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]))
    sys.stdout.write(json.dumps(told) + "\n")
