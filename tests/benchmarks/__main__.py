"""`make bench`: measure everything, print a table and write bench.json."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks import (
    bench_artifacts,
    bench_care,
    bench_debug,
    bench_engine,
    bench_exchange,
    bench_hooks,
    bench_lua,
    bench_policies,
    bench_store,
)
from benchmarks.measure import save, show


def main() -> None:
    """Run all benchmarks in a temporary folder."""
    figures = []
    for module in (
        bench_store,
        bench_artifacts,
        bench_care,
        bench_exchange,
        bench_lua,
        bench_policies,
        bench_hooks,
        bench_engine,
        bench_debug,
    ):
        with tempfile.TemporaryDirectory(prefix="respell-bench-") as folder:
            print(f"measuring {module.__name__} …", file=sys.stderr)
            figures += module.figures(Path(folder))
    show(figures)
    save(figures, Path("bench.json"))


if __name__ == "__main__":
    main()
