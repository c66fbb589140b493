"""`respell demo`: the built-in example, end to end, by the commands anybody can type."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import respell
from respell.errors import RespellError
from respell.history.events import events
from respell_tui.context import Command
from respell_tui.text import fit

SCRIPT = Path(__file__).parent.parent / "demo" / "report.lua"
MOST_FILES = 8
MOST_BYTES = 200_000
ANSWER = '{"approved": true, "by": "you"}'

_MODULE = [sys.executable, "-m", "respell_tui"]
_SUFFIXES = (".md", ".lua", ".py")
_LEFT_OUT = frozenset(("__pycache__", "node_modules", "build", "dist"))


class DemoFailed(RespellError):
    """A step of the demo did not end as it should."""

    exit_code = 1


def demo(command: Command) -> int:
    """Run the example: run, suspend, resume in another process, replay."""
    _Demo(command).show()
    return 0


class _Demo:
    def __init__(self, command: Command) -> None:
        self._command = command
        self._out = command.out
        self._steps = 0

    def show(self) -> None:
        folder, files, flags = material()
        self._title(
            f"A Lua script runs as a durable session: it reads {len(files)} files below",
            f"{folder}, calls tools, stores an artifact, and asks.",
        )
        ident = self._run([*flags, "--name", "demo", "--", *files])
        short = ident[:8]
        self._title("Its process has ended. The session waits in the store, for days if need be.")
        self._respell("show", short)
        self._title(
            "Another process goes on with the answer. Nothing is done twice: what was recorded",
            "comes from the history, and only what is new is printed.",
        )
        self._respell("resume", short, "--value", ANSWER)
        self._title(
            "The whole session is re-executed from its history, without touching a file,",
            "and every call, argument and line of output is compared.",
        )
        self._respell("replay", short)
        self._title("What it made is kept by its content, every version of it.")
        self._respell("artifacts", "get", short, "report.md")
        self._say_what_next(ident)

    # Steps -------------------------------------------------------------------------------

    def _title(self, *lines: str) -> None:
        self._steps += 1
        self._out.line()
        for lead, line in zip((f"{self._steps}  ", "   "), lines, strict=False):
            self._out.line(self._out.paint(lead + line, "bold"))

    def _run(self, words: Sequence[str]) -> str:
        """Run the script up to its question and return the session's id."""
        shown = self._command.respell("run", str(SCRIPT), *words)
        self._prompt(fit(shown, 96) if self._out.is_terminal else shown)
        process = subprocess.Popen(
            self._own("run", str(SCRIPT), *words),
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip
        ident = ""
        with process:
            assert process.stderr is not None
            for line in process.stderr:
                word, _, rest = line.rstrip("\n").partition(" ")
                if word == "session" and not ident:
                    ident = rest
                self._command.err.line(line.rstrip("\n"))
        self._check(process.returncode, 3, "run")
        return ident

    def _respell(self, *words: str) -> None:
        self._prompt(self._command.respell(*words))
        done = subprocess.run(self._own(*words), stdin=subprocess.DEVNULL, check=False)
        self._check(done.returncode, 0, words[0])

    def _prompt(self, shown: str) -> None:
        self._out.line(self._out.paint(f"$ {shown}", "cyan"))

    def _own(self, *words: str) -> list[str]:
        """Return the command line of this very program, for the same store."""
        option = getattr(self._command.args, "store", None)
        program = [sys.argv[0]] if os.access(sys.argv[0], os.X_OK) else _MODULE
        return [*program, *(["--store", option] if option else []), *words]

    def _check(self, code: int, wanted: int, step: str) -> None:
        if code != wanted:
            raise DemoFailed(
                f"the demo's step `{step}` ended with {code} where {wanted} was expected; "
                "what it wrote is above. Please report it."
            )

    def _say_what_next(self, ident: str) -> None:
        short, number = ident[:8], self._question(ident)
        refused = ("--at", str(number), "--outcome", '{"approved": false}')
        self._out.line()
        self._out.line(self._out.paint("Try next:", "bold"))
        for words, what in (
            (("events", short), "everything it did, by number"),
            (("fork", short, *refused, "--run"), "what if you had refused?"),
            (("diff", short, "@last"), "where the two part"),
            (("list",), "all sessions"),
        ):
            self._out.line("  ", self._command.respell(*words))
            self._out.line("      ", self._out.paint(what, "dim"))

    def _question(self, ident: str) -> int:
        """Return the number of the event that asked."""
        with self._command.with_session(ident) as (store, session):
            return next(e.number for e in events(store, session.key) if e.name == "session.suspend")


def material() -> tuple[str, list[str], list[str]]:
    """Return the folder, its files as the script will name them, and flags for `run`.

    In Respell's own repository those are the repository's; everywhere else the files of
    the installed program, which are there on every machine that gets this far.
    """
    package = Path(respell.__path__[0])
    if package == Path.cwd() / "core" / "respell":
        return str(Path.cwd()), find_files(Path.cwd()), []
    names = [str(package / name) for name in find_files(package)]
    return str(package), names, ["--allow", f"read={package}"]


def find_files(folder: Path) -> list[str]:
    """Return a few text files below a folder, of each kind some, by relative path."""
    by_suffix: dict[str, list[str]] = {suffix: [] for suffix in _SUFFIXES}
    for path in _walk(folder):
        found = by_suffix[path.suffix]
        if len(found) < MOST_FILES:
            found.append(os.path.relpath(path, folder))
        if all(len(one) >= MOST_FILES for one in by_suffix.values()):
            break
    chosen: list[str] = []
    # README.md first, then Lua and Python files in turn.
    while len(chosen) < MOST_FILES and any(by_suffix.values()):
        for suffix in _SUFFIXES:
            if by_suffix[suffix] and len(chosen) < MOST_FILES:
                chosen.append(by_suffix[suffix].pop(0))
    return chosen


def _walk(folder: Path) -> Iterator[Path]:
    """Yield text files from the top down, in the order of their names."""
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(n for n in folders if not n.startswith(".") and n not in _LEFT_OUT)
        for name in sorted(names, key=lambda one: (one != "README.md", one)):
            path = Path(top, name)
            if path.suffix in _SUFFIXES and not name.startswith(".") and _is_text(path):
                yield path


def _is_text(path: Path) -> bool:
    try:
        if not 0 < path.stat().st_size <= MOST_BYTES:
            return False
        path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return False
    return True
