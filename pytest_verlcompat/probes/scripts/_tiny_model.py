"""Make the model, tokenizer and data of the GPU and trainer probes: random weights, no hub.

Loaded by path from the scripts beside it, in the interpreter under test. The model is a Qwen3
whose sizes the engines' attention kernels accept (heads of 64); the output layer is scaled up
so that the distribution over tokens is peaked and the likeliest token stands clear of rounding.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
ADDED = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
"""Tokens of their own that are shown when decoded, as Qwen's tool markers are."""
VOCABULARY = 320
"""Rows of the embedding; every one is a token, so that any sampled id can be decoded."""
HEAD = 64
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
OUTPUT_SCALE = 8.0


def write_tokenizer(folder: Path, *, chat_template: str = CHAT_TEMPLATE) -> None:
    """Write a byte-level Qwen2 tokenizer without merges, in both of its stored forms."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    folder.mkdir(parents=True, exist_ok=True)
    words = sorted(pre_tokenizers.ByteLevel.alphabet())
    fillers = VOCABULARY - len(words) - len(SPECIAL) - len(ADDED)
    words += [f"<filler{number}>" for number in range(fillers)]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, special=False) for token in ADDED])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    settings = {
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "additional_special_tokens": list(SPECIAL[1:]),
        "added_tokens_decoder": {
            str(len(words) + number): {"content": token, "special": token in SPECIAL}
            for number, token in enumerate((*SPECIAL, *ADDED))
        },
        "chat_template": chat_template,
        "model_max_length": 4096,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def token_id(token: str) -> int:
    """Return the id of one of the added tokens: they are the last rows."""
    added = (*SPECIAL, *ADDED)
    return VOCABULARY - len(added) + added.index(token)


def model_settings(**changed: Any) -> dict[str, Any]:
    """Return the keywords of the tiny Qwen3's configuration."""
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": HEAD,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": token_id("<|im_end|>"),
        "pad_token_id": token_id("<|endoftext|>"),
        **changed,
    }


def make_model(*, seed: int = 0, dtype: str = "bfloat16") -> Any:
    """Return a Qwen3 of random weights in evaluation mode, on the CPU."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = transformers.Qwen3Config(**model_settings())
    model = transformers.Qwen3ForCausalLM(config)
    with torch.no_grad():
        model.lm_head.weight.mul_(OUTPUT_SCALE)
    return model.to(getattr(torch, dtype)).eval()


def write_model(folder: Path, *, seed: int = 0, chat_template: str = CHAT_TEMPLATE) -> Path:
    """Write the model of *seed* and its tokenizer to *folder* as a hub would serve them."""
    make_model(seed=seed).save_pretrained(folder)
    write_tokenizer(folder, chat_template=chat_template)
    return folder


def log_probs(model: Any, tokens: Any, *, device: str | None = None) -> Any:
    """Return each token's log-probability given those before it, ``float32`` (batch, length - 1).

    Computed as a trainer does: the forward in the model's dtype, the softmax in ``float32``.
    """
    import torch

    with torch.no_grad():
        tokens = tokens.to(device or model.device)
        logits = model(input_ids=tokens, use_cache=False).logits[:, :-1].float()
        chances = torch.log_softmax(logits, dim=-1)
        return chances.gather(-1, tokens[:, 1:].unsqueeze(-1)).squeeze(-1).cpu()


def write_rows(path: Path, *, count: int = 16) -> Path:
    """Write *count* rows in the columns of verl's own data preparation, as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "data_source": "verlcompat/tiny",
            "prompt": [{"role": "user", "content": f"Say e, {number} times."}],
            "ability": "letters",
            "reward_model": {"style": "rule", "ground_truth": "e"},
            "extra_info": {"split": "train", "index": number},
        }
        for number in range(count)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path
