"""A session that another process runs, on the screen: followed, held, let through, left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app_live import Beside, beside, moment, replay, rests
from app_pages import SMALL, WIDE, Page


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Beside]:
    """A store with room for processes."""
    with beside(tmp_path) as it:
        yield it


async def stands_at_end_of(it: Page, events: int) -> None:
    """Wait until the screen stands at the end of a history of at least so many events."""
    await it.until(
        lambda: moment(it).stop.at_end and moment(it).position.event >= events
        and not replay(it).is_moving,
        f"the end of {events} events (at {moment(it).position})",
    )  # fmt: skip


@pytest.mark.parametrize("size", [WIDE, SMALL], ids=["wide", "small"])
def test_what_runs_is_followed_as_it_comes(live: Beside, size: tuple[int, int]) -> None:
    live.run()
    live.asked(1)

    async def tell(it: Page) -> None:
        await it.shows("LIVE", "it is followed, and not touched", "p hold")
        await it.press("5")
        await it.shows("Nothing was written by now")
        live.gate.let_out()
        await it.shows("total 1")
        live.gate.let_out(2)
        await it.shows("total 6")
        await it.press("3")
        await it.shows("i = 4", "total = 6")
        await it.shows("p hold")  # whichever pane it is

    live.tell(tell, size=size)


def test_it_is_held_goes_one_effect_further_and_goes_on(live: Beside) -> None:
    live.run()
    live.asked(1)

    async def tell(it: Page) -> None:
        await it.press("P")
        await it.says("it is not held: p holds it")
        await it.press("p")
        await it.shows("LIVE, HELD", "P one effect")
        live.gate.let_out(3)  # what it has begun is recorded, and nothing is asked for after it
        await it.until(lambda: moment(it).stop.line == 6, "line 6")
        await rests(it)
        await it.press("P")
        await it.until(lambda: moment(it).position.event == 3, "event 3")
        await rests(it)
        assert len(live.gate.asked) == 1
        await it.press("E")
        await it.until(lambda: moment(it).position.event == 2, "event 2")
        await it.shows("LIVE, HELD")
        await it.press("G")
        await it.until(lambda: moment(it).position.event == 3, "event 3")
        await it.press("n")
        await it.until(lambda: moment(it).stop.line == 7, "line 7")
        await rests(it)
        await it.press("n")  # beyond what is recorded: that lets one effect through
        await it.shows("of 4")
        await rests(it)
        await it.press("p")
        await it.says("it goes on")
        await it.shows("it is followed, and not touched")
        await it.until(lambda: len(live.gate.asked) == 4, "more questions")

    live.tell(tell)


def test_one_goes_back_while_it_runs_and_follows_again(live: Beside) -> None:
    live.run()
    live.gate.let_out(4)
    live.asked(5)

    async def tell(it: Page) -> None:
        await it.press("g")
        await it.until(lambda: moment(it).stop.line == 1, "the first line")
        await it.shows("LIVE", "it runs on: G follows it again")
        live.gate.let_out(2)
        await it.until(lambda: replay(it).events.record.events >= 20, "more events")
        await rests(it)
        assert moment(it).stop.line == 1, "it stays where it was put"
        await it.press("G")
        await it.shows("it is followed, and not touched")
        live.gate.let_out(1)
        await it.press("5")
        await it.shows("total 28")

    live.tell(tell)


def test_who_stands_back_stays_there_while_the_program_is_held_and_let_go_on(
    live: Beside,
) -> None:
    live.run()
    live.gate.let_out(4)
    live.asked(5)

    async def tell(it: Page) -> None:
        await it.press("g")
        await it.until(lambda: moment(it).stop.line == 1, "the first line")
        await rests(it)
        await it.press("p")
        await it.says("it is held")
        await it.shows("LIVE, HELD", "p go on")
        assert moment(it).stop.line == 1
        await it.press("p")
        await it.says("it goes on: G goes where it is")
        await it.shows("it runs on: G follows it again")
        live.gate.let_out(2)
        live.asked(7)
        await rests(it)
        assert moment(it).stop.line == 1
        await it.press("G")
        await it.shows("it is followed, and not touched")

    live.tell(tell)


def test_keys_of_a_person_are_not_lost_to_what_is_followed(live: Beside) -> None:
    """Something is recorded all the time, and each step back counts all the same."""
    live.run("for n = 1, 4000 do State.set('n', n); Utils.sleep(0.05) end", "-")

    async def tell(it: Page) -> None:
        await it.until(lambda: replay(it).events.record.events > 40, "some events")
        await it.press("colon", "2", "0", "enter")
        await it.until(lambda: moment(it).position.event == 20, "event 20")
        for number in range(19, 14, -1):
            await it.press("E")
            await it.until(lambda number=number: moment(it).position.event == number, str(number))

    live.tell(tell)


def test_leaving_the_screen_and_quitting_stop_nothing(live: Beside) -> None:
    process = live.run()
    live.asked(1)

    async def tell(it: Page) -> None:
        await it.press("p")
        await it.shows("LIVE, HELD")
        await it.press("escape")
        await it.until(lambda: it.app.screen.query("SessionsPane"), "the first screen")
        live.gate.let_out(2)
        await it.until(lambda: len(live.gate.asked) == 3, "it goes on")
        await it.press("enter")
        await it.shows("it is followed, and not touched")
        await it.press("p")
        await it.shows("LIVE, HELD")
        await it.press("q")

    live.tell(tell)
    live.gate.let_out(2)
    live.asked(5)
    assert process.poll() is None


def test_what_is_suspended_from_the_screen_is_answered_and_followed_there(live: Beside) -> None:
    process = live.run()
    live.asked(1)

    async def tell(it: Page) -> None:
        await it.press("R")
        await it.says("it is suspended at its next effect")
        live.gate.let_out(1)
        await it.shows("suspended, ", "r goes on with it", "SUSPENDED")
        await it.press("r")
        await it.shows("it is followed, and not touched")
        await it.hides("goes on with it")
        live.gate.let_out(3)
        await it.press("5")
        await it.shows("total 10")

    live.tell(tell)
    assert process.wait() == 3


def test_a_question_is_answered_on_the_screen_of_its_session(live: Beside) -> None:
    process = live.run(
        'local it = Session.suspend{prompt = "send them?", schema = {type = "object", '
        'required = {"sure"}, properties = {sure = {type = "boolean"}}}}\n'
        'print("sure: " .. tostring(it.sure))\n' + ASKS_ONCE
    )
    assert process.wait() == 3

    async def tell(it: Page) -> None:
        await it.shows("waits for: send them?", "r answers", "nothing outside is touched")
        await it.pilot.click("Notice")
        await it.shows("Answer story", "sure*")
        await it.press("space", "ctrl+o")
        await it.shows("it is followed, and not touched")
        await it.hides("waits for")
        await it.press("5")
        await it.shows("sure: true")
        live.gate.let_out()
        await it.shows("asked", "REPLAY")

    live.tell(tell)
    assert live.session()["status"] == "completed"


ASKS_ONCE = """
local url = ...
local answer = Tool.invoke("http_request", { input = url .. "/once" })
print("asked")
"""


def test_a_session_that_ends_while_it_is_followed_is_a_recording(live: Beside) -> None:
    live.run(ASKS_ONCE)
    live.asked(1)

    async def tell(it: Page) -> None:
        await it.shows("LIVE")
        live.gate.let_out()
        await it.shows("REPLAY", "recorded answers", "lifecycle.complete")
        await it.until(lambda: moment(it).stop.at_end, "the end")
        await it.press("p")
        await it.says("nothing runs: this session is as it was recorded")
        await it.press("r")
        await it.says("it is completed: F forks it, to go on from here")

    live.tell(tell)


def test_what_begins_to_run_while_it_is_looked_at_is_followed_where_one_stands(
    live: Beside,
) -> None:
    live.run('Session.suspend{prompt = "wait"}\n' + ASKS_ONCE).wait()

    async def tell(it: Page) -> None:
        await it.shows("waits for")
        await it.press("E")
        await rests(it)
        before = moment(it).position
        live.resume("story", "--value", "1")
        await it.shows("LIVE", "it runs on: G follows it again")
        await rests(it)
        assert moment(it).position == before
        await it.press("G")
        await it.shows("it is followed, and not touched")
        live.gate.let_out()
        await it.shows("lifecycle.complete")

    live.tell(tell)


def test_live_sessions_move_on_the_first_screen(live: Beside) -> None:
    process = live.run()
    live.asked(1)

    async def tell(it: Page) -> None:
        await it.until(lambda: "running" in "".join(it.session_lines[:1]), "a running session")
        before = it.session_lines[0]
        live.gate.let_out(2)
        await it.until(lambda: it.session_lines[0] != before, "another number of events")
        process.kill()
        await it.until(lambda: "interrupted" in it.session_lines[0], "an interrupted session")
        await it.shows("! interrupted")

    live.tell(tell, opens=False)
