"""Write exercises in arithmetic in the columns of verl's own data preparation, as Parquet."""

from __future__ import annotations

import random
from typing import Any

_ASK = "Work it out step by step and end with '#### ' and the number alone."
_THINGS = ("apples", "boards", "coins", "jars", "letters", "nails", "pages", "stamps")
_PEOPLE = ("Ada", "Bao", "Chen", "Dara", "Emil", "Fay", "Gita", "Hugo")


def write(*, path: str, count: int, split: str, seed: int) -> dict[str, Any]:
    """Write *count* rows to *path*; return their columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = random.Random(f"{split} {seed}")  # noqa: S311 -- made-up exercises
    rows = [_row(draw, split, number) for number in range(count)]
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, path)
    return {"rows": table.num_rows, "columns": table.column_names}


def _row(draw: random.Random, split: str, number: int) -> dict[str, Any]:
    who, what = draw.choice(_PEOPLE), draw.choice(_THINGS)
    boxes, each, gone = draw.randint(2, 12), draw.randint(3, 20), draw.randint(1, 5)
    left = boxes * each - gone
    question = (
        f"{who} has {boxes} boxes with {each} {what} in each and gives {gone} {what} away. "
        f"How many {what} are left?"
    )
    steps = f"{boxes} * {each} = {boxes * each}, and {boxes * each} - {gone} = {left}."
    return {
        "data_source": "openai/gsm8k",
        "prompt": [{"role": "user", "content": f"{question} {_ASK}"}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": str(left)},
        "extra_info": {
            "split": split,
            "index": number,
            "question": question,
            "answer": f"{steps}\n#### {left}",
        },
    }
