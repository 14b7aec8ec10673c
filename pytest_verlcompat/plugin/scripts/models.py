"""Make a tiny model and its tokenizer: random weights, no hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_MOE = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 128,
    "decoder_sparse_step": 1,
    "norm_topk_prob": True,
}


def make(*, parts: str, folder: str, kind: str, seed: int) -> dict[str, Any]:
    """Write a model of *kind* to *folder* as a hub would serve it; say what it is.

    Args:
        parts: Folder of the probe scripts, whose models these are.
        kind: ``dense``, ``moe`` or ``vl``.
    """
    import torch
    import transformers

    from __main__ import load_part

    tiny = load_part(parts, "_tiny_model")
    torch.manual_seed(seed)
    place = Path(folder)
    wanted = {"dense": ["Qwen3"], "moe": ["Qwen3Moe"], "vl": ["Qwen3VL", "Qwen2_5_VL"]}[kind]
    family = next((each for each in wanted if hasattr(transformers, f"{each}Config")), None)
    if family is None:
        names = " or ".join(f"{each}Config" for each in wanted)
        return {"lacks": [f"{names} (transformers {transformers.__version__})"]}
    if kind == "vl":
        tiny.write_tokenizer(place)
        vision = load_part(parts, "_tiny_vision")
        tokenizer = transformers.AutoTokenizer.from_pretrained(place)
        processor = vision.make_processor(family, tokenizer)
        model = vision.make_model(family, tokenizer)
        processor.save_pretrained(place)
    elif kind == "moe":
        config = transformers.Qwen3MoeConfig(**tiny.model_settings(), **_MOE)
        model = transformers.Qwen3MoeForCausalLM(config).to(torch.bfloat16).eval()
        tiny.write_tokenizer(place)
    else:
        model = tiny.make_model(seed=seed)
        tiny.write_tokenizer(place)
    model.save_pretrained(place)
    return {
        "architecture": type(model).__name__,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "transformers": transformers.__version__,
    }
