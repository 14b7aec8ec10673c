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
    vision = _sibling("_tiny_vision")
    facts["opencv"] = importlib.util.find_spec("cv2") is not None
    facts["qwen_vl_utils"] = request["versions"].get("qwen-vl-utils")
    pictures = [_picture(seed, vision.SIDE, facts) for seed in (0, 1)]
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


def _picture(seed: int, side: int, facts: dict[str, Any]) -> Any:
    """Return a PIL image that went through OpenCV's codec and verl's helper."""
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
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


def _look(
    family: str, tokenizer: Any, *, pictures: list[Any], module: str, found: dict[str, Any]
) -> None:
    """Run both *pictures* through a model of *family* and note what came of it in *found*."""
    import torch

    vision = _sibling("_tiny_vision")
    processor = vision.make_processor(family, tokenizer)
    model = vision.make_model(family, tokenizer)
    found["parameters"] = sum(item.numel() for item in model.parameters())
    inputs = [
        processor(text=[vision.PROMPT], images=[one], return_tensors="pt") for one in pictures
    ]
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
    found["position_ids"] = _compare_positions(model, processor, inputs=inputs[0], module=module)


def _compare_positions(model: Any, processor: Any, *, inputs: Any, module: str) -> str:
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
