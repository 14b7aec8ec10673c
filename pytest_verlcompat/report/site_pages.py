"""Render the pages people read; they run from a file, ask no host, and show text as text.

Everything that came from a record is escaped by the template engine or travels in data files
that scripts show as text. The policy in each page refuses inline scripts, markup made by
scripts, and every address outside this folder.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.report import site_cells, site_gpu, site_plots, site_tables
from pytest_verlcompat.report.inert import bounded, printable
from pytest_verlcompat.report.language import load_chinese, marked
from pytest_verlcompat.report.site_data import render_script, render_space
from pytest_verlcompat.report.site_inputs import SiteInputs, load_runtimes
from pytest_verlcompat.report.site_space import WORDS
from pytest_verlcompat.report.words import MARKS, MEANINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_verlcompat.report.assemble import Figure, Report

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; trusted-types verlcompat; require-trusted-types-for 'script'"
)
FOLDERS = ("site", "data", "cells", "failures")
"""Below ``reports/``; whatever lies there and is not rendered is left over and goes."""

_HERE = Path(__file__).parent
PAGES = (
    ("index.html", "Table"),
    ("fits.html", "What fits my machine?"),
    ("releases.html", "verl releases"),
    ("cells/index.html", "Installed stacks"),
    ("gpu.html", "On the GPU"),
    ("extensions.html", "Extensions"),
    ("rot.html", "Rot"),
    ("failures/index.html", "Known failures"),
    ("figures.html", "Figures"),
)
_MODEL = ("data/space.js", "site/model.js", "site/detail.js")
ERRORED = ("errored", "!", "our harness broke; it says nothing about the stack")
_LINK = re.compile(r"https://[\w.-]+/[^\s<>\"']*")
_SIGNS = {**{kind.value: mark for kind, mark in MARKS.items()}, ERRORED[0]: ERRORED[1]}


def render_site(report: Report, inputs: SiteInputs | None = None) -> dict[str, str]:
    """Return path below ``reports/`` to text of every page, script and data file."""
    known = inputs or SiteInputs()
    files = {f"site/{path.name}": path.read_text("utf-8") for path in _assets()}
    files["site/zh-cn.js"] = render_script("language", dict(sorted(load_chinese().items())))
    files |= render_space(
        report.space,
        snapshot=report.snapshot,
        released=known.released,
        runtimes=load_runtimes(),
        needs=known.needs,
        effects=known.effects,
    )
    draw = _Draw(report)
    files |= dict(_pages(draw, report, known))
    files |= dict(_cells(draw, report, known))
    files |= dict(_failures(draw, known))
    return files


def _assets() -> list[Path]:
    return sorted((_HERE / "site").iterdir())


class _Draw:
    """Fills templates; every page gets the same head and foot."""

    def __init__(self, report: Report) -> None:
        self._environment = _environment()
        self._always = {
            "pages": PAGES,
            "policy": POLICY,
            "snapshot": report.snapshot,
            "stale": report.space.stale,
            "damaged": len(report.damaged) + len(report.space.damaged),
            "rungs": [rung.value for rung in Rung],
            "marks": _SIGNS,
            "link": link,
        }

    def __call__(
        self,
        template: str,
        *,
        title: str,
        here: str,
        scripts: tuple[str, ...] = (),
        **values: Any,  # noqa: ANN401 -- whatever the template shows
    ) -> str:
        root = "../" * here.count("/")
        found = self._environment.get_template(f"site/{template}.html.j2")
        always = {**self._always, "title": f"{printable(title)} · verl compatibility"}
        return found.render(**always, root=root, here=here, scripts=scripts, **values)


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals["_"] = marked
    made.globals["dict"] = dict
    return made


def _finalize(value: object) -> object:
    """Return a text without characters that steer a terminal; what is markup stays markup."""
    if not isinstance(value, str) or value.isprintable():
        return value
    return type(value)(printable(value))


def link(address: str) -> Markup:
    """Return a link where *address* is one that is safe to follow, else the text itself."""
    shown = printable(address)
    if not _LINK.fullmatch(shown):
        return Markup("{}").format(shown)  # noqa: RUF100, UP032 -- escapes
    return Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(shown)


def _pages(draw: _Draw, report: Report, inputs: SiteInputs) -> Iterator[tuple[str, str]]:
    meanings = [{"word": each.value, "mark": MARKS[each], "text": MEANINGS[each]} for each in MARKS]
    meanings.append(dict(zip(("word", "mark", "text"), ERRORED, strict=True)))
    meanings.sort(key=lambda each: WORDS.index(each["word"]))
    scripts = (*_MODEL, "site/grid.js")
    yield (
        "index.html",
        draw(
            "index",
            title="Table",
            here="index.html",
            scripts=scripts,
            meanings=meanings,
            has_space=bool(report.space.places),
            wide=True,
        ),
    )
    cell = draw("cell", title="Cell", here="cell.html", scripts=(*_MODEL, "site/cell.js"))
    yield "cell.html", cell
    fits = draw(
        "fits",
        title="What fits my machine?",
        here="fits.html",
        scripts=(*_MODEL, "site/fits.js"),
    )
    yield "fits.html", fits
    yield "releases.html", _releases(draw, report, inputs)
    yield "extensions.html", _extensions(draw, report)
    yield "rot.html", _rot(draw, report, inputs)
    yield "gpu.html", _gpu(draw, report)
    yield "figures.html", _figures(draw, report)


def _releases(draw: _Draw, report: Report, inputs: SiteInputs) -> str:
    return draw(
        "releases",
        title="verl releases",
        here="releases.html",
        rows=site_tables.make_releases(report, inputs),
        engines=site_tables.ENGINES,
        python=site_tables.PYTHON,
        glibc=site_tables.GLIBC,
        wide=True,
    )


def _extensions(draw: _Draw, report: Report) -> str:
    figure = next((each.body for each in report.figures if each.name == "abi_table"), {})
    torches, tables = site_tables.make_extensions(figure)
    return draw(
        "extensions", title="Extensions", here="extensions.html", torches=torches, tables=tables
    )


def _rot(draw: _Draw, report: Report, inputs: SiteInputs) -> str:
    rows = site_tables.make_rot(report.space)
    faults = {turn["fault"] for row in rows for turn in row["turns"]}
    return draw(
        "rot",
        title="Rot",
        here="rot.html",
        rows=rows,
        turns=site_tables.make_turns(rows),
        rotten=sum(bool(each["turns"]) for each in rows),
        sound=site_plots.render_sound(rows),
        lives=site_plots.render_lives(rows),
        effects={fault: inputs.effects.get(fault, "") for fault in faults},
    )


def _gpu(draw: _Draw, report: Report) -> str:
    machines = site_gpu.make_machines(report)
    return draw("gpu", title="On the GPU", here="gpu.html", machines=machines)


def _figures(draw: _Draw, report: Report) -> str:
    figures = [
        _figure(each) for each in report.figures if isinstance(each.body.get("figures"), dict)
    ]
    return draw("figures", title="Figures", here="figures.html", figures=figures)


def _cells(draw: _Draw, report: Report, inputs: SiteInputs) -> Iterator[tuple[str, str]]:
    here = "cells/index.html"
    newest = sorted(report.cells, key=site_cells.place_in_list, reverse=True)
    rows = [site_cells.make_line(report, each) for each in newest]
    plots = site_cells.make_plots(report)
    yield here, draw("installed", title="Installed stacks", here=here, rows=rows, plots=plots)
    for cell in report.cells:
        path = f"cells/{cell.cell.id}.html"
        shown = site_cells.make_cell(report, cell, inputs)
        yield path, draw("installed_cell", title=shown["name"], here=path, cell=shown)


def _failures(draw: _Draw, inputs: SiteInputs) -> Iterator[tuple[str, str]]:
    pairs = [(each, inputs.chinese.get(each.id, each)) for each in inputs.catalogue]
    stages: dict[str, list[Any]] = {}
    for entry, chinese in sorted(pairs, key=lambda pair: pair[0].id):
        stages.setdefault(entry.stage.value, []).append((entry, chinese))
    here = "failures/index.html"
    yield (
        here,
        draw(
            "failures",
            title="Known failures",
            here=here,
            entries=pairs,
            stages=sorted(stages.items(), key=lambda each: _STAGES.index(each[0])),
        ),
    )
    for entry, chinese in pairs:
        path = f"failures/{entry.id}.html"
        page = draw(
            "failure",
            title=f"{entry.id} {entry.title}",
            here=path,
            entry=entry,
            chinese=chinese,
            remedies=list(zip(entry.remedies, chinese.remedies, strict=True)),
            affected=[condition_text(each) for each in entry.affected if each],
            condition_text=condition_text,
        )
        yield path, page


_STAGES = ("resolve", "install", "import", "start", "train")


def condition_text(condition: Mapping[str, str]) -> str:
    """Return a condition of the catalogue in one line."""
    return ", ".join(
        key if value == "*" else f"{key} {value}" for key, value in sorted(condition.items())
    )


def _figure(figure: Figure) -> dict[str, Any]:
    body = figure.body
    return {
        "name": figure.name,
        "title": body.get("title", figure.name),
        "command": body.get("command", ""),
        "date": body.get("date", ""),
        "machine": _plain(body.get("machine", {})),
        "rows": list(_flat("", body["figures"])),
    }


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 -- JSON values
    """Yield one pair a leaf: the keys that lead to it, and what stands there."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _flat(f"{prefix} / {key}" if prefix else str(key), each)
    else:
        yield prefix, bounded(_plain(value))


def _plain(value: Any) -> str:  # noqa: ANN401 -- figures hold any JSON value
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
