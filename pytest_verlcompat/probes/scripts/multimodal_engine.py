"""Establish that vLLM answers a prompt with a picture, with a tiny Qwen2.5-VL of random weights.

Model and processor are made in code and stored as a hub would serve them; vLLM loads both,
prepares the picture itself and answers greedily. Passed: it answers, a second answer to the same
picture is the same, and vLLM spends as many prompt tokens on the picture as the processor says.
Whether another picture changes the answer is a fact: random weights need not.
"""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path
from typing import Any

TITLE = "vLLM answers a prompt with a picture"
RUNG = "gpu"
DISTRIBUTIONS = ("vllm", "torch", "torchvision", "transformers", "pillow", "numpy")
GPUS = 1
TIMEOUT_S = 240.0

FAMILY = "Qwen2_5_VL"
WIDTH = 256
"""Heads of 64, which the engine's kernels take."""
TOKENS = 16


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return seconds, tokens of the prompt and of the answers."""
    facts = request["facts"]
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    engines, device, vision = (_sibling(n) for n in ("_engines", "_device", "_tiny_vision"))
    folder = Path(request["scratch"]) / "model"
    pictures = [_picture(seed, vision.SIDE) for seed in (0, 1)]
    facts["step"] = "make"
    wanted = store(folder, vision, _sibling("_tiny_model"), picture=pictures[0])
    facts["step"] = "start"
    started = time.monotonic()
    from vllm import LLM, SamplingParams

    share = device.engine_share(engines.POOL_GIB)
    settings = engines.vllm_settings(folder, share=share, limit_mm_per_prompt={"image": 1})
    llm = LLM(**settings)
    facts["start_s"] = round(time.monotonic() - started, 3)
    facts["step"] = "answer"
    parameters = SamplingParams(temperature=0.0, max_tokens=TOKENS, ignore_eos=True)

    def answer(picture: Any) -> tuple[int, list[int]]:
        prompt = {"prompt": vision.PROMPT, "multi_modal_data": {"image": picture}}
        found = llm.generate(prompt, parameters, use_tqdm=False)[0]
        return len(found.prompt_token_ids), [int(token) for token in found.outputs[0].token_ids]

    try:
        facts["prompt_tokens"], facts["tokens"] = answer(pictures[0])
        _, again = answer(pictures[0])
        _, other = answer(pictures[1])
    finally:
        llm.llm_engine.engine_core.shutdown()
    facts["other_picture_other_answer"] = other != facts["tokens"]
    facts["step"] = "done"
    if again != facts["tokens"]:
        raise AssertionError(f"the same picture gave {again[:6]} after {facts['tokens'][:6]}")
    if facts["prompt_tokens"] != wanted:
        raise AssertionError(f"vLLM's prompt has {facts['prompt_tokens']} tokens, not {wanted}")
    return dict(facts)


def store(folder: Path, vision: Any, tiny: Any, *, picture: Any) -> int:
    """Write model and processor to *folder*; return how many tokens prompt and picture take."""
    import torch
    from transformers import AutoTokenizer

    tiny.write_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    processor = vision.make_processor(FAMILY, tokenizer)
    model = vision.make_model(FAMILY, tokenizer, width=WIDTH)
    torch.nn.init.normal_(model.lm_head.weight, std=0.2)
    model.to(torch.bfloat16).save_pretrained(folder)
    processor.save_pretrained(folder)
    inputs = processor(text=[vision.PROMPT], images=[picture], return_tensors="pt")
    return int(inputs["input_ids"].shape[-1])


def _picture(seed: int, side: int) -> Any:
    """Return a PIL image of noise."""
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
