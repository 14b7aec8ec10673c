"""The Hydra configuration that a release ships: its YAML files and who starts from which.

YAML is parsed by its safe loader; no tag creates an object, nothing is imported.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.wheels.yaml_text import check_brackets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONFIG_VERSION = 1
"""Raised whenever kept facts of an older version would be read wrongly."""

_LARGEST_YAML_BYTES = 1 << 20
_MOST_VALUES = 200_000
"""Of one file: a few lines whose nodes name one another can stand for billions."""
_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """One YAML file."""

    body: Mapping[str, Any]
    package: str | None
    """From its ``@package`` header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFacts:
    """The configuration surface of one release."""

    distribution: str
    version: str
    files: Mapping[str, ConfigFile]
    """By path without suffix, such as ``verl/trainer/config/ppo_trainer``."""
    entries: Mapping[str, tuple[str, str]]
    """Module with ``@hydra.main`` to its configuration folder and file name."""
    problems: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Distribution and version for people."""
        return f"{self.distribution} {self.version}"


class ConfigSource(Protocol):
    """The part of a tree of files that reading configuration needs."""

    def names(self) -> Any:  # noqa: ANN401 - any sequence of names
        """Return every file."""

    def read_many(self, names: Any, *, on_error: Any = None) -> dict[str, bytes]:  # noqa: ANN401 - as the trees declare it
        """Return the content of each name."""


def collect_config(tree: ConfigSource, *, distribution: str, version: str) -> ConfigFacts:
    """Return the configuration files of a release and the modules that start from them."""
    wanted = [
        name
        for name in tree.names()
        if name.startswith(f"{distribution}/")
        and ((name.endswith(".yaml") and "/config/" in name) or _may_start(name))
    ]
    problems: list[str] = []
    content = tree.read_many(wanted, on_error=lambda error: problems.append(str(error)))
    files: dict[str, ConfigFile] = {}
    entries: dict[str, tuple[str, str]] = {}
    for name, raw in sorted(content.items()):
        if name.endswith(".py"):
            entry = _entry(name, raw)
            if entry is not None:
                entries[name[:-3].replace("/", ".")] = entry
            continue
        try:
            files[name[: -len(".yaml")]] = _parse(raw)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            problems.append(f"{name}: {str(error).splitlines()[0]}")
    return ConfigFacts(
        distribution=distribution,
        version=version,
        files=files,
        entries=entries,
        problems=tuple(problems),
    )


def _may_start(name: str) -> bool:
    return bool(re.search(r"(^|/)[\w]*(main|trainer|sft)[\w]*\.py$", name))


def _parse(raw: bytes) -> ConfigFile:
    if len(raw) > _LARGEST_YAML_BYTES:
        raise ValueError(f"{len(raw)} bytes of YAML; not parsed")
    text = raw.decode()
    check_brackets(text)
    body = yaml.safe_load(text)
    if body is None:
        body = {}
    if not isinstance(body, dict):
        raise ValueError("not a mapping")  # noqa: TRY004 - a wrong file, not a wrong argument
    header = _PACKAGE.search(text)
    return ConfigFile(body=_plain(body, count(1)), package=header[1] if header else None)


def _plain(value: Any, counted: Iterator[int]) -> Any:  # noqa: ANN401 - YAML holds anything
    """Return *value* with text keys and JSON values only; names of nodes are followed."""
    if next(counted) > _MOST_VALUES:
        raise ValueError(f"more than {_MOST_VALUES} values")
    if isinstance(value, dict):
        return {str(key): _plain(item, counted) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, counted) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _entry(name: str, raw: bytes) -> tuple[str, str] | None:
    """Return configuration folder and file of a module with ``@hydra.main``."""
    if b"hydra.main" not in raw:
        return None
    try:
        tree = ast.parse(raw)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    folder = name.rpartition("/")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "hydra.main":
            given = {
                item.arg: item.value.value
                for item in node.keywords
                if isinstance(item.value, ast.Constant)
            }
            path, stem = str(given.get("config_path", "")), str(given.get("config_name", ""))
            return f"{folder}/{path}", stem
    return None


def dump_config(facts: ConfigFacts) -> bytes:
    """Return *facts* as gzip-compressed JSON, the same bytes for the same facts."""
    data = {
        "version": CONFIG_VERSION,
        "distribution": facts.distribution,
        "release": facts.version,
        "files": {name: [file.body, file.package] for name, file in facts.files.items()},
        "entries": {name: list(entry) for name, entry in facts.entries.items()},
        "problems": list(facts.problems),
    }
    text = json.dumps(data, separators=(",", ":"), sort_keys=False)
    return gzip.compress(text.encode(), mtime=0)


def load_config(data: bytes, *, where: str) -> ConfigFacts | None:
    """Return what `dump_config` wrote; ``None`` if another version wrote it.

    Raises:
        WheelFormatError: If *data* is something else.
    """
    try:
        found = json.loads(gzip.decompress(data))
        if found["version"] != CONFIG_VERSION:
            return None
        return ConfigFacts(
            distribution=found["distribution"],
            version=found["release"],
            files={
                name: ConfigFile(body=body, package=package)
                for name, (body, package) in found["files"].items()
            },
            entries={name: (entry[0], entry[1]) for name, entry in found["entries"].items()},
            problems=tuple(found["problems"]),
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise WheelFormatError(
            f"not the configuration of a release ({error}); delete the file", where=where
        ) from error
