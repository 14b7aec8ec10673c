"""Published verdicts are found, read strictly, and the nearest one is said."""

from __future__ import annotations

import http.server
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from pytest_verlcompat.advise.snapshot import load_snapshot, nearest, parse_snapshot
from pytest_verlcompat.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

WORKS = ("compatible",)
ANY = ("compatible", "incompatible")


def _cell(cell_id: str, verdict: str = "compatible", **versions: str) -> dict[str, Any]:
    return {
        "id": cell_id,
        "title": cell_id,
        "verdict": verdict,
        "versions": {"verl": "0.6.1", "vllm": "0.11.0", **versions},
        "rungs": {"passed": ["resolves"], "failed": [], "partial": [], "untested": ["gpu"]},
        "conditions": [],
        "records": [],
    }


def _body(*cells: dict[str, Any]) -> bytes:
    return json.dumps({"cells": cells, "key of a later release": 1}).encode()


def _versions(**texts: str) -> dict[str, Version]:
    return {name: Version(text) for name, text in {"verl": "0.6.1", **texts}.items()}


def test_matrix_of_this_release_is_found_without_being_named() -> None:
    """A checkout has it under reports, a wheel beside the module."""
    cells = load_snapshot()

    assert cells
    assert {"verl"} <= set(cells[0].versions)


def test_same_versions_have_no_difference() -> None:
    """Local versions and what one side does not know make none."""
    cells = parse_snapshot(_body(_cell("a", torch="2.8.0")), where="x")

    found = nearest(cells, _versions(vllm="0.11.0", torch="2.8.0+cu128", ray="2.5"), verdicts=ANY)

    assert found is not None
    assert (found.distance, found.differences) == (0, ())


def test_engine_weighs_more_than_a_library() -> None:
    """A cell of the same engine and another numpy is nearer than one of another engine release."""
    cells = parse_snapshot(
        _body(_cell("engine", vllm="0.12.0", numpy="1.26.4"), _cell("numpy", numpy="2.2.6")),
        where="x",
    )

    found = nearest(cells, _versions(vllm="0.11.0", numpy="1.26.4"), verdicts=ANY)

    assert found is not None
    assert found.cell.id == "numpy"
    assert found.differences == ("numpy 2.2.6 there, 1.26.4 here",)


def test_cells_of_another_engine_or_verdict_do_not_compare() -> None:
    """Nothing is said of SGLang by a cell with vLLM, nor of what works by what fails."""
    cells = parse_snapshot(_body(_cell("a", verdict="incompatible")), where="x")

    assert nearest(cells, _versions(sglang="0.5.5"), verdicts=ANY) is None
    assert nearest(cells, _versions(vllm="0.11.0"), verdicts=WORKS) is None


@pytest.mark.parametrize(
    "body", [b"\xff\x00", b"[]", b'{"cells": 3}', b'{"cells": [{"id": 1}]}', b"", b'{"cells": ['],
)  # fmt: skip
def test_file_that_is_no_matrix_is_refused_with_its_name(tmp_path: Path, body: bytes) -> None:
    """Binary, cut, foreign and empty files end alike."""
    path = tmp_path / "matrix.json"
    path.write_bytes(body)

    with pytest.raises(UsageError, match=r"matrix\.json"):
        load_snapshot(str(path))


def test_missing_file_and_silent_server_are_errors(tmp_path: Path) -> None:
    """What was named and is not there is said."""
    for place in (str(tmp_path / "none.json"), "http://127.0.0.1:9/matrix.json"):
        with pytest.raises(UsageError, match="cannot read this matrix"):
            load_snapshot(place)


def test_address_is_fetched_only_where_it_is_named() -> None:
    """A published site can be compared with."""

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(_body(_cell("remote")))

        def log_message(self, *words: object) -> None:
            del words

    with http.server.HTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        cells = load_snapshot(f"http://127.0.0.1:{server.server_port}/matrix.json")

    assert [cell.id for cell in cells] == ["remote"]
