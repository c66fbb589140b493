"""What an artifact holds, as lines: read by a thread, in the form that suits it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from respell.artifacts import reading
from respell.artifacts.comparing import diff_text
from respell.artifacts.record import ArtifactRecord
from respell.errors import RespellError
from respell.store import Store
from respell_tui.describe import bytes_
from respell_tui.paint import Line, Part
from respell_tui.shown.highlight import MAX_LINE, highlighted, plain_lines
from respell_tui.text import width

MAX_TEXT_BYTES = 4 * 1024**2
"""So much of a longer text is shown; all of it as hex, and by an export."""

_HEX = 16
_PAGE = 64 * 1024
_MAX_TABLE_ROWS = 20_000
_MAX_COLUMN = 40

_LANGUAGES = {
    ".lua": "lua", ".py": "python", ".json": "json", ".toml": "toml", ".yaml": "yaml",
    ".yml": "yaml", ".sh": "bash", ".js": "javascript", ".ts": "typescript", ".html": "html",
    ".xml": "xml", ".css": "css", ".sql": "sql", ".diff": "diff", ".patch": "diff",
    ".rs": "rust", ".go": "go", ".c": "c", ".h": "c",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Preview:
    """An artifact's content in one form.

    Attributes:
        artifact: The artifact.
        view: Which form: one of `views`.
        views: The forms it can be shown in, the best one first.
        lines: The content.
        note: What is to be said of it besides, e.g. that it was cut.
        longest: How many cells the longest of the lines has.
    """

    artifact: ArtifactRecord
    view: str
    views: tuple[str, ...]
    lines: Sequence[Line]
    note: str = ""
    longest: int = 0


def read_preview(store: Store, artifact: ArtifactRecord, view: str | None = None) -> Preview:
    """Read an artifact in one form.

    Args:
        store: The store.
        artifact: The artifact.
        view: The form; None, or one that it can't be shown in, for the best.

    Raises:
        StoreCorrupt: Its content is not what was stored, or gone.
    """
    head = reading.window(store, artifact, 0, min(artifact.size, MAX_TEXT_BYTES))
    text = _text(head, whole=len(head) == artifact.size)
    views = (*(_forms(artifact, text) if text is not None else ()), "hex")
    chosen = view if view in views else views[0]
    note = ""
    if chosen != "hex" and len(head) < artifact.size:
        note = f"the first {bytes_(len(head))} of {bytes_(artifact.size)}"
    if chosen == "hex" or text is None:
        return Preview(artifact, "hex", views, HexLines(store, artifact), note)
    lines = _FORMS[chosen](text, artifact)
    return Preview(artifact, chosen, views, lines, note, longest(lines))


def preview_bytes(data: bytes, size: int) -> tuple[str, Sequence[Line], str]:
    """Return the bytes of a string as lines: as JSON or text if they are that, else as hex.

    Args:
        data: The bytes, or the first of them.
        size: How many there are.

    Returns:
        The form, the lines, and what is not shown.
    """
    text = _text(data, whole=len(data) == size)
    note = f"the first {bytes_(len(data))} of {bytes_(size)}" if len(data) < size else ""
    if text is None:
        rows = [hex_line(at, data[at : at + _HEX]) for at in range(0, len(data), _HEX)]
        return "hex", rows, note
    if text[:1] in ("{", "[") and _is_json(text):
        return "json", _json_lines(text), note
    return "text", plain_lines(text), note


def read_diff(store: Store, artifact: ArtifactRecord) -> Preview:
    """Compare an artifact with the version before it.

    Raises:
        UsageError: One of them is too large to be compared.
        StoreCorrupt: The content of one is not what was stored, or gone.
    """
    versions = store.artifacts.versions(artifact.session_key, artifact.name)
    before = next((one for one in versions if one.version == artifact.version - 1), None)
    if before is None:
        return Preview(artifact, "diff", ("diff",), [[("this is its first version", "dim")]])
    rows = [_changed(line) for line in diff_text(store, before, artifact)]
    return Preview(
        artifact, "diff", ("diff",), rows or [[("nothing differs", "dim")]],
        f"v{before.version} against v{artifact.version}", longest(rows),
    )  # fmt: skip


def _changed(line: str) -> Line:
    roles = {"+": "added", "-": "removed", "@": "accent"}
    role = "title" if line.startswith(("+++", "---")) else roles.get(line[:1], "")
    return [(line, role)]


def longest(lines: Sequence[Line]) -> int:
    """Return how many cells the longest line has, roughly, of very many."""
    return max((sum(len(text) for text, _ in line) for line in lines[:50_000]), default=0)


def _text(data: bytes, *, whole: bool) -> str | None:
    """Return the text that bytes are; None for others."""
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # A character that was cut in two by reading only the head.
        if not whole and len(data) - error.start < 4:
            return data[: error.start].decode()
        return None


def _forms(artifact: ArtifactRecord, text: str) -> tuple[str, ...]:
    mime, name = artifact.mime_type.partition(";")[0].strip(), artifact.name.lower()
    suffix = "." + name.rpartition(".")[2] if "." in name else ""
    if artifact.is_value or mime == "application/json" or suffix == ".json":
        return ("json", "text") if _is_json(text) else ("text",)
    if mime == "text/markdown" or suffix in (".md", ".markdown"):
        return ("markdown", "text")
    if mime in ("text/csv", "text/tab-separated-values") or suffix in (".csv", ".tsv"):
        return ("table", "text")
    if suffix in _LANGUAGES or mime in ("text/x-lua", "application/x-lua"):
        return ("code", "text")
    return ("text",)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


# Forms -------------------------------------------------------------------------------------


def _as_text(text: str, artifact: ArtifactRecord) -> Sequence[Line]:
    return plain_lines(text)


def _as_json(text: str, artifact: ArtifactRecord) -> Sequence[Line]:
    return _json_lines(text)


def _json_lines(text: str) -> Sequence[Line]:
    return highlighted(json.dumps(json.loads(text), ensure_ascii=False, indent=2), "json")


def _as_code(text: str, artifact: ArtifactRecord) -> Sequence[Line]:
    suffix = "." + artifact.name.lower().rpartition(".")[2]
    return highlighted(text, _LANGUAGES.get(suffix, "lua"))


_INLINE = re.compile(r"(\*\*[^*\n]+\*\*|`[^`\n]+`|\[[^\]\n]+\]\([^)\n]+\))")


def markdown_lines(text: str) -> list[Line]:
    """Return Markdown as lines: its own signs stay, and what they mean is painted."""
    rows: list[Line] = []
    table: list[str] = []
    fence = ""
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped.startswith("|") and not fence and len(line) <= MAX_LINE:
            table.append(stripped)
            continue
        rows += _markdown_table(table)
        table = []
        if stripped.startswith("```"):
            fence = "" if fence else "code"
            rows.append([(line, "comment")])
        elif fence:
            rows.append([(line, "string")])
        elif re.match(r"#{1,6} ", stripped):
            rows.append([(line, "title")])
        elif stripped.startswith(">") or _is_rule(stripped):
            rows.append([(line, "comment")])
        else:
            rows.append([(line, "")] if len(line) > MAX_LINE else _inline(line))
    return rows + _markdown_table(table)


def _markdown_table(rows: Sequence[str]) -> list[Line]:
    """Return a table of Markdown with its columns under each other."""
    cells = [[one.strip() for one in row.strip("|").split("|")] for row in rows]
    if len(cells) < 2 or not all(re.fullmatch(r":?-+:?", one) for one in cells[1]):
        return [[(row, "")] for row in rows]
    body = [cells[0], *cells[2:]]
    widths = [
        max(width(row[at]) for row in body if at < len(row))
        for at in range(max(len(row) for row in body))
    ]
    return list(_aligned(body, widths))


def _is_rule(line: str) -> bool:
    return 2 < len(line) < MAX_LINE and bool(re.fullmatch(r"[-*_]{3,}|[\s:|-]+", line))


def _inline(line: str) -> Line:
    parts: list[Part] = []
    bullet = re.match(r"\s*([-*+]|\d+[.)])\s", line)
    if bullet:
        parts.append((line[: bullet.end()], "accent"))
        line = line[bullet.end() :]
    for piece in _INLINE.split(line):
        role = {"*": "strong", "`": "string", "[": "name"}.get(piece[:1], "")
        parts.append((piece, role if _INLINE.fullmatch(piece) else ""))
    return parts


def _as_markdown(text: str, artifact: ArtifactRecord) -> Sequence[Line]:
    return markdown_lines(text)


def table_lines(text: str, *, tabs: bool = False) -> list[Line]:
    """Return CSV as an aligned table; the first row is its head."""
    rows = []
    for row in csv.reader(io.StringIO(text), delimiter="\t" if tabs else ","):
        rows.append([_cut(one) for one in row])
        if len(rows) >= _MAX_TABLE_ROWS:
            break
    widths: list[int] = []
    for row in rows[:2_000]:
        widths += [0] * (len(row) - len(widths))
        for at, one in enumerate(row):
            widths[at] = max(widths[at], width(one))
    return list(_aligned(rows, widths))


def _cut(text: str) -> str:
    flat = text.replace("\n", "⏎").replace("\t", " ")
    return flat if len(flat) <= _MAX_COLUMN else flat[: _MAX_COLUMN - 1] + "…"


def _aligned(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[Line]:
    for number, row in enumerate(rows):
        parts: list[Part] = []
        for at, one in enumerate(row):
            pad = " " * max(0, (widths[at] if at < len(widths) else 0) - width(one))
            role = "title" if number == 0 else "number" if _NUMBER.fullmatch(one) else ""
            parts += [(pad + one if role == "number" else one + pad, role), (" │ ", "comment")]
        yield parts[:-1]
        if number == 0:
            yield [("─┼─".join("─" * one for one in widths), "comment")]


_NUMBER = re.compile(r"\s*-?\d+([.,]\d+)?([eE][+-]?\d+)?\s*%?")


def _as_table(text: str, artifact: ArtifactRecord) -> Sequence[Line]:
    tabs = artifact.mime_type.startswith("text/tab") or artifact.name.lower().endswith(".tsv")
    try:
        return table_lines(text, tabs=tabs)
    except csv.Error:
        return plain_lines(text)


_FORMS: dict[str, Callable[[str, ArtifactRecord], Sequence[Line]]] = {
    "text": _as_text, "json": _as_json, "code": _as_code, "markdown": _as_markdown,
    "table": _as_table,
}  # fmt: skip


class HexLines(Sequence[Line]):
    """Bytes as hex, sixteen a line; only pages that are looked at are read."""

    def __init__(self, store: Store, artifact: ArtifactRecord) -> None:
        """Show those of an artifact."""
        self._store = store
        self._artifact = artifact
        self._pages: dict[int, bytes] = {}

    def __len__(self) -> int:
        """How many lines there are."""
        return -(-self._artifact.size // _HEX)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        """Return one line, or some."""
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        offset = index * _HEX
        try:
            page = self._page(offset // _PAGE)
        except RespellError as error:
            return [(f"{offset:08x}  ", "dim"), (str(error), "bad")]
        return hex_line(offset, page[offset % _PAGE : offset % _PAGE + _HEX])

    def _page(self, number: int) -> bytes:
        if number not in self._pages:
            if len(self._pages) > 16:
                self._pages.clear()
            self._pages[number] = reading.window(self._store, self._artifact, number * _PAGE, _PAGE)
        return self._pages[number]


def hex_line(offset: int, data: bytes) -> Line:
    """Return up to sixteen bytes as hex and as text."""
    digits = " ".join(f"{byte:02x}" for byte in data[:8])
    more = " ".join(f"{byte:02x}" for byte in data[8:])
    text = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in data)
    return [(f"{offset:08x}  ", "dim"), (f"{digits:<23}  {more:<23}  ", ""), (text, "string")]
