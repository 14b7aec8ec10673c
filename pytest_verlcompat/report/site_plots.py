"""Draw plots as SVG: the same records give the same bytes; words beside them say the same."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from pytest_verlcompat.report.inert import bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_verlcompat.report.site_space import Place

_CLASSES = {
    "compatible": "good",
    "conditional": "mid",
    "incompatible": "bad",
    "errored": "ours",
}
_STRIP_HEIGHT, _RUNG_HEIGHT = 32, 4
_PLOT_WIDTH = 760


def render_strip(places: Iterable[Place], known: Sequence[str], *, label: str) -> Markup:
    """Return a bar an engine release, as high as the rungs it reaches; a dot is unresolvable."""
    best: dict[str, Place] = {}
    for each in places:
        before = best.get(each.cell.release)
        if before is None or _height(each) > _height(before):
            best[each.cell.release] = each
    width = max(4 * len(known), 4)
    shapes = []
    for index, release in enumerate(known):
        place = best.get(release)
        if place is None:
            continue
        height = max(_height(place) * _RUNG_HEIGHT, 1)
        name = _CLASSES.get(place.word, "none")
        shapes.append(
            Markup('<rect class="{}" x="{}" y="{}" width="3" height="{}"/>').format(
                name, 4 * index, _STRIP_HEIGHT - height, height
            )
        )
    return _svg(shapes, width=width, height=_STRIP_HEIGHT, label=label)


def _height(place: Place) -> int:
    return place.highest.order + 1 if place.highest is not None else 0


def render_sound(rows: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Return two lines over time: pairs that came out sound, and those that still are."""
    born = sorted(each["born"] for each in rows if not each["unknown"])
    turned = sorted(each["turns"][0]["day"] for each in rows if each["turns"])
    days = [day for day in (*born, *turned, *(each["today"] for each in rows)) if _ordinal(day)]
    if not born or len(set(days)) < 2:  # noqa: PLR2004 -- a line has two ends
        return None
    first, last = min(days), max(days)
    height, left, bottom = 220, 40, 190

    def x(day: str) -> float:
        span = _ordinal(last) - _ordinal(first)
        return left + (_PLOT_WIDTH - left - 10) * (_ordinal(day) - _ordinal(first)) / span

    def y(count: int) -> float:
        return bottom - (bottom - 12) * count / len(born)

    def line(days: Sequence[str], name: str, lost: Sequence[str] = ()) -> Markup:
        events = sorted([*((day, 1) for day in days), *((day, -1) for day in lost)])
        count, points = 0, [f"M{x(first):.1f},{y(0):.1f}"]
        for day, change in events:
            count += change
            points.append(f"H{x(day):.1f}V{y(count):.1f}")
        points.append(f"H{x(last):.1f}")
        return Markup('<path class="{}" d="{}"/>').format(name, "".join(points))

    shapes = [*_months(first, last, x=x, bottom=bottom), *_counts(len(born), y=y, left=left)]
    shapes += [line(born, "line-good"), line(born, "line-bad", turned)]
    return _svg(shapes, width=_PLOT_WIDTH, height=height, label="Sound pairs over time")


def _months(first: str, last: str, *, x: Any, bottom: int) -> list[Markup]:  # noqa: ANN401 -- a local scale
    found = []
    day = dt.date.fromisoformat(first).replace(day=1)
    while day.isoformat() <= last:
        if day.isoformat() >= first and day.month in {1, 4, 7, 10}:
            found.append(
                Markup(
                    '<line class="axis" x1="{0:.1f}" x2="{0:.1f}" y1="12" y2="{1}"/>'
                    '<text class="quiet-text" x="{0:.1f}" y="{2}" text-anchor="middle">{3}</text>'
                ).format(x(day.isoformat()), bottom, bottom + 16, day.isoformat()[:7])
            )
        day = (day + dt.timedelta(days=32)).replace(day=1)
    return found


def _counts(most: int, *, y: Any, left: int) -> list[Markup]:  # noqa: ANN401 -- a local scale
    step = 10 ** max(len(str(most)) - 1, 0)
    step = step if most / step > 2 else max(step // 2, 1)  # noqa: PLR2004 -- at least three lines
    return [
        Markup(
            '<line class="axis" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>'
            '<text class="quiet-text" x="{3}" y="{4:.1f}" text-anchor="end">{5}</text>'
        ).format(left, _PLOT_WIDTH - 10, y(count), left - 6, y(count) + 4, count)
        for count in range(0, most + 1, step)
    ]


def render_lives(rows: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Return a bar a pair: sound from its release until its first turn, broken from then on."""
    shown = [each for each in rows if _ordinal(each["born"]) and _ordinal(each["today"])]
    if not shown:
        return None
    first = min(_ordinal(each["born"]) for each in shown)
    last = max(_ordinal(each["today"]) for each in shown)
    left, tall = 245, 14

    def x(day: str) -> float:
        return left + (_PLOT_WIDTH - left - 10) * (_ordinal(day) - first) / max(last - first, 1)

    shapes = []
    for index, each in enumerate(shown):
        top = index * tall
        turn = each["turns"][0]["day"] if each["turns"] else each["today"]
        shapes.append(
            Markup(
                '<text x="{}" y="{}" text-anchor="end">{}</text>'
                '<rect class="good" x="{:.1f}" y="{}" width="{:.1f}" height="9"/>'
            ).format(
                left - 6,
                top + 10,
                f"{each['pair']}, {each['python']}",
                x(each["born"]),
                top + 2,
                max(x(turn) - x(each["born"]), 1),
            )
        )
        if each["turns"]:
            shapes.append(
                Markup('<rect class="bad" x="{:.1f}" y="{}" width="{:.1f}" height="5"/>').format(
                    x(turn), top + 4, max(x(each["today"]) - x(turn), 1)
                )
            )
    height = tall * len(shown) + 4
    return _svg(shapes, width=_PLOT_WIDTH, height=height, label="Each pair from release to today")


def render_bars(rows: Sequence[tuple[str, float]], *, unit: str, label: str) -> Markup | None:
    """Return a horizontal bar a row, with its figure at the end; nothing without rows."""
    shown = [(name, value) for name, value in rows if math.isfinite(value) and value >= 0]
    if not shown:
        return None
    most = max(value for _, value in shown) or 1.0
    left, tall, room = 330, 20, 90
    shapes = []
    for index, (name, value) in enumerate(shown):
        width = (_PLOT_WIDTH - left - room) * value / most
        shapes.append(
            Markup(
                '<text x="{}" y="{}" text-anchor="end">{}</text>'
                '<rect class="good" x="{}" y="{}" width="{:.1f}" height="12"/>'
                '<text x="{:.1f}" y="{}">{}</text>'
            ).format(
                left - 8,
                index * tall + 14,
                bounded(name, 60),
                left,
                index * tall + 4,
                max(width, 1),
                left + width + 6,
                index * tall + 14,
                f"{value:.4g} {unit}".rstrip(),
            )
        )
    return _svg(shapes, width=_PLOT_WIDTH, height=tall * len(shown) + 4, label=label)


def render_curve(values: Sequence[float]) -> Markup | None:
    """Return values between 0 and 1 as a line, or None where that is no line."""
    if len(values) < 2 or not all(map(math.isfinite, values)):  # noqa: PLR2004 -- a line has two ends
        return None
    width, height = 300, 80
    step = width / (len(values) - 1)
    points = " ".join(
        f"{index * step:.1f},{(1 - min(max(value, 0), 1)) * (height - 2) + 1:.1f}"
        for index, value in enumerate(values)
    )
    shapes = [
        Markup('<line class="axis" x1="0" y1="79" x2="300" y2="79"/>'),
        Markup('<polyline class="curve" points="{}"/>').format(points),
    ]
    return _svg(shapes, width=width, height=height, label="Reward curve")


def _ordinal(day: str) -> int:
    """Return the number of *day*, 0 where it is none."""
    try:
        return dt.date.fromisoformat(day).toordinal()
    except ValueError:
        return 0


def _svg(shapes: Iterable[Markup], *, width: int, height: int, label: str) -> Markup:
    return Markup(
        '<svg role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">{}</svg>'
    ).format(label, width, height, width, height, Markup("").join(shapes))
