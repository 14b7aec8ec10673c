"""Evidence of many machines is one set: any order, any grouping, twice, full disks, bad clocks."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.model.codec import render_line
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.store import merge as merging
from pytest_verlcompat.store.jsonl import append, load
from pytest_verlcompat.store.merge import merge
from pytest_verlcompat.store.order import sorted_lines
from tests.tiny import make_evidence, python_path

if TYPE_CHECKING:
    from pytest_verlcompat.model.evidence import Evidence

_CELLS = ("a1.0", "b2.0")
_NOW = dt.datetime(2026, 6, 1, tzinfo=dt.timezone.utc)
_RECORDS = st.builds(
    make_evidence,
    cell_id=st.sampled_from(_CELLS),
    subject=st.sampled_from(["engine", "tokenizer"]),
    outcome=st.sampled_from([Outcome.PASSED, Outcome.FAILED]),
    started_at=st.sampled_from(["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000001Z"]),
    facts=st.dictionaries(st.text(max_size=3), st.text(max_size=3) | st.integers(0, 9), max_size=2),
)
_BATCHES = st.lists(st.lists(_RECORDS, max_size=5), max_size=4)


def _write(path: Path, records: list[Evidence]) -> Path:
    path.write_text("".join(render_line(record) + "\n" for record in records), encoding="utf-8")
    return path


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}


def _take(files: list[Path], evidence: Path) -> None:
    merge(files, evidence=evidence, cells=_CELLS, now=_NOW)


@settings(deadline=None, max_examples=20)
@given(batches=_BATCHES, data=st.data())
def test_any_order_and_grouping_gives_the_same_bytes(
    batches: list[list[Evidence]], data: st.DataObject
) -> None:
    """All at once, one by one in another order, twice, and merges of merges: equal files."""
    with TemporaryDirectory() as name:
        root = Path(name)
        files = [_write(root / f"{n}.jsonl", batch) for n, batch in enumerate(batches)]
        shuffled = data.draw(st.permutations(files))
        cut = data.draw(st.integers(0, len(files)))
        _take(files, root / "at-once")
        for path in shuffled:
            _take([path], root / "one-by-one")
        _take(files, root / "one-by-one")
        _take(shuffled[:cut], root / "left")
        _take(shuffled[cut:], root / "right")
        for side in ("left", "right"):
            _take(sorted((root / side).glob("*.jsonl")), root / "grouped")

        expected = _bytes(root / "at-once")
        assert _bytes(root / "one-by-one") == expected
        assert _bytes(root / "grouped") == expected
        together = load(sorted((root / "at-once").glob("*.jsonl"))).records
        assert {*map(render_line, together)} == {
            render_line(record) for batch in batches for record in batch
        }


def test_small_runs_on_the_disk_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit into memory is put in order by way of the disk, which is left clean."""
    records = [
        make_evidence(cell_id="a1.0", subject=f"s{n % 7}", facts={"n": n}) for n in range(50)
    ]
    source = _write(tmp_path / "in.jsonl", records)
    _take([source], tmp_path / "roomy")
    monkeypatch.setattr(merging, "sorted_lines", partial(sorted_lines, run_bytes=900))

    _take([source], tmp_path / "tight")

    assert _bytes(tmp_path / "tight") == _bytes(tmp_path / "roomy")


def test_contradicting_records_are_kept_and_said(tmp_path: Path) -> None:
    """Two machines that disagree under one lock and code: both stay, and the subject is named."""
    passed = make_evidence(cell_id="a1.0")
    failed = make_evidence(cell_id="a1.0", outcome=Outcome.FAILED, duration_s=9.0)
    other = make_evidence(cell_id="a1.0", subject="tokenizer", outcome=Outcome.FAILED)
    one = _write(tmp_path / "one.jsonl", [passed])
    two = _write(tmp_path / "two.jsonl", [failed, other])
    _take([one], tmp_path / "e")

    merged = merge([two], evidence=tmp_path / "e", cells=_CELLS, now=_NOW)

    assert merged.contradicted == ("a1.0: engine",)
    assert len(load([tmp_path / "e" / "a1.0.jsonl"]).records) == 3


@pytest.mark.parametrize(
    ("started_at", "said"),
    [
        ("2026-06-01T00:09:00.5Z", None),
        ("2026-06-01T00:11:00Z", "is from the future: 2026-06-01T00:11:00Z"),
        ("2099-01-01T00:00:00Z", "is from the future"),
        ("tomorrow", "no time in UTC"),
        ("2026-06-01T02:00:00+02:00", "no time in UTC"),
    ],
)
def test_record_from_the_future_is_refused(
    tmp_path: Path, started_at: str, said: str | None
) -> None:
    """Clocks may disagree by ten minutes; what is later would count as newest until then."""
    record = make_evidence(cell_id="a1.0", started_at=started_at)
    source = _write(tmp_path / "in.jsonl", [record])

    merged = merge([source], evidence=tmp_path / "e", cells=_CELLS, now=_NOW)

    assert merged.refused_count == (said is not None)
    assert said is None or said in merged.refused[0]


def test_damaged_and_foreign_lines_are_refused_and_counted(tmp_path: Path) -> None:
    """Each is one sentence with file and line; of very many the rest is a number."""
    source = tmp_path / "in.jsonl"
    foreign = render_line(make_evidence(cell_id="elsewhere"))
    source.write_text("<<<\n" * 60 + foreign + "\n" + render_line(make_evidence(cell_id="a1.0")))

    merged = merge([source], evidence=tmp_path / "e", cells=_CELLS, now=_NOW)

    assert (sum(merged.added.values()), merged.refused_count, len(merged.refused)) == (1, 61, 50)
    assert merged.refused[0].startswith("in.jsonl:1: not a JSON object")


def test_damaged_line_of_ours_is_kept(tmp_path: Path) -> None:
    """What a power cut left in our file is not thrown away by a merge."""
    ours = tmp_path / "e" / "a1.0.jsonl"
    ours.parent.mkdir()
    ours.write_bytes(b'{"torn\n')
    source = _write(tmp_path / "in.jsonl", [make_evidence(cell_id="a1.0")])

    _take([source], tmp_path / "e")

    assert len(load([ours]).records) == 1
    assert ours.read_bytes().endswith(b'{"torn\n')


def test_lines_are_kept_as_their_makers_wrote_them(tmp_path: Path) -> None:
    """A signature is of bytes: a key that this reader does not know survives."""
    line = render_line(make_evidence(cell_id="a1.0")).replace("{", '{"later":1,', 1)
    source = tmp_path / "in.jsonl"
    source.write_text(line + "\n")

    _take([source], tmp_path / "e")

    assert (tmp_path / "e" / "a1.0.jsonl").read_text() == line + "\n"


_FULL = """
import resource, sys
from pathlib import Path
from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.store.merge import merge
from pytest_verlcompat.store.order import sorted_lines
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
try:
    merge([Path(sys.argv[1])], evidence=Path(sys.argv[2]), cells=["a1.0", "b2.0"])
except EvidenceError as error:
    sys.exit(f"refused: {error}")
"""


def test_disk_that_takes_no_more_leaves_every_old_file_whole(tmp_path: Path) -> None:
    """New files are written aside, all of them first; room for one of two changes neither."""
    evidence = tmp_path / "e"
    for cell in _CELLS:
        append(make_evidence(cell_id=cell), path=evidence / f"{cell}.jsonl")
    before = _bytes(evidence)
    new = [make_evidence(cell_id="a1.0", subject="new")]
    new += [make_evidence(cell_id="b2.0", subject=f"s{n}") for n in range(20)]
    source = _write(tmp_path / "in.jsonl", new)

    ended = subprocess.run(
        [sys.executable, "-c", _FULL, source, evidence],
        env={**os.environ, "PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "refused: e: cannot be merged: File too large" in ended.stderr
    assert _bytes(evidence) == before


_APPENDER = """
import sys
from pathlib import Path
from pytest_verlcompat.store.jsonl import append
from tests.tiny import make_evidence
for number in range(60):
    append(make_evidence(cell_id="a1.0", subject=f"run-{number}"), path=Path(sys.argv[1]))
    print(number, flush=True)
"""


def test_records_appended_while_merging_are_not_lost(tmp_path: Path) -> None:
    """A run goes on while merges replace its file again and again: every record is there."""
    evidence = tmp_path / "e"
    merges = 0
    with subprocess.Popen(
        [sys.executable, "-c", _APPENDER, evidence / "a1.0.jsonl"],
        env={**os.environ, "PYTHONPATH": python_path()},
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        while writer.stdout.readline():
            record = make_evidence(cell_id="a1.0", subject=f"merged-{merges}")
            _take([_write(tmp_path / "in.jsonl", [record])], evidence)
            merges += 1
    assert writer.returncode == 0

    loaded = load([evidence / "a1.0.jsonl"])

    assert loaded.damaged == ()
    assert {record.subject for record in loaded.records} == {
        *(f"run-{number}" for number in range(60)),
        *(f"merged-{number}" for number in range(merges)),
    }


def test_remains_of_a_killed_merge_go_after_a_day(tmp_path: Path) -> None:
    """A fresh folder may belong to a merge that goes on; an old one is removed."""
    fresh, old = tmp_path / "e" / ".merge-fresh", tmp_path / "e" / ".merge-old"
    fresh.mkdir(parents=True)
    old.mkdir()
    os.utime(old, (0, 0))

    _take([_write(tmp_path / "in.jsonl", [])], tmp_path / "e")

    assert fresh.is_dir()
    assert not old.exists()


def test_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """The error names the folder and says that merging again is safe."""
    (tmp_path / "e").write_text("a file where a folder should be")

    with pytest.raises(EvidenceError, match=r"^e: cannot be merged: .*merge again$"):
        _take([_write(tmp_path / "in.jsonl", [])], tmp_path / "e")


def test_lines_of_a_cell_are_in_the_order_of_their_start(tmp_path: Path) -> None:
    """A reader of the file sees the first record first."""
    days = ["2026-03-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]
    source = _write(
        tmp_path / "in.jsonl", [make_evidence(cell_id="a1.0", started_at=day) for day in days]
    )

    _take([source], tmp_path / "e")

    records = load([tmp_path / "e" / "a1.0.jsonl"]).records
    assert all(one.started_at < two.started_at for one, two in pairwise(records))
