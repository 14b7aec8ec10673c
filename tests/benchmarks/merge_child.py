"""Merge files in a process of its own; print seconds, peak memory and counts as JSON.

Arguments: the folder of the evidence, how many cells are declared, the files.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from pytest_verlcompat.store.merge import merge


def main(evidence: Path, cells: int, files: list[Path]) -> dict[str, object]:
    """Return what one merge cost and came to."""
    started = time.monotonic()
    merged = merge(files, evidence=evidence, cells={f"cell{number}" for number in range(cells)})
    return {
        "seconds": round(time.monotonic() - started, 1),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        "added": sum(merged.added.values()),
        "known": merged.known,
        "refused": merged.refused_count,
        "contradicted": len(merged.contradicted),
    }


if __name__ == "__main__":
    told = main(Path(sys.argv[1]), int(sys.argv[2]), [Path(word) for word in sys.argv[3:]])
    sys.stdout.write(json.dumps(told) + "\n")
