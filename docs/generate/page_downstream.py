"""Render what was found in two downstream projects, and how much of it was confirmed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from as_markdown import code, page, plain, table

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH = "downstream-projects.md"
FIGURES = Path(__file__).parents[2] / "reports" / "figures" / "downstream_truth.json"
COMMAND = "nox -s truth -- -k downstream"
MOST_LINES = 6
TITLE = "Two downstream projects"

_INTRODUCTION = """\
Two projects that depend on verl, unchanged as their source distributions have them. The plugin ran
in them against releases that were installed nowhere; what it calls broken was then executed."""

_REALLY = """\
Each import statement of verl and vLLM in the projects was executed by itself, beside the releases
named. A finding is confirmed if the exception is the predicted one, word for word; worded otherwise
if the same exception names a package above the missing module; overtaken if the stack itself raises
before the missing name is looked up."""


def render() -> str:
    """Return what each release breaks, then what a real import of it said."""
    body = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {"rows": []}
    judged = [row for row in body["rows"] if "judged" in row]
    tried = [row for row in body["rows"] if "tried" in row]
    if not judged or not tried:
        return page(TITLE, f"No whole run is kept here; `{COMMAND}` makes one.", source=__name__)
    figures = body["figures"]
    measured = (
        f"{figures['findings_tried']} findings were tried in real environments, "
        f"{figures['findings_confirmed']} raised what was predicted, "
        f"{figures['findings_worded_otherwise']} the same in other words, "
        f"{figures['findings_overtaken']} something of the stack's before it; "
        f"`{body['command']}`, {body['date'][:10]}."
    )
    projects = dict.fromkeys(row["project"] for row in judged)
    return page(
        TITLE,
        _INTRODUCTION,
        measured,
        *(_project([row for row in judged if row["project"] == each]) for each in projects),
        "## Really imported",
        _REALLY,
        _confirmed(tried),
        *(_differences(row) for row in tried if row["wrong"] or row["not_predicted"]),
        source=__name__,
    )


def _project(rows: Sequence[dict[str, Any]]) -> str:
    counts = ([row["release"], str(len(row["breaks"])), str(len(row["late"]))] for row in rows)
    parts = [
        f"## {rows[0]['project']}",
        table(["release", "breaks when imported", "when a function is called"], counts),
        *(_release(row) for row in rows if row["breaks"] or row["late"]),
    ]
    return "\n\n".join(part.strip() for part in parts)


def _release(row: dict[str, Any]) -> str:
    lines = [*row["breaks"], *(f"{line} (when it is called)" for line in row["late"])]
    shown = [f"- {_line(each)}" for each in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        shown.append(f"- and {len(lines) - MOST_LINES} more")
    return "\n".join([f"{plain(row['release'])}:", "", *shown])


def _confirmed(rows: Sequence[dict[str, Any]]) -> str:
    keys = ("project", "beside", "tried", "predicted", "confirmed")
    lists = ("worded_otherwise", "overtaken", "wrong", "not_predicted")
    cells = (
        [*(str(row[key]) for key in keys), *(str(len(row[key])) for key in lists)] for row in rows
    )
    head = ["project", "beside", "statements", "findings", "confirmed", "worded otherwise"]
    return table([*head, "overtaken", "wrong", "raised, not predicted"], cells)


def _differences(row: dict[str, Any]) -> str:
    lines = [
        *(f"- predicted and not raised: {_line(each)}" for each in row["wrong"]),
        *(f"- raised and not predicted: {_line(each)}" for each in row["not_predicted"]),
    ]
    return "\n".join([f"{plain(row['project'])} beside {plain(row['beside'])}:", "", *lines])


def _line(text: str) -> str:
    place, colon, said = text.partition(": ")
    return f"{code(place)}: {plain(said)}" if colon else plain(text)
