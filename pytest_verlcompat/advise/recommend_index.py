"""Every set of versions anything is known about, in a form that loads in milliseconds.

The ledger of the space and the evidence take a second to read; what a recommendation needs of
them is kept beside them, and made anew whenever a file it came from is another one.
"""

from __future__ import annotations

import gc
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.model.names import AXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


VERSION = 2
"""Raised with every change of what is kept."""

_COLUMNS = ("python", "glibc", "as_of", "form", "when", "traps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One set of versions, and what is known of it."""

    cell_id: str | None
    """Id of the declared cell; ``None`` for one of the space, which only resolves."""
    versions: Mapping[str, str]
    """All of a declared cell, the axes of another one."""
    python: str
    glibc: str
    as_of: str
    form: str | None = None
    when: str | None = None
    traps: tuple[tuple[str, str, str], ...] = ()
    """Rules about resolved sets that it breaks: code, weight, distribution."""
    outcomes: Mapping[str, tuple[str, str]] | None = None
    """Check or probe to rung and outcome."""
    conditions: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    untried: tuple[str, ...] = ()
    """Checks and probes below the GPU rungs that the machine could not run."""

    @property
    def is_preview(self) -> bool:
        """Whether verl or the engine is a development or preview release."""
        found = (self.versions.get(name) for name in ("verl", "vllm", "sglang"))
        return any(re.search(r"\d(?:a|b|rc|\.dev)\d", text) for text in found if text)

    @property
    def label(self) -> str:
        """The cell id, or what a resolver would be asked."""
        if self.cell_id is not None:
            return self.cell_id
        engine = next((name for name in ("vllm", "sglang") if name in self.versions), "")
        extra = f"[{engine}]" if self.form == "extra" else ""
        verl = self.versions.get("verl")
        return f"verl{extra}=={verl} {engine}=={self.versions.get(engine)} (Python {self.python})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """All candidates, and the known failures that versions alone lead to."""

    candidates: tuple[Candidate, ...]
    failures: tuple[tuple[str, str, Mapping[str, str]], ...]
    """Id, title and condition of what certainly breaks."""


def index_key(files: Iterable[Path]) -> str:
    """Return a digest that changes when one of *files* does."""
    digest = hashlib.sha256(f"{VERSION}".encode())
    for path in sorted(files):
        try:
            found = path.stat()
        except OSError:
            continue
        digest.update(f"{path.name} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def load_index(path: Path, *, key: str) -> Index | None:
    """Return the index in *path*; ``None`` if it is not there or of other files."""
    collects = gc.isenabled()
    gc.disable()  # ten thousand sets that all stay: there is nothing to be found among them
    try:
        body = json.loads(path.read_bytes())
        if body["key"] != key:
            return None
        return _decoded(body)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    finally:
        if collects:
            gc.enable()


def save_index(index: Index, path: Path, *, key: str) -> None:
    """Keep *index* in *path*; a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f".{path.name}.new")
    written.write_text(json.dumps(_encoded(index, key), separators=(",", ":")), encoding="utf-8")
    written.replace(path)


def _encoded(index: Index, key: str) -> dict[str, Any]:
    texts: dict[Any, int] = {}

    def number(value: object) -> int:
        return texts.setdefault(value, len(texts))

    rows, cells = [], []
    for each in index.candidates:
        if each.cell_id is None:
            told = [getattr(each, column) for column in _COLUMNS]
            rows.append([number(v) for v in (*told, *(each.versions.get(n) for n in AXES))])
        else:
            cells.append({name: getattr(each, name) for name in Candidate.__slots__})
    return {
        "key": key,
        "texts": list(texts),
        "rows": rows,
        "cells": cells,
        "failures": index.failures,
    }


def _decoded(body: dict[str, Any]) -> Index:
    texts = [tuple(map(tuple, each)) if isinstance(each, list) else each for each in body["texts"]]
    width = len(_COLUMNS)
    cells = [
        Candidate(
            **{
                **each,
                "traps": tuple(map(tuple, each["traps"])),
                "outcomes": {name: tuple(told) for name, told in each["outcomes"].items()},
                "conditions": tuple(each["conditions"]),
                "overrides": tuple(each["overrides"]),
                "untried": tuple(each["untried"]),
            }
        )
        for each in body["cells"]
    ]
    for row in body["rows"]:
        values = [texts[each] for each in row]
        python, glibc, as_of, form, when, traps = values[:width]
        cells.append(
            Candidate(
                cell_id=None,
                versions={n: v for n, v in zip(AXES, values[width:], strict=True) if v is not None},
                python=python,
                glibc=glibc,
                as_of=as_of,
                form=form,
                when=when,
                traps=traps,
            )
        )
    return Index(
        candidates=tuple(cells),
        failures=tuple((code, title, condition) for code, title, condition in body["failures"]),
    )
