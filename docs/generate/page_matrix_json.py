"""Render the JSON schema of ``reports/matrix.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from as_markdown import code, page, plain, prose, table

import pytest_verlcompat

PATH = "reference/matrix-json.md"
SCHEMA = Path(pytest_verlcompat.__file__).parent / "report" / "matrix.schema.json"


def render() -> str:
    """Return one table for the whole and one a definition."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    parts = [prose(schema["description"])]
    parts.append(
        "`reports/matrix.schema.json` is the schema itself, JSON Schema 2020-12. Records that were "
        "made elsewhere have the same fields, one JSON line each: "
        "[records](python.md#records)."
    )
    tables = {"The whole": schema, **schema["$defs"]}
    for name, body in tables.items():
        parts += [f"## {name}", _body(body)]
    return page("matrix.json", *parts, source=__name__)


def _body(body: dict[str, Any]) -> str:
    if "enum" in body:
        return "One of " + ", ".join(code(each) for each in body["enum"]) + "."
    rows = [
        [code(name), _kind(each), plain(each.get("description", ""))]
        for name, each in body.get("properties", {}).items()
    ]
    return table(["field", "kind", "meaning"], rows)


def _kind(body: dict[str, Any]) -> str:
    """Return the kind in words; a definition is linked."""
    if "$ref" in body:
        name = body["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.replace('_', '-')})"
    if "const" in body:
        return code(str(body["const"]))
    if "enum" in body:
        return ", ".join(code(str(each)) for each in body["enum"])
    if "oneOf" in body:
        return " or ".join(_kind(each) for each in body["oneOf"])
    kinds = body.get("type", "any")
    words = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    return f"{words} of {_kind(body['items'])}" if "items" in body else words
