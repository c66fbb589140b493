"""Make the stored store of this program's version: `python tests/core/stores/make.py`.

See README.md beside this file for when that is due and what is in it.
"""

from __future__ import annotations

import os
import random
import sys
import tarfile
import tempfile
from pathlib import Path

import respell
from respell.store import schema

HERE = Path(__file__).parent


def main() -> int:
    """Run the scripts beside this file in a new store, and pack it."""
    target = HERE / f"v{schema.VERSION}.tar.xz"
    if target.exists():
        print(f"{target} is there already; what was released stays as it is", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        _write_files(Path(folder))
        _fill(Path(folder) / "store")
        with tarfile.open(target, "w:xz") as archive:
            for path in ("store.db", "objects"):
                archive.add(f"store/{path}")
    print(target)
    return 0


def _write_files(folder: Path) -> None:
    """Write what the script stores: text, a file of its own, and one of several chunks."""
    for name in ("story.lua", "fails.lua"):
        (folder / name).write_bytes((HERE / name).read_bytes())
    (folder / "lines.txt").write_text("".join(f"line {n}\n" for n in range(5000)))
    # What lz4 can't compress, for it repeats itself too far apart, and xz can.
    (folder / "noise.bin").write_bytes(random.Random(1).randbytes(70_000) * 5)
    (folder / "large.bin").write_bytes(bytes(range(256)) * 4096 * 9)


def _fill(folder: Path) -> None:
    with respell.open(folder) as store:
        story = respell.run("story.lua", store=store, name="story", tags=["one", "two"]).session
        respell.resume(story, store=store, value=True)
        done = respell.run("story.lua", store=store, name="done").session
        respell.resume(done, store=store, value=False)
        respell.resume(done, store=store)
        respell.run("fails.lua", store=store, name="failed")
        asked = next(it for it in respell.events(story, store=store) if it.name == "clock.time")
        respell.fork(story, store=store, at=str(asked.number), outcome=1, name="fork")


if __name__ == "__main__":
    raise SystemExit(main())
