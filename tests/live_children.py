"""Processes of their own for the tests of live debugging: debuggers that are killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from respell.debug import Debugger
from respell.store import Store


def main() -> None:
    """Attach and pause, or launch; say so; and wait to be killed."""
    what, folder, target = sys.argv[1:]
    with Store(Path(folder), durability="process") as store:
        if what == "launch":
            debugger = Debugger.launch(target, store=store)
            debugger.next_event()
        else:
            debugger = Debugger.open(target, store=store)
            assert debugger.live is not None
            debugger.live.pause()
        print(debugger.session.id, flush=True)
        time.sleep(600)


if __name__ == "__main__":
    main()
