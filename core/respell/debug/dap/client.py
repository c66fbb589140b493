"""What a client said about itself: how it counts lines, writes paths, and what it understands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from respell.debug.dap.messages import Arguments, Body, Code, Refused


@dataclass(frozen=True, slots=True)
class Client:
    """A client.

    Attributes:
        name: What it calls itself.
        first_line: The number that it gives to the first line.
        first_column: The same of columns.
        uris: Whether paths are URIs.
        progress: Whether it shows progress.
        invalidated: Whether it looks again when it is told to.
        memory: Whether it can read memory.
        variable_types: Whether it shows types.
        paging: Whether it asks for variables in pages.
        finds_words: Whether it knows by itself what a completion replaces.
    """

    name: str = "the client"
    first_line: int = 1
    first_column: int = 1
    uris: bool = False
    progress: bool = False
    invalidated: bool = False
    memory: bool = False
    variable_types: bool = False
    paging: bool = False
    finds_words: bool = False

    @classmethod
    def of(cls, args: Arguments) -> Client:
        """Return the client that the arguments of `initialize` describe.

        Raises:
            Refused: It writes paths in a way that nobody knows.
        """
        path_format = args.text("pathFormat", "path")
        if path_format not in ("path", "uri"):
            raise Refused(
                f"initialize: pathFormat {path_format!r} is unknown; use path or uri",
                Code.ARGUMENTS,
            )
        return cls(
            name=args.text("clientName", args.text("clientID", "the client")),
            first_line=1 if args.flag("linesStartAt1", True) else 0,
            first_column=1 if args.flag("columnsStartAt1", True) else 0,
            uris=path_format == "uri",
            progress=args.flag("supportsProgressReporting"),
            invalidated=args.flag("supportsInvalidatedEvent"),
            memory=args.flag("supportsMemoryReferences"),
            variable_types=args.flag("supportsVariableType"),
            paging=args.flag("supportsVariablePaging"),
            # nvim-dap counts where a completion starts from 0, whatever it says of columns.
            finds_words=args.text("clientID", "") == "neovim",
        )

    def line(self, line: int) -> int:
        """Return a line, 1-based, as the client counts it."""
        return max(0, line - 1 + self.first_line)

    def column(self) -> int:
        """Return the first column of a line; others are not known."""
        return self.first_column

    def replaced(self, start: int, length: int) -> Body:
        """Return what of a line a completion replaces, `start` counted from 0."""
        if self.finds_words:
            return {}
        return {"start": start + self.first_column, "length": length}

    def our_line(self, line: int) -> int:
        """Return a line of the client, 1-based."""
        return line + 1 - self.first_line

    def path(self, file: Path) -> str:
        """Return a file's path as the client writes it."""
        return file.as_uri() if self.uris and file.is_absolute() else str(file)

    def our_path(self, path: str) -> Path:
        """Return the file that a path of the client means.

        Raises:
            Refused: It is a URI of something else.
        """
        if not self.uris and not path.startswith("file://"):
            return Path(path)
        parts = urlsplit(path)
        if parts.scheme not in ("file", ""):
            raise Refused(f"{path} is no file", Code.ARGUMENTS)
        return Path(unquote(parts.path))
