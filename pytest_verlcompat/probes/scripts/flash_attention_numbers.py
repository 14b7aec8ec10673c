"""Establish that the attention functions a verl run would use bind and give right numbers.

Every provider that is there is called: torch's scaled dot product, which verl takes where
flash-attn is missing, flash-attn 2, 3 and 4, and vLLM's bundled copies. bf16
and fp16, causal, heads of 64 and 128, four query heads on each key head, whole batches and
sequences of unequal length packed together; each output is compared with attention computed in
``float64`` from the same rounded inputs. Of flash-attn the other functions that verl imports are
compared too: padding and unpadding, and the cross entropy.

Passed: the provider that a verl run takes here is within the tolerances. Which one that is, is
a fact (``used``). Another provider's error is a fact; a wrong number of any provider fails the
probe.

Source: imports in verl/utils/attention_utils.py and verl/utils/torch_functional.py of 0.6.1
and 0.9.1, read 2026-11-20.
"""

from __future__ import annotations

import importlib
import inspect
import math
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = "attention, padding and cross entropy that verl uses bind and give right numbers"
RUNG = "gpu"
DISTRIBUTIONS = ("torch",)
GPUS = 1
TIMEOUT_S = 300.0

TOLERANCES = {"bfloat16": 2e-2, "float16": 3e-3}
"""Largest ``|found - wanted| / (1 + |wanted|)``: some steps of the dtype (2**-8, 2**-11)."""
HEADS = (8, 2)
"""Of queries, and of keys and values."""
LENGTHS = (70, 128, 33)
DIMENSIONS = (64, 128)


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the provider used, and the largest error of every provider and case."""
    import torch

    facts = request["facts"]
    torch.manual_seed(0)
    facts["errors"], facts["absent"] = {}, {}
    # What is safest comes first: a kernel that corrupts the context spoils those after it.
    makers: dict[str, Callable[[], Callable[..., Any]]] = {
        "SDPA": lambda: _sdpa,
        "flash-attn 2": lambda: _packed(_function("flash_attn")),
        "flash-attn 3": lambda: _packed(_function("flash_attn_interface")),
        "flash-attn 4": lambda: _packed(_function("flash_attn.cute")),
        "vLLM's version 2": lambda: _packed(_function("vllm.vllm_flash_attn"), fa_version=2),
        "vLLM's version 3": lambda: _packed(_function("vllm.vllm_flash_attn"), fa_version=3),
    }
    wrong: list[str] = []
    for name, maker in makers.items():
        facts["step"] = name
        started = time.monotonic()
        try:
            function = maker()
            found = _measure(function)
        except Exception as error:  # a provider that is not used may fail in its own way
            lines = str(error).strip().splitlines() or [""]
            facts["absent"][name] = f"{type(error).__name__}: {lines[0][:300]}"
            continue
        facts["errors"][name] = {**found, "seconds": round(time.monotonic() - started, 3)}
        wrong += exceeding(name, found)
    facts["used"] = used = choose(facts["errors"], request["versions"])
    if used == "flash-attn 2":
        facts["step"] = "flash-attn's other functions"
        facts["padding"], facts["cross_entropy_error"] = _padding(), _cross_entropy()
    facts["peak_mib"] = torch.cuda.max_memory_allocated() >> 20
    if wrong:
        raise AssertionError("; ".join(wrong))
    require_used(used, request["versions"], absent=facts["absent"])
    return dict(facts)


def choose(errors: dict[str, Any], versions: Any) -> str:
    """Return the provider that verl's FSDP actor takes: flash-attn 2 if it works, else SDPA.

    verl asks transformers for ``flash_attention_2`` and imports ``flash_attn`` itself; copies
    in vLLM and flash-attn 3 are the engine's own.
    """
    return "flash-attn 2" if "flash-attn 2" in errors and "flash-attn" in versions else "SDPA"


def require_used(used: str, versions: Any, *, absent: dict[str, str]) -> None:
    """Raise AssertionError if the provider that verl takes could not be called."""
    if used in absent:
        raise AssertionError(f"{used}: {absent[used]}")
    if "flash-attn" in versions and used != "flash-attn 2":
        raise AssertionError(f"flash-attn is installed but {absent.get('flash-attn 2')}")


def exceeding(name: str, found: dict[str, float]) -> list[str]:
    """Return a sentence for each case of provider *name* beyond its dtype's tolerance."""
    said = []
    for case, error in found.items():
        bound = TOLERANCES[case.split()[0]]
        if not error <= bound:  # NaN too
            said.append(f"{name}, {case}: off by {error:.2e}, tolerance {bound:.0e}")
    return said


def _measure(function: Callable[..., Any]) -> dict[str, float]:
    """Return the largest error by case of a *function* over packed sequences."""
    import torch

    found: dict[str, float] = {}
    for dtype in TOLERANCES:
        for dimension in DIMENSIONS:
            for lengths in ((64, 64), LENGTHS):
                total = sum(lengths)
                q, k, v = (
                    torch.randn(total, heads, dimension, device="cuda", dtype=getattr(torch, dtype))
                    for heads in (HEADS[0], HEADS[1], HEADS[1])
                )
                output = function(q, k, v, lengths=lengths)
                wanted = _reference(q, k, v, lengths=lengths)
                shape = "batch" if len(set(lengths)) == 1 else "varlen"
                error = float(((output.double() - wanted).abs() / (1 + wanted.abs())).max())
                found[f"{dtype} causal {shape} head {dimension}"] = error
    return found


def _reference(q: Any, k: Any, v: Any, *, lengths: tuple[int, ...]) -> Any:
    """Return causal attention in ``float64`` for packed (tokens, heads, dimension)."""
    import torch

    outputs, start = [], 0
    repeat = q.shape[1] // k.shape[1]
    for length in lengths:
        rows = slice(start, start + length)
        query = q[rows].double().transpose(0, 1)
        key, value = (
            x[rows].double().repeat_interleave(repeat, dim=1).transpose(0, 1) for x in (k, v)
        )
        scores = query @ key.transpose(1, 2) / math.sqrt(q.shape[-1])
        hidden = torch.ones(length, length, device=q.device, dtype=torch.bool).triu(1)
        outputs.append((scores.masked_fill(hidden, -math.inf).softmax(-1) @ value).transpose(0, 1))
        start += length
    return torch.cat(outputs)


def _starts(lengths: tuple[int, ...]) -> Any:
    """Return the cumulated *lengths*, ``int32``, beginning with 0, on the GPU."""
    import torch

    ends = torch.tensor([0, *lengths], device="cuda").cumsum(0)
    return ends.to(torch.int32)


def _packed(function: Callable[..., Any], **fixed: Any) -> Callable[..., Any]:
    """Return *function* of flash-attn's varlen family under this probe's signature."""
    names = inspect.signature(function).parameters

    def call(q: Any, k: Any, v: Any, *, lengths: tuple[int, ...]) -> Any:
        starts = _starts(lengths)
        given = {
            "cu_seqlens_q": starts,
            "cu_seqlens_k": starts,
            "max_seqlen_q": max(lengths),
            "max_seqlen_k": max(lengths),
            "causal": True,
            **fixed,
        }
        output = function(q, k, v, **{key: given[key] for key in given if key in names})
        return output[0] if isinstance(output, tuple) else output

    return call


def _function(module: str) -> Callable[..., Any]:
    """Return the varlen function of *module*."""
    found: Callable[..., Any] = importlib.import_module(module).flash_attn_varlen_func
    return found


def _sdpa(q: Any, k: Any, v: Any, *, lengths: tuple[int, ...]) -> Any:
    """Return torch's scaled dot product over each packed sequence."""
    import torch

    outputs, start = [], 0
    repeat = q.shape[1] // k.shape[1]
    for length in lengths:
        rows = slice(start, start + length)
        query, key, value = (x[rows].transpose(0, 1).unsqueeze(0) for x in (q, k, v))
        key, value = (x.repeat_interleave(repeat, dim=1) for x in (key, value))
        found = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        outputs.append(found.squeeze(0).transpose(0, 1))
        start += length
    return torch.cat(outputs)


def _padding() -> str:
    """Return ``equal`` after tokens were packed and put back by flash-attn's own functions."""
    import torch

    module = importlib.import_module("flash_attn.bert_padding")
    hidden = torch.randn(len(LENGTHS), max(LENGTHS), 16, device="cuda")
    columns = torch.arange(max(LENGTHS), device="cuda")
    mask = columns < torch.tensor(LENGTHS, device="cuda").unsqueeze(1)
    packed, indices, starts, longest, *_ = module.unpad_input(hidden, mask)
    if starts.tolist() != _starts(LENGTHS).tolist() or int(longest) != max(LENGTHS):
        raise AssertionError(f"unpad_input gives {starts.tolist()} and {int(longest)}")
    again = module.pad_input(packed, indices, len(LENGTHS), max(LENGTHS))
    if not torch.equal(again, hidden * mask.unsqueeze(-1)):
        raise AssertionError("pad_input does not undo unpad_input")
    rows = module.index_first_axis(hidden.flatten(0, 1), indices)
    if not torch.equal(rows, packed):
        raise AssertionError("index_first_axis takes other rows than unpad_input")
    return "equal"


def _cross_entropy() -> float:
    """Return the largest error of flash-attn's cross entropy against ``float64``."""
    import torch

    module = importlib.import_module("flash_attn.ops.triton.cross_entropy")
    logits = torch.randn(64, 1000, device="cuda", dtype=torch.bfloat16)
    labels = torch.randint(0, 1000, (64,), device="cuda")
    found = module.cross_entropy_loss(logits, labels)
    losses = found[0] if isinstance(found, tuple) else found
    wanted = torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none")
    error = float((losses.double() - wanted).abs().max())
    if not error < 1e-3:  # noqa: PLR2004  it sums in float32
        raise AssertionError(f"the cross entropy is off by {error:.2e}")
    return error
