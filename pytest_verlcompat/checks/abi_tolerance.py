"""Knows which distributions go on when their extension does not load.

Every other distribution is taken to need what it ships. Nothing in its files would tell: vLLM
and torchvision catch the error of loading too, and then fail at the first call of a kernel. So
a distribution is named here once it was read that it works without, and with where.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pytest_verlcompat.model.finding import Finding, Weight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

WORKS_WITHOUT: Mapping[str, str] = {
    "torchao": (
        "torchao/__init__.py of torchao 0.9.0 catches every error of loading, logs it for "
        "debugging and does not import the operators; its quantization is Python, read 2026-11-20"
    ),
}
"""Normalized name to where it was read; SGLang pins torchao builds of an older torch."""
_CRASHES = "silent-abi-break"


def soften(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield *findings*, those as suspect that their distribution goes on with.

    A crash in initialisers is no error that can be caught, and stays what it is.
    """
    for finding in findings:
        name = canonicalize_name(finding.consumer.partition(" ")[0])
        source = WORKS_WITHOUT.get(name)
        if source is None or finding.weight is not Weight.BROKEN or finding.code == _CRASHES:
            yield finding
            continue
        detail = "\n".join(filter(None, [finding.cause.detail, f"it goes on without: {source}"]))
        yield dataclasses.replace(
            finding,
            weight=Weight.SUSPECT,
            cause=dataclasses.replace(finding.cause, detail=detail),
        )
