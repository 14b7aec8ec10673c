"""Gather what the published pages show, from the rooms that the report does not look into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.advise import declared
from pytest_verlcompat.advise.trap_record import rules_digest
from pytest_verlcompat.checks.installed import (
    IMPORT_CODE,
    LOAD_CODE,
    digest_of,
    list_checks,
)
from pytest_verlcompat.checks.resolution_facts import load_facts
from pytest_verlcompat.checks.space_loads import _DATA, _DIGITS
from pytest_verlcompat.issues.catalogue import load_catalogue
from pytest_verlcompat.issues.language import find_language, translate
from pytest_verlcompat.probes.registry import list_probes
from pytest_verlcompat.report.assemble import Report, assemble
from pytest_verlcompat.report.site_inputs import Declared, SiteInputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_verlcompat.execute.workspace import Workspace
    from pytest_verlcompat.matrix.load import Matrix
    from pytest_verlcompat.model.axis import Axis

_ENGINES = ("verl", "vllm", "sglang")


def make_report(workspace: Workspace, matrix: Matrix) -> Report:
    """Return the report on everything recorded in *workspace*."""
    return assemble(
        matrix,
        evidence=workspace.evidence,
        figures=workspace.reports / "figures",
        probes={
            **{check.name: (check.title, check.sha256) for check in list_checks()},
            **{probe.name: (probe.title, probe.sha256) for probe in list_probes()},
        },
        needs=_needs(),
        rules={
            "traps": rules_digest(),
            "imports": digest_of(IMPORT_CODE)[:_DIGITS],
            "loads": digest_of((*LOAD_CODE, "checks/space_loads.py", *_DATA))[:_DIGITS],
        },
    )


def gather_inputs(workspace: Workspace, matrix: Matrix, *, report: Report) -> SiteInputs:
    """Return what the pages show beside the records in *workspace*."""
    catalogue = load_catalogue()
    chinese = translate(catalogue, find_language("zh_CN"))
    recipes = workspace.reports / "recipes"
    return SiteInputs(
        declared=tuple(_declared(matrix.axes, report)),
        needs=_needs(),
        effects={fact.id: fact.effect for fact in load_facts()},
        released={name: _released(axis) for name, axis in matrix.axes.items() if name in _ENGINES},
        catalogue=catalogue,
        chinese={entry.id: entry for entry in chinese},
        recipes={
            folder.name: tuple(sorted(path.name for path in folder.iterdir() if path.is_file()))
            for folder in (sorted(recipes.iterdir()) if recipes.is_dir() else ())
            if folder.is_dir()
        },
    )


def _needs() -> Mapping[str, str]:
    """Return trap code to what avoids it in words, where all rules of a code agree."""
    found: dict[str, set[str]] = {}
    for fact in load_facts():
        for name, versions in fact.needs.items():
            found.setdefault(fact.id, set()).add(f"with {name}{versions} installed")
    return {code: next(iter(texts)) for code, texts in found.items() if len(texts) == 1}


def _declared(axes: Mapping[str, Axis], report: Report) -> Iterator[Declared]:
    if not set(_ENGINES) <= set(axes):
        return
    facts = (place.fact for place in report.space.places)
    for row in declared.make_rows(axes, facts):
        yield Declared(
            verl=row.verl,
            engine=row.engine,
            declared=None if row.declared is None else str(row.declared) or "any",
            documented=tuple(
                (f"{each.kind} {', '.join(each.versions) or each.says}", each.source)
                for each in row.stated
            ),
            gated=None if row.gated is None else str(row.gated),
            disagreements=row.disagreements,
        )


def _released(axis: Axis) -> Mapping[str, str]:
    """Return version to the day from which every wheel for x86-64 Linux was there."""
    return {value.text: value.day for value in axis.values if value.day is not None}
