"""What goes wrong while a session is shown: the app says so, says what to do, and goes on."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import respell as core
from app_live import Beside, beside, moment, replay, rests
from app_pages import Page, opened
from app_replay import SUM as PRICES
from app_replay import chooses, goes, ran, stands, story
from live_processes import descendants, gone

SUM = """\
local total = 0
for n = 1, 5 do
  total = total + n
  State.set("total", total)
end
print(total)
"""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Beside]:
    """A store with room for processes."""
    with beside(tmp_path) as it:
        yield it


def recorded(live: Beside, text: str = SUM) -> None:
    """Have a session in the store that has run to its end."""
    script = live.folder / "sum.lua"
    script.write_text(text)
    with core.open(live.store) as store:
        core.run(script, store=store, name="sum")


# The process that runs the session -----------------------------------------------------------


def test_a_host_that_is_killed_is_told_and_resumed_from_there(live: Beside) -> None:
    process = live.run("while true do State.set('n', 1); Utils.sleep(0.2) end", "-")

    async def tell(it: Page) -> None:
        await it.shows("it is followed, and not touched")
        process.kill()
        await it.shows("its process died after event", "and nothing is lost", "r goes on with it")
        await it.shows("INTERRUPTED")
        await rests(it)
        before = replay(it).events.record.events
        await it.press("r")
        await it.shows("it is followed, and not touched")
        await it.hides("its process died")
        await it.until(lambda: replay(it).events.record.events > before + 2, "more events")
        await it.press("R")
        await it.shows("goes on with it")

    live.tell(tell)


def test_an_effect_in_doubt_is_decided_on_the_screen(live: Beside) -> None:
    process = live.run('local url = ...\nlocal it = Tool.invoke("http_request", '
                       '{input = url .. "/pay", method = "POST"})\nprint("paid")')  # fmt: skip
    live.asked(1)

    async def tell(it: Page) -> None:
        await it.shows("it is followed, and not touched")
        process.kill()
        await it.shows("nobody knows whether tool.invoke of event 2 was done", "r says it")
        await it.press("r")
        await it.shows("Effects in doubt", "event 2", "Look in the world outside")
        await it.press("ctrl+o")
        await it.shows("say what became of event 2")
        await it.press("enter", "down", "down", "down", "enter", "tab")
        await it.type("the bank said no")
        await it.press("ctrl+o")
        await it.shows("the script failed", "the bank said no")
        await it.press("c")
        await it.shows("lifecycle.fail")
        await it.hides("nobody knows")

    live.tell(tell)
    assert len(live.gate.asked) == 1, "nothing was sent twice"


# The debugger's own processes ------------------------------------------------------------------


def test_workers_that_are_killed_are_replaced(live: Beside) -> None:
    recorded(live)

    async def tell(it: Page) -> None:
        await it.press("E")
        await it.until(lambda: moment(it).position.event == 7, "event 7")
        await it.shows("5×")  # nothing is computed any more
        for pid in workers():
            os.kill(pid, signal.SIGKILL)
        await it.press("E")
        await it.until(lambda: moment(it).position.event == 6, "event 6")
        await it.press("n")
        await it.until(lambda: moment(it).stop.line == 2, "line 2")

    live.tell(tell)


def test_a_worker_that_hangs_can_be_given_up_and_started_again(live: Beside) -> None:
    recorded(live)

    async def tell(it: Page) -> None:
        await it.press("E")
        await it.until(lambda: moment(it).position.event == 7, "event 7")
        await it.shows("5×")  # nothing is computed any more
        await rests(it)
        stop_all()
        await it.press("E")
        await it.shows("at work for", "esc cancels")
        await it.press("4")  # the rest of the screen goes on
        assert it.focused is not None
        assert it.focused.number == 4
        await it.press("escape")
        await rests(it)
        await it.press("E")
        await it.until(lambda: moment(it).position.event == 6, "event 6")
        await rests(it)
        stopped = stop_all()
        await it.press("E")
        await it.shows("at work for")
        await it.press("ctrl+r")
        await it.until(lambda: not replay(it).is_moving, "it stands again")
        gone(stopped)
        await it.press("E")
        await it.until(lambda: moment(it).position.event < 6, "event 5")

    live.tell(tell)


def test_a_dry_run_whose_debugger_is_given_up_is_there_again(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await goes(it, "4+4")
        await chooses(it, "sum")
        await it.press("u")
        await it.shows("What if sum were")
        await it.press("end", "backspace", "backspace")
        await it.type("99")
        await it.press("enter")
        await it.shows("WHAT IF", "sum is 99")
        await stands(it, "4+4")
        stopped = stop_all()
        await it.press("n")
        await it.shows("at work for")
        await it.press("ctrl+r")
        await it.until(lambda: not replay(it).is_moving, "it stands again")
        gone(stopped)
        await it.shows("WHAT IF", "1 Events  of the dry run", "sum is 99")
        await it.press("X")
        await it.shows("REPLAY", "sum is 10")

    story(ran(tmp_path, PRICES), tell)


def workers() -> set[int]:
    """Return the processes of the debugger: others of the test's process are none of ours."""
    return {
        pid for pid in descendants()
        if b"respell.engine.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    }  # fmt: skip


def stop_all() -> set[int]:
    """Have all processes of the debugger hang."""
    found = workers()
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    return found


# The store ---------------------------------------------------------------------------------------


def test_a_store_that_is_moved_away_is_told_and_found_again(live: Beside) -> None:
    recorded(live)
    away = live.folder / "away"

    async def tell(it: Page) -> None:
        live.store.rename(away)
        await it.shows("it was deleted or moved while it was open", "^r tries again")
        await it.press("E")
        await it.until(lambda: moment(it).position.event == 7, "event 7")
        await it.press("escape")
        await it.shows("reading the sessions failed", "the store is gone")
        away.rename(live.store)
        await it.press("ctrl+r")
        await it.lists("sum")
        await it.press("enter")
        await it.shows("recorded answers")

    live.tell(tell)


def test_a_store_that_is_deleted_for_good_leaves_the_app_usable(live: Beside) -> None:
    recorded(live)

    async def tell(it: Page) -> None:
        await it.lists("sum")
        shutil.rmtree(live.store)
        await it.shows("reading the sessions failed", "the store is gone")
        await it.press("question_mark")
        await it.shows("On this screen")
        await it.press("escape", "q")

    live.tell(tell, opens=False)


def test_a_database_that_is_overwritten_is_told(live: Beside) -> None:
    recorded(live)
    database = live.store / "store.db"

    async def tell(it: Page) -> None:
        await it.lists("sum")
        kept = database.read_bytes()
        with database.open("r+b") as file:
            file.write(b"this is no database " * 5000)
        await it.press("ctrl+r")
        await it.shows("is damaged", "run `respell check`")
        with database.open("r+b") as file:
            file.write(kept)
        await it.press("ctrl+r")
        await it.lists("sum")

    with core.open(live.store) as store:  # all of it in the database itself
        store._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    live.tell(tell, opens=False)


def test_a_store_that_another_program_keeps_locked_is_waited_for(live: Beside) -> None:
    recorded(live)

    async def tell(it: Page) -> None:
        await it.lists("sum")
        with core.open(live.store) as store, store.transaction():
            await it.press("A", "y")
            await it.says("archiving")
            await it.press("end", "question_mark")
            await it.shows("On this screen")
            await it.press("escape")
        await it.until(lambda: it.sessions.list.rows[0].state == "archived", "it is archived")
        await it.until(lambda: "archiving" not in it.said, "the end of that")

    live.tell(tell, opens=False)


def test_what_waits_for_a_locked_store_is_given_up_by_escape(live: Beside) -> None:
    recorded(live)

    async def tell(it: Page) -> None:
        await it.lists("sum")
        with core.open(live.store) as store, store.transaction():
            await it.press("A", "y")
            await it.says("archiving")
            await it.press("escape")
            await it.until(lambda: "archiving" not in it.said, "the end of that")
            await it.press("ctrl+r")
            await it.lists("sum")
        assert it.sessions.list.rows[0].state == "completed"
        await it.press("A", "y")
        await it.until(lambda: it.sessions.list.rows[0].state == "archived", "it is archived")

    live.tell(tell, opens=False)


def test_an_action_on_a_full_disk_is_refused_with_words(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    disk = tmp_path / "small"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this system does not let root mount anything")
    try:
        script = tmp_path / "sum.lua"
        script.write_text(SUM)
        with core.open(disk / "store") as store:
            core.run(script, store=store, name="sum")

        async def story() -> None:
            async with opened(disk / "store") as it:
                await it.lists("sum")
                with (disk / "filler").open("wb", buffering=0) as filler:
                    try:
                        while True:
                            filler.write(bytes(4096))
                    except OSError:
                        filler.flush()
                await it.press("t", "end")
                await it.type("x" * 30)
                await it.press("ctrl+o")
                await it.says("no space left")
                await it.press("enter")
                await it.until(lambda: moment(it) is not None, "a moment")
                await it.press("b")
                await it.shows("no space left")
                await it.press("escape")
                await it.shows("local total = 0")
                (disk / "filler").unlink()
                await it.press("b")
                await it.says("breakpoint 1 at line")

        asyncio.run(story())
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_session_that_is_deleted_while_it_is_shown_stays_on_the_screen(live: Beside) -> None:
    recorded(live)

    async def tell(it: Page) -> None:
        with core.open(live.store) as store:
            core.session("sum", store=store).delete()
        await it.shows("this session was deleted", "esc goes back")
        await it.press("E")
        await it.until(lambda: moment(it).position.event == 7, "event 7")
        await it.press("escape")
        await it.shows("No sessions yet.")

    live.tell(tell)


# The terminal ------------------------------------------------------------------------------------


def test_a_terminal_made_tiny_and_large_again_while_something_runs(live: Beside) -> None:
    live.run()
    live.gate.let_out(1)
    live.asked(2)

    async def tell(it: Page) -> None:
        await it.shows("it is followed, and not touched")
        for size in ((20, 5), (1, 1), (200, 60), (40, 10), (120, 40)):
            await it.pilot.resize_terminal(*size)
            live.gate.let_out(1)
            await it.pilot.pause()
        await it.press("5")
        await it.shows("total 21", "it is followed, and not touched")

    live.tell(tell)
