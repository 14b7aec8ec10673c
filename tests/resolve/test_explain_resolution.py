"""Explanations as uv 0.13.8 words them, cut to their premises."""

from __future__ import annotations

from pytest_verlcompat.resolve.explain import MOST_SENTENCES, is_explanation, parse_explanation

HEAD = "error: No solution found when resolving dependencies\n  cause: "
TRANSFORMERS = (
    HEAD + "Because sglang==0.5.4 depends on transformers==4.57.1 and verl>=0.9.0 depends on one "
    "of:\n             transformers>=5.5.3,<5.6.0\n             transformers>5.6.0,<5.11\n"
    "         we can conclude that sglang==0.5.4 and verl>=0.9.0 are incompatible.\n"
    "         And because you require verl==0.9.0 and sglang==0.5.4, we can conclude that your "
    "requirements are unsatisfiable.\n"
)
PYTHON = (
    HEAD + "Because the requested Python version (>=3.10.19) does not satisfy Python>=3.11,<3.15 "
    "and vllm==0.33.0 depends on Python>=3.11,<3.15, we can conclude that vllm==0.33.0 cannot be "
    "used.\n         And because you require vllm==0.33.0, we can conclude that your requirements "
    "are unsatisfiable.\n\nhint: The `--python-version` value includes versions that are not "
    "supported.\n"
)


def test_choice_over_lines_becomes_one_premise() -> None:
    """A list of ranges is one sentence, and both sides of it are named."""
    explanation = parse_explanation(TRANSFORMERS)

    assert explanation.sentences == (
        "sglang==0.5.4 depends on transformers==4.57.1",
        "verl>=0.9.0 depends on one of transformers>=5.5.3,<5.6.0 or transformers>5.6.0,<5.11",
    )
    assert explanation.distributions == ("sglang", "transformers", "verl")


def test_sentence_that_goes_on_below_a_choice_is_not_part_of_it() -> None:
    """What is indented less than the items belongs to the sentence, not to the list."""
    text = (
        HEAD + "Because verl>=0.9.1 depends on one of:\n             transformers>=5.5.3,<5.6.0\n"
        "             transformers>5.6.0,<5.11\n         and you require verl[sglang]==0.9.1, we "
        "can conclude that your requirements are unsatisfiable.\n"
    )

    assert parse_explanation(text).sentences == (
        "verl>=0.9.1 depends on one of transformers>=5.5.3,<5.6.0 or transformers>5.6.0,<5.11",
    )


def test_python_that_does_not_satisfy_is_a_premise() -> None:
    """The requested Python is kept, the hint is not."""
    explanation = parse_explanation(PYTHON)

    assert "does not satisfy Python>=3.11" in explanation.sentences[0]
    assert not any("hint" in each for each in explanation.sentences)
    assert explanation.distributions == ("vllm",)


def test_pins_without_wheel_and_absent_releases_are_told_apart() -> None:
    """What could be read from an sdist and what the index lacks are listed apart."""
    text = (
        HEAD + "Because flashinfer-python==0.4.1 has no usable wheels and there is no version of "
        "apache-tvm-ffi==0.1.0b15, we can conclude that your requirements are unsatisfiable.\n"
        "         And because nothing-like-it was not found in the package registry, we can "
        "conclude that it is so.\n"
    )

    explanation = parse_explanation(text)

    assert explanation.sdist_only == (("flashinfer-python", "0.4.1"),)
    assert set(explanation.absent) == {("apache-tvm-ffi", "0.1.0b15"), ("nothing-like-it", None)}


def test_long_proof_keeps_its_first_and_last_premises() -> None:
    """The middle of a long proof is counted instead of shown."""
    clauses = " ".join(
        f"Because a{n}==1 depends on b{n}<2, we can conclude that c{n}.\n" for n in range(40)
    )

    sentences = parse_explanation(HEAD + clauses).sentences

    assert len(sentences) == MOST_SENTENCES + 1
    assert sentences[0].startswith("a0==1")
    assert sentences[-1].startswith("a39==1")
    assert "32 more" in sentences[MOST_SENTENCES // 2]


def test_other_failure_is_no_explanation() -> None:
    """An error of the network is not taken for a proof."""
    assert not is_explanation("error: Request failed after 3 retries")
