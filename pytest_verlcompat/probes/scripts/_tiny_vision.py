"""Make tiny vision models with their processors: random weights, default processing, no hub."""

from __future__ import annotations

import inspect
from typing import Any

SIDE = 112
"""Pixels; two merged patches of 28 (or 32) or more in each direction."""
PROMPT = "See <|vision_start|><|image_pad|><|vision_end|> well."


def make_processor(family: str, tokenizer: Any) -> Any:
    """Return the processor of *family*, made of parts with their default settings."""
    import transformers

    images = transformers.Qwen2VLImageProcessor(min_pixels=SIDE * SIDE, max_pixels=4 * SIDE * SIDE)
    if family == "Qwen3VL":
        images.patch_size = 16
    name = {"Qwen2_5_VL": "Qwen2_5_VLProcessor", "Qwen3VL": "Qwen3VLProcessor"}[family]
    maker = getattr(transformers, name)
    keywords: dict[str, Any] = {"image_processor": images, "tokenizer": tokenizer}
    if "video_processor" in inspect.signature(maker.__init__).parameters:
        video = "Qwen3VLVideoProcessor" if family == "Qwen3VL" else "Qwen2VLVideoProcessor"
        keywords["video_processor"] = getattr(transformers, video)()
    for token in ("image_token", "video_token", "vision_start_token", "vision_end_token"):
        marks = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
        text = marks.get(token, f"<|{token.removesuffix('_token')}|>")
        setattr(tokenizer, token, text)
        setattr(tokenizer, f"{token}_id", tokenizer.convert_tokens_to_ids(text))
    return maker(**keywords)


def make_model(family: str, tokenizer: Any, *, width: int = 64) -> Any:
    """Return a model of *family* with random weights, ``float32``, with four heads over *width*."""
    import transformers

    head = width // 4
    # Of every head, half the dimensions turn, by time, height and width of a patch.
    sections = [head // 2 - 2 * (3 * head // 16), 3 * head // 16, 3 * head // 16]
    sizes = {"hidden_size": width, "intermediate_size": 2 * width}
    text = {
        **sizes,
        "vocab_size": len(tokenizer),
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
    }
    marks = {
        "image_token_id": tokenizer.image_token_id,
        "video_token_id": tokenizer.video_token_id,
        "vision_start_token_id": tokenizer.vision_start_token_id,
        "vision_end_token_id": tokenizer.vision_end_token_id,
    }
    vision = {**sizes, "depth": 2, "num_heads": 4, "out_hidden_size": width}
    if family == "Qwen3VL":
        rope = {"rope_type": "default", "mrope_section": sections, "mrope_interleaved": True}
        text |= {"head_dim": head, "rope_scaling": rope}
        vision |= {"deepstack_visual_indexes": [0], "patch_size": 16}
    else:
        text["rope_scaling"] = {"type": "mrope", "mrope_section": sections}
        vision |= {"fullatt_block_indexes": [1], "window_size": 56}
    config = getattr(transformers, f"{family}Config")(
        text_config=text, vision_config=vision, **marks, attn_implementation="eager"
    )
    return getattr(transformers, f"{family}ForConditionalGeneration")(config).float().eval()
