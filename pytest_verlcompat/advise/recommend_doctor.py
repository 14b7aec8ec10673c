"""Take limits and what is installed from a report that ``verlcompat doctor --json`` wrote."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from pytest_verlcompat.advise.recommend import GPUS
from pytest_verlcompat.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PYTHON = re.compile(r"\b(?P<minor>3\.\d{1,2})\b")
_GLIBC = re.compile(r"\bglibc (?P<version>2\.\d{1,3})\b")
_DRIVER = re.compile(r"^(?P<version>\d{3}(?:\.\d+){1,2})\b")
_GPU = re.compile(r"\d+ x (?P<name>[^,]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """What a report says that limits a choice; ``None`` where it does not say it."""

    python: str | None
    glibc: str | None
    driver: str | None
    gpu: str | None
    """Compute capability, known by the name of the device."""
    installed: Mapping[str, str]


def read_doctor_report(path: Path) -> DoctorReport:
    """Return what the report at *path* says.

    Raises:
        UsageError: If it cannot be read, or is no report of the doctor.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        told, found = body["environment"], body["distributions"]
        installed = {
            str(canonicalize_name(name)): str(each["version"]) for name, each in found.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            "is no report of the doctor; write one with: verlcompat doctor --json > report.json",
            where=str(path),
        ) from error
    machine = _text(told, "machine")
    return DoctorReport(
        python=_group(_PYTHON, _text(told, "python"), "minor"),
        glibc=_group(_GLIBC, machine, "version"),
        driver=_group(_DRIVER, _text(told, "driver"), "version"),
        gpu=capability_of(_group(_GPU, machine, "name")),
        installed=installed,
    )


def capability_of(name: str | None) -> str | None:
    """Return the compute capability of the device a driver calls *name*; ``None`` if unknown."""
    words = (name or "").lower().replace("-", " ")
    for known in sorted(GPUS, key=len, reverse=True):
        if re.search(rf"\b{re.escape(known)}\b", words):
            return GPUS[known]
    return None


def _text(told: Mapping[str, Any], key: str) -> str:
    return str(told.get(key, ""))


def _group(pattern: re.Pattern[str], text: str, name: str) -> str | None:
    match = pattern.search(text)
    return match[name].strip() if match else None
