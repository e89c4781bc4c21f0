"""What an open data set and a scan cost in memory."""

from __future__ import annotations

import gc
import json
import tracemalloc
from pathlib import Path

from crucible.adapters.datasets.jsonl import JsonlLoader, JsonlOptions
from crucible.adapters.datasets.options import SplitOptions
from crucible.messages.experiment import DatasetRef

ROWS = 6_000
MIB = 1 << 20


def scan(path: Path, options: JsonlOptions) -> tuple[int, int]:
    """Bytes held by the open data set, and at the peak of opening it."""
    ref, loader = DatasetRef(name="set", split="all"), JsonlLoader()
    loader.open(ref, options, seed=0, base=path.parent).close()  # imports and caches
    gc.collect()
    tracemalloc.start()
    try:
        data = loader.open(ref, options, seed=0, base=path.parent)
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
        data.close()
    finally:
        tracemalloc.stop()
    return held, peak


def test_an_open_data_set_holds_few_bytes_a_row_whatever_the_rows_weigh(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("w") as file:
        for i in range(ROWS):
            file.write(json.dumps({"id": f"r{i}", "prompt": "p" * 100, "doc": str(i * 7 % 2500)}) + "\n")
    options = JsonlOptions(path=str(path), split=SplitOptions(group_by="doc"))
    held, peak = scan(path, options)
    assert held < 24 * ROWS
    assert peak < 80 * ROWS


def test_a_line_beyond_the_limit_is_skipped_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"prompt": "p"}\n{"prompt": "' + b"x" * 16 * MIB + b'"}\n{"prompt": "q"}\n')
    _, peak = scan(path, JsonlOptions(path=str(path), max_line_bytes=65_536, max_bad_rows=1))
    assert peak < 4 * MIB
