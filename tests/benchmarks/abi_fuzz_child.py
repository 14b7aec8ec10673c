"""Run mutated copies of the files in a folder through the readers; print figures as JSON.

Arguments: the folder, and how many cases. The seed is fixed, so that a case can be had again.
An error that is not ours ends this process with its traceback and the number of the case.
"""

from __future__ import annotations

import io
import json
import random
import resource
import shutil
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

from pytest_verlcompat.checks.abi_live import check_installed
from pytest_verlcompat.errors import VerlcompatError
from pytest_verlcompat.wheels.archive import open_wheel
from pytest_verlcompat.wheels.elf import GnuHash, Tables, parse_shared_object
from pytest_verlcompat.wheels.ends import EndsImage, EndUnreadableError
from pytest_verlcompat.wheels.fatbin import find_architectures, scan_architectures
from pytest_verlcompat.wheels.front import NotInFrontError, parse_front
from pytest_verlcompat.wheels.gpu_code import read_gpu_code
from pytest_verlcompat.wheels.images import SparseImage, keep_loaded_parts
from pytest_verlcompat.wheels.needs import read_needs

DICE = random.Random(20261120)  # noqa: S311 -- cases to be had again, nothing secret
EXPECTED = (VerlcompatError, NotInFrontError, EndUnreadableError)
VALUES = (0, 1, 0x7F, 0xFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
NAME = "ext/_C.so"


def mutate(body: bytes) -> bytes:
    """Return *body* with a few fields overwritten, most near its start, and perhaps cut."""
    mutated = bytearray(body)
    for _ in range(DICE.randint(1, 12)):
        width = DICE.choice((1, 2, 4, 8))
        reach = DICE.choice((64, 1 << 10, 1 << 14, len(body)))
        start = DICE.randrange(min(reach, len(body)))
        if DICE.random() < 0.2:
            start = max(0, len(body) - 1 - start)
        value = DICE.choice(VALUES) if DICE.random() < 0.6 else DICE.getrandbits(64)
        packed = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
        mutated[start : start + width] = packed
    if DICE.random() < 0.2:
        del mutated[DICE.randrange(len(mutated)) :]
    return bytes(mutated)


def pack(body: bytes) -> bytes:
    """Return a wheel with *body* as its one object."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NAME, body)
        archive.writestr("ext-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: ext\n")
    return stream.getvalue()


def read_object(body: bytes) -> None:
    """Read *body* as an object, whole, by its start and as a stream."""
    image = SparseImage([(0, body)], label="fuzzed")
    ways = (
        lambda: parse_shared_object(image, exports=True),
        lambda: GnuHash(Tables(image)).exports("_ZN3c105ErrorD1Ev"),
        lambda: find_architectures(image),
        lambda: scan_architectures([body]),
        lambda: parse_front(lambda size: body[:size], label="fuzzed"),
        lambda: parse_shared_object(keep_loaded_parts([body], label="fuzzed")),
    )
    for way in ways:
        try:
            way()
            KINDS["read"] += 1
        except EXPECTED as error:
            KINDS[type(error).__name__] += 1


def read_wheel(body: bytes, folder: Path) -> None:
    """Read the mutated wheel *body* as the command does, and the end of its object."""
    path = folder / "ext-1.0-py3-none-any.whl"
    path.write_bytes(body)
    try:
        with open_wheel(path) as wheel:
            read_needs(wheel)
            read_gpu_code(wheel)
            parse_shared_object(EndsImage(wheel, NAME), exports=True)
        KINDS["read"] += 1
    except EXPECTED as error:
        KINDS[type(error).__name__] += 1


def read_environment(body: bytes, folder: Path) -> None:
    """Judge an environment in which *body* stands for torch's library and for an extension."""
    site = folder / "site"
    shutil.rmtree(site, ignore_errors=True)
    (site / "torch" / "lib").mkdir(parents=True)
    (site / "ext-1.0.dist-info").mkdir()
    (site / "ext").mkdir()
    (site / "torch" / "version.py").write_text("__version__ = '2.8.0'\n")
    (site / "torch" / "lib" / "libtorch_cuda.so").write_bytes(body)
    (site / "torch" / "lib" / "libc10.so").write_bytes(body)
    (site / "ext-1.0.dist-info" / "RECORD").write_text("ext/_C.so,,\n")
    (site / "ext" / "_C.so").write_bytes(body)
    check_installed(site, capabilities=[(9, 0)])
    KINDS["read"] += 1


KINDS: Counter[str] = Counter()


def main(folder: Path, cases: int) -> dict[str, object]:
    """Return the figures of *cases* mutations."""
    bodies = [path.read_bytes() for path in sorted(folder.iterdir())]
    wheels = [pack(body) for body in bodies]
    slowest = 0.0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(cases):
            which = DICE.randrange(len(bodies))
            began = time.monotonic()
            try:
                if number % 4 == 0:
                    read_wheel(mutate(wheels[which]), Path(scratch))
                elif number % 4 == 1:
                    read_environment(mutate(bodies[which]), Path(scratch))
                else:
                    read_object(mutate(bodies[which]))
            except Exception:
                sys.stderr.write(f"case {number}\n")
                raise
            slowest = max(slowest, time.monotonic() - began)
    return {
        "cases": cases,
        "seconds": round(time.monotonic() - started, 1),
        "slowest_case_s": round(slowest, 2),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        "ended": dict(sorted(KINDS.items())),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))) + "\n")
