"""Establish that vLLM's cached tokenizer works over a tokenizer of the installed transformers.

A byte-level Qwen2 tokenizer is made in code (a token for every byte, three special tokens,
a chat template), stored in the scratch folder and loaded through ``AutoTokenizer``, so that no
hub is needed. vLLM's ``get_cached_tokenizer``, which moved between releases and is found by its
definition, wraps it. Passed: vLLM's copy encodes and decodes several scripts without loss,
agrees with the original on ids, special tokens and length, and renders the chat template.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import time
from pathlib import Path
from typing import Any

TITLE = "vLLM's cached tokenizer works over a tokenizer of this transformers"
RUNG = "cpu"
DISTRIBUTIONS = ("vllm", "transformers", "tokenizers")
GPUS = 0
TIMEOUT_S = 240.0

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXTS = ("What is 7 * 8?", "Größe: 3 µm, naïve", "数学は楽しい", "🙂🚀 tabs\tand\nlines")


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the tokenizer classes, where vLLM keeps its cache, and sizes compared."""
    from transformers import AutoTokenizer

    facts = request["facts"]
    folder = Path(request["scratch"]) / "tokenizer"
    _write_tokenizer(folder)
    original = AutoTokenizer.from_pretrained(folder)
    facts["tokenizer"] = type(original).__name__
    started = time.monotonic()
    name = _defining_module("get_cached_tokenizer")
    facts["module"] = name
    get_cached_tokenizer = importlib.import_module(name).get_cached_tokenizer
    facts["import_s"] = round(time.monotonic() - started, 3)
    cached = get_cached_tokenizer(original)
    facts["cached"] = type(cached).__name__
    facts["tokens"] = len(cached)
    _compare(original, cached)
    messages = [{"role": "user", "content": TEXTS[0]}]
    facts["prompt_tokens"] = _render_chat(cached, messages)
    return dict(facts)


def _write_tokenizer(folder: Path) -> None:
    """Write a byte-level Qwen2 tokenizer without merges, in both of its stored forms."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    folder.mkdir(parents=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    settings = {
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": SPECIAL[2],
        "pad_token": SPECIAL[0],
        "additional_special_tokens": list(SPECIAL[1:]),
        "added_tokens_decoder": {
            str(len(alphabet) + index): {"content": token, "special": True}
            for index, token in enumerate(SPECIAL)
        },
        "chat_template": CHAT_TEMPLATE,
        "model_max_length": 4096,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def _defining_module(function: str) -> str:
    """Return the name of vLLM's module that defines *function*."""
    spec = importlib.util.find_spec("vllm")
    root = Path(spec.origin).parent if spec is not None and spec.origin else Path()
    for path in sorted(root.rglob("*tokeniz*/**/*.py")) + sorted(root.rglob("*tokeniz*.py")):
        if f"def {function}(" in path.read_text(encoding="utf-8"):
            return ".".join(["vllm", *path.relative_to(root).with_suffix("").parts])
    raise ImportError(f"no tokenizer module of vLLM defines {function}")


def _compare(original: Any, cached: Any) -> None:
    """Raise AssertionError where *cached* disagrees with *original* or loses text."""
    for text in TEXTS:
        ids = cached.encode(text)
        if ids != original.encode(text):
            raise AssertionError(f"the cached tokenizer encodes {text!r} differently")
        if cached.decode(ids) != text:
            raise AssertionError(f"{text!r} came back as {cached.decode(ids)!r}")
    for name in ("all_special_ids", "all_special_tokens", "eos_token_id", "pad_token_id"):
        if getattr(cached, name) != getattr(original, name):
            raise AssertionError(f"{name}: {getattr(cached, name)} != {getattr(original, name)}")
    if len(cached) != len(original) or cached.get_vocab() != original.get_vocab():
        raise AssertionError(f"{len(cached)} tokens in the cache, {len(original)} in the original")


def _render_chat(cached: Any, messages: list[dict[str, str]]) -> int:
    """Return the length of the prompt that the chat template renders, in tokens."""
    text = cached.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    wanted = f"<|im_start|>user\n{TEXTS[0]}<|im_end|>\n<|im_start|>assistant\n"
    if text != wanted:
        raise AssertionError(f"the chat template rendered {text!r}, expected {wanted!r}")
    ids = cached.encode(text)
    starts = ids.count(cached.convert_tokens_to_ids(SPECIAL[1]))
    if starts != len(messages) + 1:
        raise AssertionError(f"{SPECIAL[1]} became one token {starts} times, expected 2")
    return len(ids)
