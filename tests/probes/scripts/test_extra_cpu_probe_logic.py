"""What the extra CPU probes conclude: conversations, imports, keywords, the loader's messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("built", "at"),
    [
        ([1, 2, 3, 9], None),
        ([1, 2, 3], None),
        ([1, 2], 2),
        ([1, 5, 3, 9], 1),
        ([1, 2, 3, 9, 9], 4),
        ([1, 2, 9], 2),
    ],
)
def test_pieces_equal_the_whole_up_to_the_last_separator(
    built: list[int], at: int | None, load_script: Callable[[str], Any]
) -> None:
    """Only the separator after the last turn may be missing."""
    script = load_script("multi_turn_tokenization")

    assert script.first_difference(built, [1, 2, 3, 9], separator=[9]) == at


def test_mask_is_right_only_over_what_the_assistant_said(load_script: Callable[[str], Any]) -> None:
    """A span too few, another text and a marker of another turn are each told."""
    describe = load_script("multi_turn_tokenization").describe_mask
    spoken = ["Let me see.", "<think>\nEasy.\n</think>\n\nIt is 15."]

    assert describe(["Let me see.<call>", "It is 15.<|im_end|>"], spoken) == "right"
    assert describe(["Let me see."], spoken).startswith("1 trained spans for 2 turns")
    assert "instead of 'It is 15.'" in describe(["Let me see.", "15"], spoken)
    assert describe(["Let me see.<tool_response>15", "It is 15."], spoken).startswith(
        "<tool_response> is trained"
    )


def result(difference: str | None = None, mask: str = "right") -> dict[str, Any]:
    """Return the result of one way under one template."""
    return {"difference": difference, "mask": mask}


def test_differing_core_conversation_is_conditional_and_a_wrong_mask_fails(
    load_script: Callable[[str], Any],
) -> None:
    """Harder conversations are facts; the core one decides."""
    script = load_script("multi_turn_tokenization")
    core, hard = "sft, Qwen3-like, one call", "sft, Qwen3-like, two calls"

    assert script.conclude({core: result(), hard: {"error": "ValueError: x"}}) == {}
    assert "token 3" in script.conclude({core: result("token 3: a instead of b")})["condition"]
    with pytest.raises(AssertionError, match="the loss mask is wrong"):
        script.conclude({core: result(mask="all of it")})
    with pytest.raises(AssertionError, match="ValueError: x"):
        script.conclude({core: {"error": "ValueError: x"}})


def raised(*names: str) -> ImportError:
    """Return an ImportError raised from the lack of modules, the first of *names* outermost."""
    error: ImportError | None = None
    for name in reversed(names):
        new = ModuleNotFoundError(f"No module named {name!r}", name=name)
        new.__cause__ = error
        error = new
    assert error is not None
    return error


def test_missing_extra_is_told_from_a_broken_import(load_script: Callable[[str], Any]) -> None:
    """A module that no release requires outside of an extra is named, wherever in the chain."""
    find = load_script("megatron_imports").find_optional

    assert find(raised("megatron.core")) == "megatron"
    assert find(raised("verl.x", "mbridge")) == "mbridge"
    assert find(raised("numpy")) is None
    assert find(ImportError("cannot import name 'x' from 'megatron'", name="megatron")) is None


def test_lora_keywords_are_read_from_the_dictionary(load_script: Callable[[str], Any]) -> None:
    """The keys of verl's dictionary for peft, and nothing where there is none."""
    find = load_script("lora_init").find_lora_keywords

    assert find('def f():\n    lora_config = {"r": 8, "bias": "none"}\n') == ["r", "bias"]
    assert find("lora_config = None\n") == []


@pytest.mark.parametrize(
    ("text", "library"),
    [
        (
            (
                "python: error while loading shared libraries: libcudart.so.12: "
                "cannot open shared object file: No such file or directory"
            ),
            "libcudart.so.12",
        ),
        (
            (
                "ERROR: ld.so: object 'x.so' from LD_PRELOAD cannot be preloaded "
                "(libcuda.so.1: cannot open shared object file): ignored."
            ),
            "libcuda.so.1",
        ),
        ("", None),
    ],
)
def test_missing_library_is_read_from_the_loaders_message(
    text: str, library: str | None, load_script: Callable[[str], Any]
) -> None:
    """The loader names what it cannot open, whether it goes on or not."""
    assert load_script("_preload").find_missing(text) == library


@pytest.mark.parametrize(
    ("reply", "ids"),
    [({"output_ids": [1, 2]}, [1, 2]), ({"meta_info": {"output_ids": [3]}}, [3]), ({}, [])],
)
def test_token_ids_are_found_where_a_release_puts_them(
    reply: dict[str, Any], ids: list[int], load_script: Callable[[str], Any]
) -> None:
    """SGLang moved the ids of an answer between releases."""
    assert load_script("engine_start_sglang").answer_ids(reply) == ids


def test_added_tokens_are_the_last_rows_of_the_vocabulary(
    load_script: Callable[[str], Any],
) -> None:
    """Ids in the model's configuration are those the tokenizer gives, without making one."""
    script = load_script("_tiny_model")
    added = (*script.SPECIAL, *script.ADDED)

    ids = [script.token_id(token) for token in added]

    assert ids == list(range(script.VOCABULARY - len(added), script.VOCABULARY))
    assert script.model_settings()["eos_token_id"] == script.token_id("<|im_end|>")
