"""`make bench`: measure everything, print a table and write bench.json.

`make bench PARTS="hooks engine"` measures only these.
"""

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
    bench_tui,
)
from benchmarks.measure import save, show

PARTS = {
    module.__name__.partition(".bench_")[2]: module
    for module in (
        bench_store, bench_artifacts, bench_care, bench_exchange, bench_lua, bench_policies,
        bench_hooks, bench_engine, bench_debug,
        bench_tui,
    )
}  # fmt: skip


def main(wanted: list[str]) -> None:
    """Run benchmarks in temporary folders.

    Args:
        wanted: Names of the parts; none for all.
    """
    if unknown := [name for name in wanted if name not in PARTS]:
        sys.exit(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    figures = []
    for name, module in PARTS.items():
        if wanted and name not in wanted:
            continue
        with tempfile.TemporaryDirectory(prefix="respell-bench-") as folder:
            print(f"measuring {name} …", file=sys.stderr)
            figures += module.figures(Path(folder))
    show(figures)
    save(figures, Path("bench.json"))


if __name__ == "__main__":
    main(sys.argv[1:])
