"""What it costs to know a torch release: every one is read again and compared with what we ship.

Takes minutes; a run goes on where the last one stopped, as long as the shipped data is the same.
"""

from __future__ import annotations

import hashlib
import json
import time
from importlib import resources
from typing import Any

import pytest

from pytest_verlcompat.wheels.archive import open_wheel
from pytest_verlcompat.wheels.exports import (
    TorchExports,
    load_tables,
    merge_exports,
    render_exports,
)
from pytest_verlcompat.wheels.index import IndexClient, choose_wheel
from pytest_verlcompat.wheels.torch_release import read_release
from tests.figures import FOLDER, write_figures

NAME = "abi_index"
COMMAND = "pytest -m bench tests/benchmarks/test_abi_index_bench.py"
TITLE = "What reading the exports of every torch release costs, and whether they are as shipped"

pytestmark = pytest.mark.bench


def _known_rows() -> list[dict[str, Any]]:
    path = FOLDER / f"{NAME}.json"
    rows: list[dict[str, Any]] = (
        json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    )
    return rows


def _data() -> bytes:
    return (resources.files("pytest_verlcompat.wheels") / "data" / "torch_exports.xz").read_bytes()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_release_is_as_shipped(machine: str) -> None:
    """Wheel, digest, libraries and every name, for few of the bytes of the wheel."""
    table = load_tables()[machine]
    digest = hashlib.sha256(_data()).hexdigest()[:8]
    done = {row["what"] for row in _known_rows() if row.get("data") == digest}
    client = IndexClient.configured()
    for version in table.versions:
        what = f"torch {version} for {machine}"
        if what in done:
            continue
        file = choose_wheel(
            client.releases("torch"),
            version=version,
            python="3.12",
            platform=f"manylinux_2_39_{machine}",
        )
        assert file is not None, what
        started = time.monotonic()
        with open_wheel(file.url, digest=file.sha256, transport=client.transport) as wheel:
            read = read_release(wheel, version=version, sha256=file.sha256)
            libraries = [wheel.member(n) for n in wheel.names() if n.startswith("torch/lib/lib")]
            row = {
                "what": what,
                "seconds": round(time.monotonic() - started, 1),
                "bytes_read": wheel.bytes_read,
                "requests": wheel.requests_sent,
                "bytes_of_all_libraries": sum(each.compressed_bytes for each in libraries),
                "names": sum(map(len, read.names.values())),
                "cuda": read.release.cuda,
                "as_shipped": read == table.exported_by(version),
                "data": digest,
            }
        write_figures(NAME, title=TITLE, command=COMMAND, figures={}, rows=[row])

    rows = [r for r in _known_rows() if r.get("data") == digest and machine in r["what"]]
    write_figures(
        NAME,
        title=TITLE,
        command=COMMAND,
        figures={
            machine: {
                "releases": len(rows),
                "as_shipped": sum(row["as_shipped"] for row in rows),
                "bytes_read_least": min(row["bytes_read"] for row in rows),
                "bytes_read_most": max(row["bytes_read"] for row in rows),
                "bytes_read_together": sum(row["bytes_read"] for row in rows),
                "seconds_together": round(sum(row["seconds"] for row in rows), 1),
            }
        },
        rows=[],
    )
    assert len(rows) == len(table.versions)
    assert all(row["as_shipped"] for row in rows)


def test_a_release_is_stored_in_few_bytes() -> None:
    """What the data costs in all, for each release, and for one more."""
    tables = load_tables()
    body = _data()
    count = sum(len(table.releases) for table in tables.values())
    figures: dict[str, Any] = {
        "data_bytes": len(body),
        "data_releases": count,
        "data_bytes_for_each": len(body) // count,
        "data_bytes_without_aarch64": len(render_exports([tables["x86_64"]])),
    }
    newest = tables["x86_64"].versions[-1]
    alone = merge_exports(
        TorchExports((), names=(), places=()), [tables["x86_64"].exported_by(newest)]
    )
    before = TorchExports((), names=(), places=())
    before = merge_exports(
        before, map(tables["x86_64"].exported_by, tables["x86_64"].versions[:-1])
    )
    added = figures["data_bytes_without_aarch64"] - len(render_exports([before]))
    figures |= {
        "data_bytes_one_release_alone": len(render_exports([alone])),
        f"data_bytes_added_by_{newest}": added,
    }
    write_figures(NAME, title=TITLE, command=COMMAND, figures=figures, rows=[])

    assert render_exports(tables.values()) == body
    assert len(body) < 1 << 20
