"""Establish that verl's supervised trainer imports and that its run is composed and fed.

Imports every entry of the supervised trainer that this release has (its own FSDP loop, the
trainer over engines, the one over Ray), composes their packaged configurations with the settings
of a run on a tiny model, and reads a Parquet file made in code through the data set that such a
run uses.

Passed: at least one entry imports with its configuration composed, every setting stands in
it, and the data set gives tokens with a loss mask on the answer. An entry that stops at a
distribution which the release only asks for in an extra is a fact.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from pathlib import Path
from typing import Any

TITLE = "verl's supervised trainer imports, its run is composed, its data are read"
RUNG = "cpu"
DISTRIBUTIONS = ("verl", "torch", "transformers", "hydra-core", "omegaconf", "pyarrow")
GPUS = 0
TIMEOUT_S = 300.0

ENTRIES = {
    "verl.trainer.fsdp_sft_trainer": "sft_trainer",
    "verl.trainer.sft_trainer": "sft_trainer_engine",
    "verl.trainer.sft_trainer_ray": "sft_trainer_engine",
}
OPTIONAL = ("flash_attn", "liger_kernel", "megatron", "mbridge", "torchtitan", "veomni")
MODEL_PATH = ("model.path", "model.partial_pretrain")
"""Key of the model's folder, by configuration; the older one wins where both stand."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return entries, seconds, settings that were left out, and tokens of the first row."""
    facts = request["facts"]
    facts.update(imported_s={}, needs={}, composed={}, absent=[])
    root = _root()
    scratch = Path(request["scratch"])
    tiny = _sibling("_tiny_model")
    tiny.write_tokenizer(scratch / "model")
    rows = _write_rows(scratch / "sft.parquet")
    for entry, config in ENTRIES.items():
        if not (root / "trainer" / f"{entry.rpartition('.')[2]}.py").is_file():
            facts["absent"].append(entry)
            continue
        _import(entry, facts)
        settings = {"data.train_files": str(rows), "data.val_files": str(rows)}
        settings["trainer.total_epochs"] = 1
        facts["composed"][config] = _compose(
            root, config, settings=settings, model=scratch / "model"
        )
    if not facts["imported_s"]:
        raise AssertionError(f"no entry of the supervised trainer imports: {facts['needs']}")
    facts["first_row"] = _read_row(rows, scratch / "model")
    return dict(facts)


def _root() -> Path:
    """Return the folder of the installed verl, without importing it."""
    spec = importlib.util.find_spec("verl")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'verl'", name="verl")
    return Path(spec.origin).parent


def _import(entry: str, facts: dict[str, Any]) -> None:
    """Import *entry* and note its seconds, or the optional module it stops at."""
    started = time.monotonic()
    try:
        importlib.import_module(entry)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in OPTIONAL:
            raise
        facts["needs"][entry] = error.name
    else:
        facts["imported_s"][entry] = round(time.monotonic() - started, 3)


def _compose(root: Path, name: str, *, settings: dict[str, Any], model: Path) -> dict[str, Any]:
    """Return the number of keys and those still open in the composed configuration *name*."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(root / "trainer" / "config"), version_base=None):
        base = compose(config_name=name)
        key = next(key for key in reversed(MODEL_PATH) if _has_key(base, key))
        wanted = {**settings, key: str(model)}
        known = {key: value for key, value in wanted.items() if _has_key(base, key)}
        config = compose(config_name=name, overrides=[f"{k}={v}" for k, v in known.items()])
    for key, value in known.items():
        if OmegaConf.select(config, key) != value:
            raise AssertionError(f"{key} is {OmegaConf.select(config, key)!r}, not {value!r}")
    return {
        "keys": len(known),
        "left_out": sorted(set(wanted) - set(known)),
        "missing": sorted(OmegaConf.missing_keys(config)),
    }


def _has_key(config: Any, name: str) -> bool:
    """Return whether *config* declares the dotted key *name*, even if its value is None."""
    from omegaconf import OmegaConf

    parent, _, key = name.rpartition(".")
    node = OmegaConf.select(config, parent)
    # Membership leaves out keys that are declared without a value.
    return node is not None and key in list(node.keys())


def _write_rows(path: Path) -> Path:
    """Write two questions with answers as messages, the form of every release's data set."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Say {number}."},
                {"role": "assistant", "content": f"{number}"},
            ]
        }
        for number in (7, 8)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def _read_row(rows: Path, folder: Path) -> dict[str, Any]:
    """Return the first row's size and what of it is trained; raise if that is not the answer."""
    from omegaconf import OmegaConf
    from transformers import AutoTokenizer
    from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset

    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = OmegaConf.create({"max_length": 128, "truncation": "error", "pad_mode": "no_padding"})
    row = MultiTurnSFTDataset(str(rows), tokenizer, config)[0]
    ids, mask = row["input_ids"], row["loss_mask"].bool()
    trained = tokenizer.decode(ids[mask])
    if "7" not in trained or "Say" in trained:
        raise AssertionError(f"trained is {trained!r}, not the answer '7'")
    return {"tokens": len(ids), "trained": trained}


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
