"""The first screen, used as a person uses it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import respell
from app_pages import opened


def a_store(path: Path, *names: str) -> Path:
    with respell.open(path) as store:
        for name in names:
            respell.create(store=store, name=name, tags=[name[0]])
    return path


def test_sessions_are_listed_and_found(tmp_path: Path) -> None:
    store = a_store(tmp_path / "store", "apple", "pear", "plum")

    async def story() -> None:
        async with opened(store) as it:
            await it.lists("plum", "pear", "apple")
            await it.press("slash", "p", "e")
            await it.lists("pear")
            await it.shows("1 of 3")
            await it.press("escape")
            await it.lists("plum", "pear", "apple")
            await it.press("slash", *"!", "number_sign", "p", "enter")
            await it.lists("apple")

    asyncio.run(story())


def test_what_others_do_in_the_store_shows_up(tmp_path: Path) -> None:
    path = a_store(tmp_path / "store", "first")

    async def story() -> None:
        async with opened(path) as it:
            await it.lists("first")
            with respell.open(path) as store:
                respell.create(store=store, name="second")
            await it.lists("second", "first")
            assert it.sessions.row is not None
            assert it.sessions.row.record.name == "first", "the cursor stays on its session"

    asyncio.run(story())
