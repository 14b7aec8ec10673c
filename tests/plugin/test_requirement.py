"""Requirements of tests: which contradict themselves, and which are met."""

from __future__ import annotations

import pytest

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.plugin.requirement import find_missing, parse_requirements


@pytest.mark.parametrize(
    "texts",
    [
        ["vllm>=0.11,<0.10"],
        ["vllm>=0.12", "vllm<0.11"],
        ["vllm==0.11.0,!=0.11.0"],
        ["vllm>0.11,<=0.11"],
        ["vllm==0.11.*", "vllm>=0.12"],
    ],
)
def test_contradiction_is_found(texts: list[str]) -> None:
    """No version could meet these, so no stack ever runs the test."""
    with pytest.raises(UsageError, match="contradict"):
        parse_requirements(texts)


@pytest.mark.parametrize(
    "text",
    ["vllm", "vllm>0.11,<0.11.1", "vllm>1,!=1.1,<2", "vllm~=0.11.0", "vllm<0.1", "vllm==0.11.*"],
)
def test_what_can_be_met_is_no_contradiction(text: str) -> None:
    """Narrow is not impossible."""
    assert list(parse_requirements([text])) == ["vllm"]


@pytest.mark.parametrize(
    ("wanted", "version"),
    [
        ("torch<=2.8.0", "2.8.0+cu128"),
        ("vllm>=0.11", "0.12.0rc1"),
        ("Flash_Attn>=2", "2.8.3"),
        ("vllm", "not a version"),
    ],
)
def test_installed_version_meets_the_requirement(wanted: str, version: str) -> None:
    """Local versions, pre-releases and other spellings are what people have."""
    specifiers = parse_requirements([wanted])

    assert find_missing(specifiers, dict.fromkeys(specifiers, version)) == []
