"""What stands for the stack on the pages: real commands judge tiny things."""

from __future__ import annotations

TORCH = """\
def zeros(count): return [0.0] * count
def ones(count): return [1.0] * count
class Stacked(list):
    def keys(self): return self[0].keys()
def stack(rows): return Stacked(rows)
"""
TENSORDICT = """\
class TensorDict(dict):
    def __init__(self, source, batch_size): super().__init__(source)
"""
STACK = {
    "verl": ("0.6.1", ""),
    "vllm": ("0.11.0", ""),
    "torch": ("2.8.0", TORCH),
    "tensordict": ("0.10.0", TENSORDICT),
    "transformers": ("4.57.1", ""),
}
"""Version and source by distribution."""
