"""Chunks that a script makes by `load`: shown, gone through and stopped in as files are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from respell.debug import Debugger, Stop
from respell.errors import UsageError
from respell.store import Store

Open = Callable[..., Debugger]

TEMPLATES = """\
local function render(text, data)
  return load(text, "=template")(data)
end
print(render("local d = ...\\nlocal s = d .. '!'\\nreturn s", "one"))
print(render("local d = ...\\nlocal s = d .. '?'\\nlocal t = s .. s\\nreturn t", "two"))
print(render("local d = ...\\nlocal s = d .. '!'\\nreturn s", "three"))
"""


@pytest.fixture(params=[True, False], ids=["checkpoints", "plain"])
def debug(request: pytest.FixtureRequest, script: Any, store: Store) -> Iterator[Open]:
    """Run a text as a session and open it; with checkpoints, and without."""
    with ExitStack() as opened:

        def open_(text: str, code: int = 0, **options: object) -> Debugger:
            result = script(text, **options)
            assert result.exit_code == code, result.ended
            debugger = Debugger.open(result.session.id, store=store, checkpoints=request.param)
            return opened.enter_context(debugger)

        yield open_


def forward(debugger: Debugger, move: Callable[[Debugger], Stop]) -> list[Stop]:
    """Return every stop from the first line to the end."""
    stops = [debugger.start()]
    while not stops[-1].at_end:
        stops.append(move(debugger))
    return stops


def lines(debugger: Debugger, stops: list[Stop]) -> list[str]:
    """Return the texts of the lines at stops."""
    return [
        debugger.source(one.source).text.decode().split("\n")[one.line - 1].strip()
        for one in stops
        if one.line
    ]


def test_the_text_of_a_chunk_is_there_at_each_line_of_it_and_in_both_directions(
    debug: Open,
) -> None:
    debugger = debug("local f = load('local a = 1\\nlocal b = a + 1\\nreturn a + b')\nprint(f())\n")
    stops = forward(debugger, Debugger.step_in)
    assert lines(debugger, stops) == [
        "local f = load('local a = 1\\nlocal b = a + 1\\nreturn a + b')", "print(f())",
        "local a = 1", "local b = a + 1", "return a + b",
    ]  # fmt: skip
    back = [debugger.stop]
    while back[-1].reason != "entry":
        back.append(debugger.step_back())
    assert [(one.position, one.source, one.line) for one in reversed(back)] == [
        (one.position, one.source, one.line) for one in stops
    ]


def test_chunks_of_one_name_are_told_apart_and_those_of_one_text_are_one(debug: Open) -> None:
    debugger = debug(TEMPLATES)
    first, second = debugger.chunks()
    assert [one.name.split("#")[0] for one in (first, second)] == ["template", "template"]
    assert [one.event for one in (first, second)] == [1, 2]
    with pytest.raises(UsageError, match=r"template means 2 chunks; say which: template#"):
        debugger.breakpoints.add_line("template", 2)
    point = debugger.breakpoints.add_line(first.name, 2)
    digits = "#" + second.name.split("#")[1][:6]
    other = debugger.breakpoints.add_line(digits, 3)
    assert (point.source, other.source) == (first.name, second.name)
    stops = forward(debugger, Debugger.continue_)[1:-1]
    assert [(one.line, one.breakpoints) for one in stops] == [
        (2, (point.id,)), (3, (other.id,)), (2, (point.id,))
    ]  # fmt: skip
    assert lines(debugger, stops) == [
        "local s = d .. '!'",
        "local t = s .. s",
        "local s = d .. '!'",
    ]
    back = []
    while debugger.reverse_continue().reason != "entry":
        back.append(debugger.stop)
    assert [one.position for one in reversed(back)] == [one.position for one in stops]
    assert debugger.hit_counts(first.name) == {1: 2, 2: 2, 3: 2}
    assert len(debugger.executions(4, second.name)) == 1


def test_a_breakpoint_in_a_chunk_is_there_again_the_next_time(script: Any, store: Store) -> None:
    session = script(TEMPLATES).session
    with Debugger.open(session.id, store=store) as debugger:
        made = debugger.breakpoints.add_line(debugger.chunks()[1].name, 3, condition="d == 'two'")
    with Debugger.open(session.id, store=store) as debugger:
        stop = debugger.continue_()
        assert (stop.source, stop.line, stop.breakpoints) == (made.source, 3, (made.id,))


def test_conditions_and_variables_are_those_of_the_chunk(debug: Open) -> None:
    debugger = debug(TEMPLATES)
    name = debugger.chunks()[0].name
    debugger.breakpoints.add_line(name, 3, condition="s == 'three!'")
    stop = debugger.continue_()
    assert debugger.evaluate("d .. s").values[0].text == '"threethree!"'
    change = debugger.last_change("s")
    assert change is not None
    assert (change.source, change.line) == (name, 2)
    found = debugger.origin("s")
    assert [step.source for step in found.steps][-1] == name
    assert debugger.calls() == []
    assert stop.function == "main chunk"


def test_a_chunk_with_the_name_of_a_file_is_not_taken_for_it(debug: Open) -> None:
    debugger = debug(
        "local real = 1\nlocal f = load('local fake = 1\\nlocal x = fake', '@main.lua')\n"
        "f()\nload('local y = 2', '@main.lua')()\nprint(real)\n"
    )
    debugger.breakpoints.add_line("main.lua", 1)
    stops = forward(debugger, Debugger.continue_)
    assert [one.source for one in stops if "breakpoint" in one.reason] == []
    stops = forward(debugger, Debugger.step_in)
    assert lines(debugger, stops)[3:6] == [
        "local fake = 1",
        "local x = fake",
        "load('local y = 2', '@main.lua')()",
    ]
    names = {one.source for one in stops if one.line}
    assert len(names) == 3
    assert all(one.startswith("main.lua") for one in names)
    assert debugger.hit_counts("main.lua") == {1: 1, 2: 1, 3: 1, 4: 1, 5: 1}


def test_a_file_that_was_changed_and_loaded_again_is_shown_as_it_was_each_time(
    debug: Open,
) -> None:
    debugger = debug(
        "for i = 1, 2 do\n  local f = io.open('made.lua', 'w')\n"
        "  f:write('local round = ' .. i .. '\\nprint(round)\\n')\n  f:close()\n"
        "  dofile('made.lua')\nend\n",
        allow=["write=."],
    )
    inside = [one for one in forward(debugger, Debugger.step_in) if "made.lua" in one.source]
    assert lines(debugger, inside) == [
        "local round = 1", "print(round)", "local round = 2", "print(round)"
    ]  # fmt: skip
    assert inside[0].source == "made.lua"


def test_a_chunk_that_is_read_piece_by_piece_has_its_text(debug: Open) -> None:
    debugger = debug(
        "local pieces, i = { 'local a = 1\\n', 'print(a)', '' }, 0\n"
        "local f = load(function() i = i + 1 return pieces[i] end)\nf()\n"
    )
    inside = [one for one in forward(debugger, Debugger.step_in) if one.source.startswith("(load)")]
    assert lines(debugger, inside) == ["local a = 1", "print(a)"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (r"'=a\nb'", r"a\nb#"),
        (r"'=\27[31mred\27[0m'", r"\x1b[31mred\x1b[0m#"),
        (r"'=\255\254\0cut'", r"\xff\xfe#"),
        (r"'=#0123456789ab'", "#0123456789ab#"),
        ("('=' .. ('n'):rep(500))", "n" * 255 + "#"),
        (r"'\u{200b}'", '[string "\u200b"]#'),
    ],
)  # fmt: skip
def test_a_chunk_has_a_name_in_one_line_whatever_the_script_calls_it(
    debug: Open, written: str, shown: str
) -> None:
    debugger = debug(f"local f = load('local x = 1\\nprint(x)', {written})\nf()\n")
    inside = [one for one in forward(debugger, Debugger.step_in) if one.source != "main.lua"]
    assert lines(debugger, inside[:2]) == ["local x = 1", "print(x)"]
    name = inside[0].source
    assert name.startswith(shown)
    assert name == debugger.chunks()[0].name
    point = debugger.breakpoints.add_line(name, 2)
    debugger.start()
    assert debugger.continue_().breakpoints == (point.id,)


def test_a_script_sees_nothing_of_what_a_debugger_knows_of_its_chunks(debug: Open) -> None:
    """What it can see is printed, so that any difference would be a divergence."""
    debugger = debug(
        r"""
        local text = "local info = debug.getinfo(1, 'S')\nlocal ok, e = pcall(error, 'no', 2)\n"
          .. "local f = function() end\nreturn info, e, debug.traceback('t'), f"
        for _, name in ipairs { "=plain", "@file.lua", "@" .. ("p"):rep(80), "two\nlines", "",
            "=" .. ("n"):rep(60), "=x\0y", "@\0", "=\0", ("s"):rep(50) } do
          local info, e, trace, f = load(text, name)()
          print(("%q %q %q"):format(info.source, info.short_src, info.what), e, trace)
          print(debug.getinfo(f).source, debug.getinfo(f).short_src, f)
          print(select(2, pcall(load("error('x')", name))), load("x x", name))
        end
        local long = text .. ("-"):rep(1 << 17)
        local info, e, trace, f = load(long)()
        print(info.source == long, debug.getinfo(f).source == long, info.short_src, e, trace)
        local with_zero = load("return debug.getinfo(1, 'S').source, '\0'")()
        print(("%q"):format(with_zero))
        local seen = {}
        for i = 1, 4 do seen[load("return function() return 1 end", "=same" .. i % 2)()] = i end
        for _, i in pairs(seen) do print(i) end
        """
    )
    stop = debugger.end()
    assert (stop.reason, stop.error, stop.at_end) == ("end", None, True)
    debugger.start()
    while not debugger.stop.at_end:
        debugger.step_in()
    assert debugger.stop.error is None
    assert debugger.position == stop.position


def test_very_many_chunks_and_a_very_long_one_are_no_burden(
    script: Any, store: Store, tmp_path: Path
) -> None:
    result = script(
        r"""
        local sum = 0
        for i = 1, 12000 do
          sum = sum + load('return ' .. i)()
        end
        local many = ('x'):rep(50 * 1000 * 1000)
        local long = 'local a = 1\nlocal b = 2 -- ' .. many .. '\nreturn a + b'
        local f = load(long)
        print(sum, f())
        long = 'return 7 --[[' .. long .. ']]'
        print(load(long)())
        """
    )
    assert result.exit_code == 0, result.ended
    with Debugger.open(result.session.id, store=store) as debugger:
        chunks = debugger.chunks()
        assert (len(chunks), chunks.more) == (10_000, True)
        point = debugger.breakpoints.add_line(chunks[9_000].name, 1)
        assert debugger.continue_().breakpoints == (point.id,)
        assert debugger.source(debugger.stop.source).text == b"return 9001"
        debugger.run_to_line(9, "main.lua")
        debugger.step_in()
        debugger.step_in()
        assert debugger.stop.line == 2
        text = debugger.source(debugger.stop.source).text
        assert len(text) > 50_000_000
        assert text.startswith(b"local a = 1\nlocal b = 2 -- xxx")
        assert debugger.evaluate("a").values[0].text == "1"
        assert debugger.hit_counts(debugger.stop.source) == {1: 1, 2: 1, 3: 1}
        assert debugger.reverse_continue().breakpoints == (point.id,)
        assert debugger.end().error is None


def test_what_is_not_there_is_said(debug: Open) -> None:
    debugger = debug(TEMPLATES)
    for wrong in ("template#0123456789ab", "#01234567", "other"):
        with pytest.raises(UsageError, match=r"the session has no source .*; it ran main.lua"):
            debugger.source(wrong)
