"""Versions are read as installers, engines and paths print them."""

from __future__ import annotations

import pytest

from pytest_verlcompat.issues.versions import find_versions, read_facts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("requires vllm==0.11.0 here", ("vllm", "0.11.0")),
        ("ray[default]==2.50.0", ("ray", "2.50.0")),
        ("site-packages/flash_attn-2.8.3.dist-info/RECORD", ("flash-attn", "2.8.3")),
        ("but you have numpy 1.26.4 which", ("numpy", "1.26.4")),
        ("opencv-python 4.12.0.88 requires numpy", ("opencv-python", "4.12.0.88")),
        ("Initializing a V1 LLM engine (v0.18.1) with", ("vllm", "0.18.1")),
        ("vLLM API server version 0.11.0", ("vllm", "0.11.0")),
        ("PyTorch version: 2.8.0+cu128", ("torch", "2.8.0+cu128")),
        (
            "Requirement already satisfied: peft<1 in ./x/site-packages (0.17.1)",
            ("peft", "0.17.1"),
        ),
        ("torch==2.9.0.dev20260101", ("torch", "2.9.0.dev20260101")),
    ],
)
def test_version_is_read(text: str, expected: tuple[str, str]) -> None:
    """Each form names a distribution and its version."""
    assert expected in {(name, str(version)) for name, version in find_versions(text)}


@pytest.mark.parametrize(
    "text",
    [
        "sglang depends on transformers==5.6.0",
        "we can conclude that you require outlines==0.1.11",
        "at least requires tensordict version 0.10.0",
        "============== 3 passed ==============",
        "step 1.2.3 loss 0.4",
    ],
)
def test_what_is_only_asked_for_is_not_installed(text: str) -> None:
    """A requirement in a sentence says nothing about what is there."""
    assert list(find_versions(text)) == []


def test_last_install_counts_and_goes_before_a_mention() -> None:
    """What an installer reported last is what the run had."""
    facts = read_facts(
        [
            "numpy==1.0.0 was mentioned; /usr/lib/python3.11/site-packages",
            (
                "Successfully installed numpy-2.2.6 torch-2.8.0+cu128\n"
                "Successfully installed numpy-1.26.4\nDriver Version: 570.86.10"
            ),
        ]
    )

    assert {name: str(version) for name, version in facts.versions.items()} == {
        "numpy": "1.26.4",
        "torch": "2.8.0+cu128",
    }
    assert {key: str(value) for key, value in facts.numbers.items()} == {
        "python": "3.11",
        "driver": "570.86.10",
    }
