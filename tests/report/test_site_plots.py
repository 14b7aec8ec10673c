"""Plots say what the figures say, are well-formed, and are left out where there is nothing."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest

from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.report.site_cells import MEASURES
from pytest_verlcompat.report.site_plots import (
    render_bars,
    render_curve,
    render_lives,
    render_sound,
)
from tests.tiny import make_evidence

HOSTILE = '"><script>alert(1)</script>'


def _row(
    born: str, turned: str | None, *, pair: str = "a", today: str = "2026-11-19"
) -> dict[str, object]:
    turns = [{"day": turned}] if turned else []
    row = {"born": born, "today": today, "turns": turns, "pair": pair, "python": "3.12"}
    return {**row, "unknown": False}


def test_bars_are_as_long_as_their_figures() -> None:
    """The longest bar is the largest figure, and each figure stands beside its bar."""
    drawn = ET.fromstring(str(render_bars([("a", 2.0), ("b", 1.0)], unit="s", label="x")))

    widths = [float(each.attrib["width"]) for each in drawn.iter("rect")]
    assert widths[0] == pytest.approx(2 * widths[1])
    assert [each.text for each in drawn.iter("text")] == ["a", "2 s", "b", "1 s"]


@pytest.mark.parametrize("rows", [[], [("a", math.nan)], [("a", math.inf)], [("a", -1.0)]])
def test_figures_that_are_none_draw_nothing(rows: list[tuple[str, float]]) -> None:
    """What cannot be measured has no bar."""
    assert render_bars(rows, unit="s", label="x") is None


def test_names_in_plots_are_text() -> None:
    """A name that looks like markup is none."""
    bars = ET.fromstring(str(render_bars([(HOSTILE, 1.0)], unit="s", label="x")))
    lives = ET.fromstring(str(render_lives([_row("2026-01-01", None, pair=HOSTILE)])))

    for drawn in (bars, lives):
        assert "script" not in {each.tag for each in drawn.iter()}
        assert any(HOSTILE in (each.text or "") for each in drawn.iter("text"))


def test_sound_pairs_rise_when_born_and_fall_when_turned() -> None:
    """Of two pairs of which one turned, one is left at the end."""
    rows = [_row("2026-01-01", "2026-06-01"), _row("2026-02-01", None)]
    drawn = ET.fromstring(str(render_sound(rows)))

    born, sound = (each.attrib["d"] for each in drawn.iter("path"))
    assert born.count("V") == 2
    assert sound.count("V") == 3
    assert born.split("V")[1].partition("H")[0] == sound.split("V")[-1].partition("H")[0]


@pytest.mark.parametrize(
    "rows", [[], [_row("someday", None)], [_row("2026-11-19", None)], [_row("2026-99-99", "x")]]
)
def test_days_that_make_no_line_draw_none(rows: list[dict[str, object]]) -> None:
    """Without two days there is no line, and a day that is none breaks nothing."""
    assert render_sound(rows) is None


def test_curve_stays_inside_its_box() -> None:
    """Values outside 0 and 1 are held at the edge."""
    drawn = ET.fromstring(str(render_curve([-5.0, 0.5, 7.0])))

    points = next(drawn.iter("polyline")).attrib["points"].split()
    assert points == ["0.0,79.0", "150.0,40.0", "300.0,1.0"]


def test_measures_are_read_from_what_probes_record() -> None:
    """Start-up time, memory and mismatch come from the facts of passed probes."""
    records = [
        make_evidence(subject="engine_import_vllm", duration_s=17.5),
        make_evidence(
            subject="engine_start_vllm",
            rung=Rung.GPU,
            facts={"engines": {"LLM": {"start_s": 21.0}, "AsyncLLM": {"start_s": 23.5}}},
            peak_gpu_mib=4096,
        ),
        make_evidence(
            subject="rollout_agreement", rung=Rung.GPU, facts={"difference": {"mean": 0.0021}}
        ),
    ]

    assert [measure(records) for _, _, measure in MEASURES] == [17.5, 23.5, 4096.0, 0.0021]


def test_measures_of_odd_facts_are_none() -> None:
    """A probe that failed or recorded something else measures nothing."""
    records = [
        make_evidence(subject="engine_import_vllm", outcome=Outcome.SKIPPED),
        make_evidence(subject="engine_start_vllm", facts={"engines": 3, "start_s": True}),
        make_evidence(subject="rollout_agreement", facts={"difference": {"mean": "x"}}),
    ]

    assert [measure(records) for _, _, measure in MEASURES] == [None] * 4
