"""What real editors trip over, each as they came upon it: Neovim with nvim-dap, VS Code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import respell
from dap_client import Dap, Failed, adapter
from respell.store import Store

SCRIPT = """\
local function plain() return 1 end
local count = 0
local function counts() count = count + 1 return count end
local deep = { list = { 1, 2 }, [1] = { name = "n" } }
local co = coroutine.create(function(n)
  for i = 1, n do
    coroutine.yield(i + plain())
  end
end)
coroutine.resume(co, 2)
coroutine.resume(co)
counts()
print(count, deep.list[1])
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A session with coroutines and without state or globals, recorded once."""
    folder = tmp_path_factory.mktemp("ran")
    script = folder / "s.lua"
    script.write_text(SCRIPT)
    with Store(folder / "store", durability="process") as store:
        session = respell.run(script, store=store).session.id
    return SimpleNamespace(store=folder / "store", session=session, source={"path": str(script)})


@pytest.fixture
def dap(ran: Any) -> Iterator[Dap]:
    with adapter(ran.store, client_id="vscode") as client:
        yield client


def in_a_coroutine(dap: Dap, ran: Any) -> int:
    """Stop in the coroutine, and return its thread."""
    dap.launch(ran.session)
    dap.ask("setBreakpoints", source=ran.source, breakpoints=[{"line": 7}])
    thread = dap.move("continue")["threadId"]
    assert thread != 1
    dap.seen("thread")
    dap.seen("continued")
    dap.all.clear()
    return int(thread)


def told(dap: Dap) -> list[tuple[str, Any]]:
    """Return which events came since, and of which thread."""
    names = ("continued", "stopped", "thread")
    return [
        (one["event"], one["body"]["threadId"])
        for one in dap.all
        if one["type"] == "event" and one["event"] in names
    ]


# An editor for which another thread stands still already has the one that stops go on.


def test_a_move_of_the_console_goes_on_from_one_coroutine_to_another(dap: Dap, ran: Any) -> None:
    thread = in_a_coroutine(dap, ran)
    dap.ask("evaluate", expression=":goto start", context="repl")
    assert dap.stopped()["threadId"] == 1
    dap.event("thread", reason="exited")
    assert told(dap) == [("continued", thread), ("stopped", 1), ("thread", thread)]


def test_a_move_of_our_own_goes_on_from_one_coroutine_to_another(dap: Dap, ran: Any) -> None:
    thread = in_a_coroutine(dap, ran)
    dap.travel("respell/stepBackOut")
    assert told(dap) == [("continued", thread), ("stopped", 1)]


def test_a_restart_ends_the_coroutines_that_there_were(dap: Dap, ran: Any) -> None:
    thread = in_a_coroutine(dap, ran)
    dap.ask("restart")
    assert dap.stopped()["reason"] == "entry"
    dap.event("thread", reason="exited")
    assert told(dap) == [("continued", thread), ("stopped", 1), ("thread", thread)]


def test_what_is_taken_back_goes_on_to_where_it_was_set(dap: Dap, ran: Any) -> None:
    thread = in_a_coroutine(dap, ran)
    dap.ask("setExpression", expression="i", value="3", frameId=dap.frame())
    dap.ask("setBreakpoints", source=ran.source, breakpoints=[{"line": 13}])
    dap.move("continue")
    dap.all.clear()
    dap.travel("respell/discardEdits")
    assert told(dap)[0] == ("continued", 1)
    assert told(dap)[-1] == ("stopped", thread)


def test_a_thread_keeps_its_name(dap: Dap, ran: Any) -> None:
    thread = in_a_coroutine(dap, ran)
    inside = {one["id"]: one["name"] for one in dap.ask("threads")["threads"]}
    dap.ask("setBreakpoints", source=ran.source, breakpoints=[{"line": 11}])
    assert dap.move("continue")["threadId"] == 1
    outside = {one["id"]: one["name"] for one in dap.ask("threads")["threads"]}
    assert outside == inside == {1: "main", thread: f"coroutine {thread - 1}"}


# An editor waits for what is inside of something that it may open.


def opened(dap: Dap, reference: int, most: int = 200) -> int:
    """Open something and all that is inside, and return how much that was."""
    waiting, seen = [reference], 0
    while waiting and seen < most:
        inside = dap.ask("variables", variablesReference=waiting.pop())["variables"]
        assert inside
        seen += len(inside)
        waiting += [one["variablesReference"] for one in inside if one["variablesReference"]]
    return seen


def test_there_is_something_inside_of_all_that_can_be_opened(dap: Dap, ran: Any) -> None:
    dap.launch(ran.session)
    dap.ask("setBreakpoints", source=ran.source, breakpoints=[{"line": 13}])
    dap.move("continue")
    scopes = dap.ask("scopes", frameId=dap.frame())["scopes"]
    assert {one["name"] for one in scopes} >= {"Locals", "Globals", "Session state", "Event"}
    assert all(opened(dap, one["variablesReference"]) for one in scopes)
    assert dap.values("Globals") == {"(none)": "nil"}
    assert dap.values("Session state") == {"(none)": "nil"}
    functions = dap.scope("Locals")
    assert functions["plain"]["variablesReference"] == 0
    assert list(dap.inside(functions["counts"]["variablesReference"])) == ["count"]


# An editor that is not told to look again asks by the numbers that it has.


def test_what_was_open_can_be_opened_further_after_a_question(ran: Any) -> None:
    with adapter(ran.store) as dap:
        dap.launch(ran.session)
        dap.ask("setBreakpoints", source=ran.source, breakpoints=[{"line": 13}])
        dap.move("continue")
        scopes = dap.ask("scopes", frameId=dap.frame())["scopes"]
        deep = dap.scope("Locals")["deep"]["variablesReference"]
        inner = dap.inside(deep)["[1]"]["variablesReference"]
        answer = dap.ask("evaluate", expression=":last count", context="repl")["result"]
        assert "from 0 to 1" in answer
        assert dap.inside(inner)["name"]["value"] == '"n"'
        assert list(dap.inside(deep)) == ["[1]", "list"]
        assert all(opened(dap, one["variablesReference"]) for one in scopes)


def test_what_was_open_has_what_is_set(ran: Any) -> None:
    with adapter(ran.store) as dap:
        dap.launch(ran.session)
        dap.ask("setBreakpoints", source=ran.source, breakpoints=[{"line": 13}])
        dap.move("continue")
        deep = dap.scope("Locals")["deep"]["variablesReference"]
        lists = dap.inside(deep)["list"]["variablesReference"]
        dap.ask("setExpression", expression="deep.list", value="{7}", frameId=dap.frame())
        assert {name: one["value"] for name, one in dap.inside(lists).items()} == {"[1]": "7"}
        dap.ask("setExpression", expression="deep.list", value="nil", frameId=dap.frame())
        assert "none of this place" in dap.refused("variables", variablesReference=lists)


# An editor keeps the numbers that it has after a move that is refused.


def test_a_place_that_there_is_not_leaves_the_editor_where_it_was(dap: Dap, ran: Any) -> None:
    dap.launch(ran.session)
    dap.ask("setBreakpoints", source=ran.source, breakpoints=[{"line": 13}])
    dap.move("continue")
    frame = dap.frame()
    deep = dap.scope("Locals")["deep"]["variablesReference"]
    for text in (":goto 99+1", ":goto nowhere", ":discard"):
        assert dap.refused("evaluate", expression=text, context="repl", frameId=frame)
    assert dap.refused("respell/goTo", event=99)
    assert dap.refused("respell/discardEdits")
    assert list(dap.inside(deep)) == ["[1]", "list"]
    assert dap.ask("evaluate", expression="count", context="repl", frameId=frame)["result"] == "1"
    assert dap.seen("stopped") == dap.seen("continued") == []


# An editor cancels its questions when one steps on, and shows those that were refused.


def test_a_question_that_is_quick_is_answered_though_it_is_cancelled(dap: Dap, ran: Any) -> None:
    dap.launch(ran.session)
    frame = dap.frame()
    # The adapter is busy with the first one while those behind it are cancelled.
    busy = dap.send("evaluate", {"expression": "(function() while true do end end)()"})
    asked = [
        dap.send("threads"), dap.send("stackTrace", {"threadId": 1}),
        dap.send("scopes", {"frameId": frame}),
        dap.send("evaluate", {"expression": "1", "context": "watch"}),
    ]  # fmt: skip
    for seq in (*asked, busy):
        dap.send("cancel", {"requestId": seq})
    assert [dap.response(seq)["success"] for seq in asked] == [True, True, True, False]


def test_a_number_of_an_earlier_place_is_refused_without_telling_the_person(
    dap: Dap, ran: Any
) -> None:
    dap.launch(ran.session)
    frame = dap.frame()
    dap.move("next")
    with pytest.raises(Failed) as failed:
        dap.ask("scopes", frameId=frame)
    error = failed.value.message["body"]["error"]
    assert (error["id"], error["showUser"]) == (5, False)


# Completions replace what was begun.


def completion(dap: Dap, text: str, label: str) -> dict[str, Any]:
    found = dap.ask("completions", text=text, column=len(text) + 1)["targets"]
    return next(one for one in found if one["label"] == label)


def test_a_completion_says_what_it_replaces_in_columns_as_the_client_counts_them(
    dap: Dap, ran: Any
) -> None:
    dap.launch(ran.session)
    found = completion(dap, "x = prin", "print")
    assert (found["start"], found["length"]) == (5, 4)
    found = completion(dap, ":ti", ":timeline")
    assert (found["start"], found["length"]) == (1, 3)


def test_neovim_finds_by_itself_what_a_completion_replaces(ran: Any) -> None:
    with adapter(ran.store, client_id="neovim") as dap:
        dap.launch(ran.session)
        for text, label in (("prin", "print"), (":ti", ":timeline")):
            assert {"start", "length"}.isdisjoint(completion(dap, text, label))


# Neovim sends an empty path for a buffer that has no file.


def test_a_breakpoint_in_text_without_a_file_is_refused_with_what_to_do(dap: Dap, ran: Any) -> None:
    dap.launch(ran.session)
    said = dap.refused(
        "setBreakpoints", source={"path": "", "name": ""}, breakpoints=[{"line": 1}], lines=[1]
    )
    assert "use the script's own file" in said


def test_the_end_of_a_session_that_ran_is_told_once(tmp_path: Path) -> None:
    script = tmp_path / "s.lua"
    script.write_text("local x = 1\nprint(x)\n")
    with adapter(tmp_path / "store", cwd=tmp_path) as dap:
        dap.begin()
        dap.ask("launch", program=str(script))
        dap.event("initialized")
        assert dap.configured()["reason"] == "end"
        dap.move("reverseContinue")
        dap.move("continue")
        dap.ask("disconnect")
        dap.until_it_ends()
        assert dap.output("console").count("it is completed") == 1


# VS Code shows why it stopped beside the thread's name, and what a frame that is no label can see.


def test_the_end_is_a_few_words_beside_the_thread_and_a_frame_that_can_be_chosen(
    dap: Dap, ran: Any
) -> None:
    dap.launch(ran.session)
    stop = dap.move("continue")
    assert (stop["description"], stop["text"]) == (
        f"completed, {dap.ask('respell/timeline')['position']}",
        "the end of what is recorded (completed)",
    )
    (frame,) = dap.stack()
    assert (frame["name"], frame["presentationHint"]) == ("the script has ended", "subtle")
    assert {"position", "number", "name"} <= set(dap.scope("Event"))


def test_it_is_told_at_once_that_there_are_no_more_frames(dap: Dap, ran: Any) -> None:
    dap.launch(ran.session)
    dap.ask("setFunctionBreakpoints", breakpoints=[{"name": "plain"}])
    stop = dap.move("continue")
    first = dap.ask("stackTrace", threadId=stop["threadId"], startFrame=0, levels=1)
    assert (len(first["stackFrames"]), "totalFrames" in first) == (1, False)
    rest = dap.ask("stackTrace", threadId=stop["threadId"], startFrame=1, levels=1)
    assert (len(rest["stackFrames"]), rest["totalFrames"]) == (1, 2)
