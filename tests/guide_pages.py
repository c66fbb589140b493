"""Pages that tell a story: the scripts they show, the commands, and what comes of them."""

from __future__ import annotations

import re
from pathlib import Path

HOME = "/home/ada/project"
"""Stands on the pages for the folder that the commands are run in."""


def blocks(page: str, language: str) -> list[str]:
    """Return a page's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)


def conversation(page: str) -> list[tuple[str, list[str]]]:
    """Return each command that a page shows, and the lines it shows below it."""
    shown: list[tuple[str, list[str]]] = []
    for block in blocks(page, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                shown.append((line[2:], []))
            else:
                shown[-1][1].append(line)
    return shown


def comparable(line: str) -> str:
    """Return a line without what differs from run to run: ids, times, cut text, widths."""
    line = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{8}\b", "ID", line)
    line = re.sub(r"\b[0-9a-f]{64}\b", "HASH", line)
    line = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "WHEN", line)
    line = re.sub(r"^( +\d+) +\d+\.\d{3}  ", r"\1  TIME  ", line)
    line = re.sub(r'"total_duration_s": [\d.e-]+', '"total_duration_s": TIME', line)
    line = re.sub(r"\d+(\.\d+)?(e-\d+)? s( ago)?\b|\bnow\b", "TIME", line)
    if "…" in line:  # where it is cut depends on how long the rest is
        line = " ".join(line.split()[:3])
    return re.sub(r"(?<=\S) {2,}", "  ", line.rstrip())


def lay_out(page: str, folder: Path) -> None:
    """Write the scripts whose first line names them, and the texts they read."""
    for text in blocks(page, "lua"):
        named = re.match(r"-- (\w+\.lua)\b", text)
        if named:
            (folder / named[1]).write_text(text)
    (folder / "notes.txt").write_text("buy milk and bread\n")
    (folder / "todo.txt").write_text("write the guide\nread it again\n")


def as_seen(screen: str) -> list[str]:
    """Return the lines on a screen, without the progress that was wiped off it."""
    return re.sub(r"(?:[^\n]*\r)?\x1b\[K", "", screen).splitlines()
