"""Evidence to one line of JSON and back.

Readers ignore unknown keys and upgrade older records; they never guess a missing required
key. The line is canonical (sorted keys, no spaces), so equal records have equal bytes.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from enum import Enum
from typing import Any

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.model.cause import Cause, Frame
from pytest_verlcompat.model.evidence import SCHEMA_VERSION, Evidence
from pytest_verlcompat.model.machine import Gpu, Machine
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung

_SCALARS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "int | None": (int, type(None)),
    "float": (int, float),
}
"""What a field of that annotation may hold in JSON."""


_MOST_DEPTH = 64
_MOST_INTEGER = 1 << 63


def encode(record: Any) -> Any:  # noqa: ANN401 -- turns any record into plain JSON values
    """Return *record* as plain JSON values; enums become their words, records become objects."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {
            each.name: encode(getattr(record, each.name)) for each in dataclasses.fields(record)
        }
    if isinstance(record, Enum):
        return record.value
    if isinstance(record, dict):
        return {str(key): encode(value) for key, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [encode(value) for value in record]
    return record


def render_line(record: Evidence) -> str:
    """Return *record* as one canonical JSON line, without the line end."""
    body = {"schema_version": SCHEMA_VERSION, **encode(record)}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # A name of a file that is no text holds half a character, which no file can be written with.
    return text.encode("utf-8", "replace").decode("utf-8")


def parse_line(line: str, *, where: str = "evidence") -> Evidence:
    """Return the record in *line*.

    Args:
        where: File and line number, for the error.

    Raises:
        EvidenceError: If the line is not JSON, not a record, or newer than this reader.
    """
    try:
        body = parse_json(line)
    except ValueError as error:
        raise EvidenceError(
            "not a JSON object; was the file edited or cut?", where=where
        ) from error
    if "\\ud" in line.lower():  # half a character may hide in an escape
        body = json.loads(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
    version = body.get("schema_version") if isinstance(body, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise EvidenceError("no schema_version; this is not an evidence record", where=where)
    if version > SCHEMA_VERSION:
        raise EvidenceError(
            f"schema version {version} is newer than {SCHEMA_VERSION}; "
            "upgrade pytest-verlcompat to read it",
            where=where,
        )
    if version < 1:
        raise EvidenceError(f"schema version {version} never was", where=where)
    try:
        return _evidence(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvidenceError(f"malformed record: {error!r}", where=where) from error


def parse_json(text: str) -> Any:  # noqa: ANN401 -- whatever JSON holds
    """Return the value that *text*, which others wrote, is.

    Raises:
        ValueError: If it is no JSON, is nested deeper than our own functions may go, or holds a
            number that other readers of JSON do not.
    """
    try:
        body = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if text.count("[") + text.count("{") > _MOST_DEPTH:
        _check_depth(body)
    return body


def _integer(text: str) -> int:
    if len(text) > len(str(_MOST_INTEGER)) or abs(value := int(text)) > _MOST_INTEGER:
        raise ValueError("a number that no reader of JSON holds")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number")
    return value


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(
    parse_int=_integer, parse_float=_finite, parse_constant=_refuse_constant
)


def _check_depth(body: object) -> None:
    """Raise where *body* is nested deeper than our own functions may go."""
    level = [body]
    for _ in range(_MOST_DEPTH):
        level = [
            child
            for each in level
            if isinstance(each, (dict, list))
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise ValueError(f"nested deeper than {_MOST_DEPTH}")


def _evidence(body: dict[str, Any]) -> Evidence:
    values = _known(body, Evidence)
    values["rung"] = Rung(values["rung"])
    values["outcome"] = Outcome(values["outcome"])
    values["ending"] = Ending(values["ending"])
    values["machine"] = _machine(values["machine"])
    for name in ("argv", "lacks"):
        values[name] = _texts(name, values.get(name) or [])
    values["facts"] = values.get("facts") or {}
    if not isinstance(values["facts"], dict):
        raise TypeError(f"facts is {values['facts']!r}")
    if values.get("cause") is not None:
        values["cause"] = _cause(values["cause"])
    return Evidence(**values)


def _known(body: dict[str, Any], record: type) -> dict[str, Any]:
    """Return the items of *body* that are fields of *record*; raise where a scalar is none."""
    values = {}
    for name, kinds in _scalars(record):
        if name in body:
            value = values[name] = body[name]
            if kinds and (not isinstance(value, kinds) or isinstance(value, bool)):
                raise TypeError(f"{name} is {value!r}")
    return values


@functools.cache
def _scalars(record: type) -> tuple[tuple[str, tuple[type, ...] | None], ...]:
    """Return the fields of *record* and what they may hold; asked once a class."""
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(record)
    return tuple((each.name, _SCALARS.get(str(each.type))) for each in fields)


def _texts(name: str, found: object) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise TypeError(f"{name} is {found!r}")
    return tuple(found)


def _machine(body: dict[str, Any]) -> Machine:
    values = _known(body, Machine)
    values["gpus"] = tuple(Gpu(**_known(gpu, Gpu)) for gpu in values.get("gpus") or ())
    return Machine(**values)


def _cause(body: dict[str, Any]) -> Cause:
    values = _known(body, Cause)
    for side in ("frame", "provider"):
        if values.get(side) is not None:
            values[side] = Frame(**_known(values[side], Frame))
    return Cause(**values)
