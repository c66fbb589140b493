"""Text from outside is shown, and does nothing: no markup, no escape, no crash."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

import respell
from app_pages import Page, opened
from respell.sessions.record import SessionRecord
from respell.sessions.session import Session

EVIL = (
    "[bold]b[/bold] [/nope] [@click=app.quit]x[/] \x1b]52;c;ZXZpbA==\x1b\\ \x1b[2J \x9b31m "
    "\u202egnp.exe\u2066 日本語 e\u0301 \u200b \x07\x08\x00 "
)
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def drawn(it: Page) -> str:
    """Return every character that goes to the terminal, but for the app's own sequences."""
    strips = it.app.screen._compositor.render_strips()
    return "\n".join(part.text for strip in strips for part in strip if not part.control)


def evil_store(path: Path) -> Path:
    """Make a store in which everything that can be text is hostile."""
    text = EVIL.replace("\x00", "")
    with respell.open(path) as store:
        store.sessions.insert(SessionRecord(
            name=text, script=text, args=[text], status="failed", tags=[text], description=text,
            error={"message": EVIL, "traceback": EVIL * 50}), told=False)  # fmt: skip
        store.sessions.insert(SessionRecord(
            name="asks " + text, script=text, status="suspended",
            waiting_for={"prompt": text, "schema": {"type": "object", "required": [text],
                         "properties": {text: {"description": text, "enum": [text, "b"]}}}},
            ), told=False)  # fmt: skip
        made = respell.create(store=store, name="holds " + text.strip())
        artifacts = Session(store, made.record).artifacts
        for suffix in ("txt", "md", "csv", "json", "lua", "bin"):
            body = text * 3 + "\n" + "x" * 200_000 + "\n| " + text + "|\n|---|\n| a |\n"
            name = "".join(it for it in text if it.isprintable() and it not in "/\\") + "." + suffix
            artifacts.store(name, body.encode() + (b"\x00" if suffix == "bin" else b""),
                            mime_type="text/plain")  # fmt: skip
    return path


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_hostile_text_is_inert_in_every_pane(tmp_path: Path, size: tuple[int, int]) -> None:
    path = evil_store(tmp_path / "store")

    async def story() -> None:
        async with opened(path, size=size) as it:
            await it.until(lambda: it.sessions.list.count == 3)
            for keys in (
                ("1",),
                ("down",),
                ("down",),
                ("home", "3"),
                *[("down",)] * 5,
                ("v",),
                ("4",),
                ("v",),
                ("1", "end", "t"),
                ("escape",),
                ("X",),
                ("escape",),
                ("delete",),
                ("escape",),
                ("home", "down", "r"),
                ("escape",),
                ("question_mark",),
                ("escape",),
                ("end", "enter"),
                ("escape",),
            ):
                await it.press(*keys)
                await it.pilot.pause(0.05)
                assert not STEERING.search(drawn(it)), keys
                assert it.app.is_running
            assert "[bold]b[/bold]" in it.text, "markup is shown as it was written"

    asyncio.run(story())
