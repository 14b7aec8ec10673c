"""Establish that verl tokenizes a conversation piece by piece into what its template renders.

verl never renders a long conversation again: it tokenizes what each turn adds and appends that.
A conversation with a tool call (system, user, call, reply, answer) is put through verl's own
``MultiTurnSFTDataset`` and through what this release's rollouts append with (the continuous
token builder from 0.9, ``AsyncRolloutRequest`` before), under three chat templates that behave
like Qwen2.5's, like Qwen3's, and like a plain one (``_chat_templates.py``).

Passed: the pieces equal the whole, up to the separator after the last turn, and the loss
mask covers what the assistant said and nothing else. Conditional: the mask holds and pieces
differ from the whole, with the place where they do. Failed: a mask covers anything else. Two
harder conversations are facts only: two calls at once, and a second question, after which
Qwen3's template drops earlier reasoning by design.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TITLE = "increments of a conversation with tool calls equal the whole; the loss is the assistant's"
RUNG = "cpu"
DISTRIBUTIONS = ("verl", "torch", "transformers", "pyarrow", "pandas")
GPUS = 0
TIMEOUT_S = 240.0

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Add two numbers.",
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
                "required": ["a", "b"],
            },
        },
    }
]
Built = tuple[list[int], list[int], list[Any]]
"""Token ids, loss mask, and the tools as this way renders them (order and defaults of keys)."""
CORE = "one call"
END = "<|im_end|>"


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return, per way and template, whether pieces equal the whole and the mask is right."""
    from transformers import AutoTokenizer

    facts = request["facts"]
    scratch = Path(request["scratch"])
    tiny, templates = _sibling("_tiny_model"), _sibling("_chat_templates")
    ways = dict(_ways())
    facts["ways"] = {name: way.__name__ for name, way in ways.items()}
    facts["results"] = results = {}
    for template, text in templates.TEMPLATES.items():
        folder = scratch / template
        tiny.write_tokenizer(folder, chat_template=text)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        for topic, messages in conversations(thinking="Qwen3" in template).items():
            for name, way in ways.items():
                label = f"{name}, {template}, {topic}"
                file = folder / f"{topic}.parquet"
                results[label] = _judge(way, tokenizer, messages=messages, file=file)
    return {**facts, **conclude(results)}


def conversations(*, thinking: bool) -> dict[str, list[dict[str, Any]]]:
    """Return messages by topic; with *thinking* the assistant reasons before it speaks."""

    def assistant(text: str, thought: str, *sums: tuple[int, int]) -> dict[str, Any]:
        content = f"<think>\n{thought}\n</think>\n\n{text}" if thinking else text
        calls = [
            {"type": "function", "function": {"name": "add", "arguments": {"a": a, "b": b}}}
            for a, b in sums
        ]
        return {"role": "assistant", "content": content, **({"tool_calls": calls} if calls else {})}

    start = [
        {"role": "system", "content": "You compute."},
        {"role": "user", "content": "What is 7 + 8?"},
    ]
    answered = [
        *start,
        assistant("Let me see.", "A sum.", (7, 8)),
        {"role": "tool", "content": "15"},
        assistant("It is 15.", "Easy."),
    ]
    return {
        CORE: answered,
        "two calls": [
            *start,
            assistant("Twice.", "Two sums.", (7, 8), (8, 7)),
            {"role": "tool", "content": "15"},
            {"role": "tool", "content": "15"},
            assistant("Both 15.", "The same."),
        ],
        "second question": [
            *answered,
            {"role": "user", "content": "Thanks. And 1 + 1?"},
            assistant("2.", "No need of a tool."),
        ],
    }


def conclude(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the condition, if any, that the core conversation's results impose.

    Raises:
        AssertionError: If a mask of the core conversation covers what it must not, or a way
            could not be gone at all.
    """
    core = {label: result for label, result in results.items() if label.endswith(CORE)}
    for label, result in core.items():
        if "error" in result:
            raise AssertionError(f"{label}: {result['error']}")
        if result["mask"] != "right":
            raise AssertionError(f"{label}: the loss mask is wrong: {result['mask']}")
    differing = [label for label, result in core.items() if result["difference"]]
    if not differing:
        return {}
    said = "; ".join(f"{label}: {results[label]['difference']}" for label in differing)
    condition = f"multi-turn data are tokenized otherwise than the whole conversation ({said})"
    if any(label.startswith("sft") for label in differing):
        condition += "; supervised training goes on with data.ignore_input_ids_mismatch=True"
    return {"condition": condition}


def _judge(
    way: Callable[..., Built], tokenizer: Any, *, messages: list[dict[str, Any]], file: Path
) -> dict[str, Any]:
    """Return how what verl built compares with the whole, or the error it raised."""
    try:
        built, mask, tools = way(tokenizer, messages, file)
    except Exception as error:  # the other ways and templates are still of interest
        return {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300]}"}
    whole = tokenizer.apply_chat_template(messages, tools=tools, tokenize=False)
    wanted = tokenizer.encode(whole, add_special_tokens=False)
    separator = tokenizer.encode("\n", add_special_tokens=False)
    at = first_difference(built, wanted, separator=separator)
    said = ["".join(part) for part in _spans(tokenizer, built, mask)]
    spoken = [message["content"] for message in messages if message["role"] == "assistant"]
    return {
        "tokens": len(built),
        "trained_tokens": sum(mask),
        "difference": None if at is None else _around(tokenizer, built, whole=wanted, at=at),
        "mask": describe_mask(said, spoken),
    }


def first_difference(
    built: Sequence[int], whole: Sequence[int], *, separator: Sequence[int]
) -> int | None:
    """Return where *built* leaves *whole*, or None; the last turn's *separator* may be missing."""
    if list(built) in (list(whole), list(whole[: len(whole) - len(separator)])):
        return None
    pairs = zip(built, whole, strict=False)
    shorter = min(len(built), len(whole))
    return next((at for at, (a, b) in enumerate(pairs) if a != b), shorter)


def describe_mask(said: Sequence[str], spoken: Sequence[str]) -> str:
    """Return ``right`` if each trained span is a turn of the assistant, or what is wrong.

    Args:
        said: Decoded spans under the loss mask.
        spoken: What the assistant's messages contain; a template may drop reasoning.
    """
    if len(said) != len(spoken):
        return f"{len(said)} trained spans for {len(spoken)} turns of the assistant: {said}"
    for span, content in zip(said, spoken, strict=True):
        answer = content.split("</think>")[-1].strip()
        if answer not in span:
            return f"{span!r} is trained instead of {answer!r}"
        stranger = next(
            (word for word in ("<|im_start|>", "<tool_response>") if word in span), None
        )
        if stranger:
            return f"{stranger} is trained: {span!r}"
    return "right"


def _spans(tokenizer: Any, ids: list[int], mask: list[int]) -> list[list[str]]:
    """Return the decoded runs of *ids* under *mask*."""
    spans: list[list[int]] = []
    for at, (token, trained) in enumerate(zip(ids, mask, strict=True)):
        if trained and (not at or not mask[at - 1]):
            spans.append([])
        if trained:
            spans[-1].append(token)
    return [[tokenizer.decode(span)] for span in spans]


def _around(tokenizer: Any, built: list[int], *, whole: list[int], at: int) -> str:
    """Return both texts around the place *at* where they part."""
    start = max(0, at - 12)
    mine, theirs = (
        tokenizer.decode(built[start : at + 12]),
        tokenizer.decode(whole[start : at + 12]),
    )
    return f"token {at}: {mine!r} instead of {theirs!r}"


def _ways() -> list[tuple[str, Callable[..., Built]]]:
    """Return the ways by which this release builds conversations from pieces."""
    found: list[tuple[str, Callable[..., Built]]] = [("sft", _by_dataset)]
    if _has("verl.utils.tokenizer") and _has("verl.utils.tokenizer.continuous_token"):
        found.append(("rollout", _by_builder))
    elif _has("verl.workers.rollout.schemas"):
        found.append(("rollout", _by_request))
    return found


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _by_dataset(tokenizer: Any, messages: list[Any], file: Path) -> Built:
    """Return ids and loss mask that the SFT data set makes of one Parquet row."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from omegaconf import OmegaConf
    from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset

    pq.write_table(pa.Table.from_pylist([{"messages": messages, "tools": TOOLS}]), file)
    settings = {"max_length": 2048, "truncation": "error", "pad_mode": "no_padding"}
    # Compared here: from 0.7 the data set raises where pieces and whole differ.
    settings["ignore_input_ids_mismatch"] = True
    config = OmegaConf.create(settings)
    rows = MultiTurnSFTDataset(str(file), tokenizer, config)
    mask = [int(item) for item in rows[0]["loss_mask"].tolist()]
    return rows[0]["input_ids"].tolist(), mask, rows.tools[0]


def _by_builder(tokenizer: Any, messages: list[Any], _: Path) -> Built:
    """Return ids and mask as an agent loop grows them, with an assistant that says *messages*."""
    # Turns end alike in all three templates, as Qwen's do.
    builder = _builder_factory()(tokenizer, hf_model_type="qwen3")
    start = _first_assistant(messages)
    ids = list(builder.build_initial_tokens(messages[:start], tools=TOOLS))
    mask = [0] * len(ids)
    known = start
    for number in range(start, len(messages)):
        if messages[number]["role"] != "assistant":
            continue
        if number > known:
            merged = builder.merge_context_tokens(
                messages[:known], messages[:number], ids, tools=TOOLS
            )
            mask += [0] * (len(merged.token_ids) - len(mask))
            ids = list(merged.token_ids)
        words = _emitted(tokenizer, messages, number)
        ids = list(builder.merge_assistant_tokens(ids, words).token_ids)
        mask += [1] * (len(ids) - len(mask))
        known = number + 1
    return ids, mask, TOOLS


def _builder_factory() -> Any:
    """Return verl's function that makes a builder for a kind of model."""
    for name in ("continuous_token_wiring", "continuous_token"):
        module = f"verl.utils.tokenizer.{name}"
        if _has(module):
            factory = getattr(
                importlib.import_module(module), "create_continuous_token_builder", None
            )
            if factory is not None:
                return factory
    raise ImportError("verl has create_continuous_token_builder in neither place known here")


def _first_assistant(messages: list[Any]) -> int:
    return next(at for at, message in enumerate(messages) if message["role"] == "assistant")


def _emitted(tokenizer: Any, messages: list[Any], number: int) -> list[int]:
    """Return the tokens a model would emit for message *number*: all up to its end marker."""
    before = tokenizer.apply_chat_template(
        messages[:number], tools=TOOLS, tokenize=False, add_generation_prompt=True
    )
    after = tokenizer.apply_chat_template(messages[: number + 1], tools=TOOLS, tokenize=False)
    text = after[len(before) :]
    ids: list[int] = tokenizer.encode(text[: text.rindex(END) + len(END)], add_special_tokens=False)
    return ids


def _by_request(tokenizer: Any, messages: list[Any], _: Path) -> Built:
    """Return ids and mask as a rollout request of verl up to 0.8 grows them."""
    schemas = importlib.import_module("verl.workers.rollout.schemas")
    tools = importlib.import_module("verl.tools.schemas")
    start = _first_assistant(messages)
    request = schemas.AsyncRolloutRequest(
        request_id="0",
        state=schemas.AsyncRolloutRequestStateEnum.PENDING,
        messages=messages[:start],
        tool_schemas=[tools.OpenAIFunctionToolSchema.model_validate(tool) for tool in TOOLS],
        reward_scores={},
        max_prompt_len=2048,
        use_inference_chat_template=False,
        tokenization_sanity_check_mode=schemas.TokenizationSanityCheckModeEnum.DISABLE,
        processing_class=tokenizer,
    )
    number = start
    while number < len(messages):
        role = messages[number]["role"]
        stop = number + 1
        if role == "tool":
            while stop < len(messages) and messages[stop]["role"] == "tool":
                stop += 1
            replies = [_reply(tools, message["content"]) for message in messages[number:stop]]
            request.add_tool_response_messages(tokenizer, replies)
        elif role == "user":
            request.add_user_message(tokenizer, messages[number]["content"])
        else:
            request.get_generation_prompt_ids(tokenizer)
            calls = [
                tools.OpenAIFunctionToolCall(id="0", **call)
                for call in messages[number].get("tool_calls", ())
            ]
            request.add_assistant_message(
                tokenizer, messages[number]["content"], tool_calls=calls or None
            )
        number = stop
    mask = [int(item) for item in request.loss_mask.squeeze(0).tolist()]
    rendered = [tool.model_dump() for tool in request.tool_schemas]
    return request.input_ids.squeeze(0).tolist(), mask, rendered


def _reply(tools: Any, content: str) -> Any:
    """Return a tool's reply: a record of its own from verl 0.6, text before."""
    record = getattr(tools, "ToolResponse", None)
    return content if record is None or not inspect.isclass(record) else record(text=content)


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
