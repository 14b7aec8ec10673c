"""Read versions out of the text of a log, as installers, engines and paths print them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pytest_verlcompat.issues.facts import Facts, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packaging.version import Version

_NAME = r"(?<![\w.-])(?P<name>[A-Za-z][\w.-]{1,60}?)"
_VERSION = r"(?P<version>\d+(?:\.\d+){1,5}(?:\.?(?:post|dev|rc|a|b)\d+){0,3}(?:\+[\w.]{1,40})?)"
_STACK = (
    "vllm|torch|pytorch|sglang|ray|transformers|verl|flash[-_]attn|numpy|datasets|peft|trl"
    "|tensordict|flashinfer"
)
_NAMED = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?<!depends on )(?<!that you require ){_NAME}(?:\[[\w,-]{{1,60}}\])?=={_VERSION}",
        rf"{_NAME}-{_VERSION}\.dist-info",
        rf"{_NAME} {_VERSION} (?:requires |which is incompatible)",
        rf"but you have {_NAME} {_VERSION}",
        rf"already satisfied: {_NAME}(?:[<>=!~]\S{{0,80}})? in \S{{1,300}} \({_VERSION}\)",
        rf"(?i:(?<!requires )\b(?P<name>{_STACK})(?: API server)? version:?[ =]v?{_VERSION})",
    )
)
_ENGINE = re.compile(rf"(?:LLM engine \(|vLLM )v{_VERSION}")
_INSTALLED = re.compile(r"Successfully installed ((?:[\w.-]{1,80}-\d[\w.+]{0,60} ?){1,600})")
_ONE_INSTALLED = re.compile(rf"(?P<name>[\w.-]{{1,60}}?)-{_VERSION}(?: |$)")
_NUMBERS = {
    "python": re.compile(
        r"(?:/python|(?<![\w.])Python |CPython )(?P<version>3\.\d{1,2}(?:\.\d+)?)"
    ),
    "driver": re.compile(r"Driver Version: (?P<version>\d{3}(?:\.\d+)+)"),
    "glibc": re.compile(r"(?i:Libc version: glibc[- ]|ldd \([^)\n]{1,60}\) )(?P<version>2\.\d+)"),
}
_OTHER_NAMES = {"pytorch": "torch"}


def find_installed(text: str) -> Iterator[tuple[str, Version]]:
    """Yield what installers in *text* report to have installed, in order."""
    for line in _INSTALLED.finditer(text):
        for found in _ONE_INSTALLED.finditer(line[1]):
            yield from _pair(found["name"], found["version"])


def find_versions(text: str) -> Iterator[tuple[str, Version]]:
    """Yield normalized distribution names and the versions *text* mentions, in no order."""
    for pattern in _NAMED:
        for found in pattern.finditer(text):
            yield from _pair(found["name"], found["version"])
    for found in _ENGINE.finditer(text):
        yield from _pair("vllm", found["version"])


def read_facts(texts: Sequence[str]) -> Facts:
    """Return what *texts*, the most telling first, say of the environment they come from.

    What an installer reports counts more than a mention, and its last word more than its first.
    """
    installed = {name: version for text in texts for name, version in find_installed(text)}
    mentioned: dict[str, Version] = {}
    numbers: dict[str, Version] = {}
    for text in texts:
        for name, version in find_versions(text):
            mentioned.setdefault(name, version)
        for key, pattern in _NUMBERS.items():
            if (found := pattern.search(text)) and (number := parse_version(found["version"])):
                numbers.setdefault(key, number)
    return Facts(versions={**mentioned, **installed}, numbers=numbers)


def _pair(name: str, text: str) -> Iterator[tuple[str, Version]]:
    version = parse_version(text)
    if version is not None:
        normalized = str(canonicalize_name(name))
        yield _OTHER_NAMES.get(normalized, normalized), version
