"""Establish that a picture goes through OpenCV, PIL, verl's helper and processor into a model.

A picture is made in code, encoded and decoded by OpenCV where it is installed, turned into a
PIL image, prepared by verl's ``process_image`` (``qwen_vl_utils``) and given with a prompt to a
processor made in code. Qwen2.5-VL and Qwen3-VL of random weights and tiny sizes, those that the
installed transformers has, then run one forward on the CPU.

Passed: for each model the picture's tokens are as many as its grid says, the logits are finite,
another picture gives other logits, and the three-fold position ids that verl computes equal those
that the model computes itself. Missing ``qwen_vl_utils`` is a fact: verl requires it
only in an extra; then PIL's image is used as it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import Any

TITLE = "a picture goes through OpenCV, PIL and processor into a tiny Qwen-VL"
RUNG = "cpu"
DISTRIBUTIONS = ("verl", "torch", "torchvision", "transformers", "pillow", "numpy")
GPUS = 0
TIMEOUT_S = 300.0

SIDE = 112
"""Pixels; two merged patches of 28 (or 32) or more in each direction."""
POSITIONS = {
    "Qwen2_5_VL": "verl.models.transformers.qwen2_vl",
    "Qwen3VL": "verl.models.transformers.qwen3_vl",
}


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return per model the size of the picture in tokens and how position ids compare."""
    import torch
    import transformers

    facts = request["facts"]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    facts["opencv"] = importlib.util.find_spec("cv2") is not None
    facts["qwen_vl_utils"] = request["versions"].get("qwen-vl-utils")
    pictures = [_picture(seed, facts) for seed in (0, 1)]
    _sibling("_tiny_model").write_tokenizer(Path(request["scratch"]) / "tokenizer")
    tokenizer = transformers.AutoTokenizer.from_pretrained(Path(request["scratch"]) / "tokenizer")
    facts["models"] = {}
    for family, where in POSITIONS.items():
        if hasattr(transformers, f"{family}ForConditionalGeneration"):
            facts["models"][family] = found = {}
            _look(family, tokenizer, pictures=pictures, module=where, found=found)
    if not facts["models"]:
        raise AssertionError(f"transformers has none of {', '.join(POSITIONS)}")
    return dict(facts)


def _picture(seed: int, facts: dict[str, Any]) -> Any:
    """Return a PIL image that went through OpenCV's codec and verl's helper."""
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    if facts["opencv"]:
        import cv2

        _, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        decoded = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        if not np.array_equal(decoded, pixels):
            raise AssertionError("OpenCV changed the picture")
        pixels = decoded
    image = Image.fromarray(pixels)
    if not facts["qwen_vl_utils"]:
        return image
    from verl.utils.dataset.vision_utils import process_image

    prepared = process_image({"image": image})
    facts["prepared_size"] = list(prepared.size)
    return prepared


def _processor(family: str, tokenizer: Any) -> Any:
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


def _model(family: str, tokenizer: Any) -> Any:
    """Return a model of *family* with random weights, ``float32``."""
    import transformers

    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
    }
    marks = {
        "image_token_id": tokenizer.image_token_id,
        "video_token_id": tokenizer.video_token_id,
        "vision_start_token_id": tokenizer.vision_start_token_id,
        "vision_end_token_id": tokenizer.vision_end_token_id,
    }
    vision = {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4}
    if family == "Qwen3VL":
        rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "mrope_interleaved": True}
        text |= {"head_dim": 16, "rope_scaling": rope}
        vision |= {"out_hidden_size": 64, "deepstack_visual_indexes": [0], "patch_size": 16}
    else:
        text["rope_scaling"] = {"type": "mrope", "mrope_section": [2, 3, 3]}
        vision |= {"out_hidden_size": 64, "fullatt_block_indexes": [1], "window_size": 56}
    config = getattr(transformers, f"{family}Config")(
        text_config=text, vision_config=vision, **marks, attn_implementation="eager"
    )
    return getattr(transformers, f"{family}ForConditionalGeneration")(config).float().eval()


def _look(
    family: str, tokenizer: Any, *, pictures: list[Any], module: str, found: dict[str, Any]
) -> None:
    """Run both *pictures* through a model of *family* and note what came of it in *found*."""
    import torch

    processor = _processor(family, tokenizer)
    model = _model(family, tokenizer)
    found["parameters"] = sum(item.numel() for item in model.parameters())
    prompt = "See <|vision_start|><|image_pad|><|vision_end|> well."
    inputs = [processor(text=[prompt], images=[one], return_tensors="pt") for one in pictures]
    grid = inputs[0]["image_grid_thw"][0].tolist()
    merge = processor.image_processor.merge_size
    found["grid"], wanted = grid, grid[0] * grid[1] * grid[2] // merge**2
    found["picture_tokens"] = int((inputs[0]["input_ids"] == tokenizer.image_token_id).sum())
    if found["picture_tokens"] != wanted:
        raise AssertionError(
            f"{family}: {found['picture_tokens']} tokens for a grid of {grid}: {wanted} expected"
        )
    with torch.no_grad():
        first, second = (model(**one).logits for one in inputs)
    if not torch.isfinite(first).all():
        raise AssertionError(f"{family}: logits are not finite")
    found["logits_differ_by"] = round(float((first[:, -1] - second[:, -1]).abs().max()), 6)
    if not found["logits_differ_by"]:
        raise AssertionError(f"{family}: another picture leaves the last logits as they are")
    found["position_ids"] = _compare_positions(model, processor, inputs[0], module)


def _compare_positions(model: Any, processor: Any, inputs: Any, module: str) -> str:
    """Return how verl's position ids compare with the model's own; raise where they differ."""
    import torch

    try:
        theirs = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module:
            return f"this verl has no {module}"
        raise
    ids, mask, grid = inputs["input_ids"], inputs["attention_mask"], inputs["image_grid_thw"]
    by_verl = theirs.get_rope_index(
        processor, input_ids=ids[0], image_grid_thw=grid, attention_mask=mask[0]
    )
    keywords = {"input_ids": ids, "image_grid_thw": grid, "attention_mask": mask}
    own = model.model.get_rope_index
    if "mm_token_type_ids" in inspect.signature(own).parameters:
        keywords["mm_token_type_ids"] = (ids == model.config.image_token_id).int()
    by_model, _ = own(**keywords)
    if not torch.equal(by_verl.cpu().long(), by_model[:, 0].cpu().long()):
        raise AssertionError(
            f"{module}.get_rope_index gives other position ids than {type(model).__name__}"
        )
    return "equal"


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
