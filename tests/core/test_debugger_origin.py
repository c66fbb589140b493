"""Asking where a value came from: back to the effect, or to the line that made it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from respell.debug import Debugger, Origin
from respell.errors import UsageError
from respell.store import Store

Open = Callable[..., Debugger]


@pytest.fixture
def debug(script: Any, store: Store) -> Iterator[Open]:
    """Run a text as a session and open it at its end."""
    with ExitStack() as opened:

        def open_(text: str, code: int = 0, **options: Any) -> Debugger:
            result = script(text, **options)
            assert result.exit_code == code, result.ended
            debugger = opened.enter_context(Debugger.open(result.session.id, store=store))
            debugger.end()
            return debugger

        yield open_


def lines(found: Origin) -> list[int]:
    """Return the lines of the steps, the last first."""
    return [one.line for one in found.steps]


SUMS = """\
local function fetch(n)
  local answer = Tool.invoke("calculator", { expression = n .. " * 2" })
  return answer.result.result
end
local function add(a, b)
  local sum = a + b
  return sum
end
local report = { items = {} }
local total = 0
for i = 1, 3 do
  local price = fetch(i)
  report.items[i] = { price = price, name = "item " .. i }
  total = add(total, price)
end
State.set("report", report)
local second = State.get("report").items[2].price
local text = "second: " .. tostring(second)
print(total, second, text)
"""


def test_a_value_is_followed_through_state_tables_and_functions(debug: Open) -> None:
    debugger = debug(SUMS)
    found = debugger.origin("second")
    assert (found.kind, found.event, found.effect) == ("effect", 3, "tool.invoke")
    assert (found.field, found.line) == ("result.result", 2)
    assert found.value is not None
    assert found.value.text == "4"
    assert found.artifact is not None
    assert found.artifact.name == "calculator_result_3.json"
    assert lines(found) == [17, 17, 16, 13, 12, 3, 2]
    assert found.steps[0].what == 'second = State.get("report").items[2].price'
    assert debugger.origin("text").event == 3
    assert debugger.stop.at_end, "asking leaves the debugger where it is"


def test_what_was_computed_has_all_it_was_computed_from(debug: Open) -> None:
    debugger = debug(SUMS)
    found = debugger.origin("total")
    assert found.kind == "computed"
    assert found.line == 6
    assert [one.kind for one in found.sources] == ["constant", "effect", "effect", "effect"]
    assert found.events == [2, 3, 4]
    json = found.to_json()
    assert json["events"] == [2, 3, 4]
    assert json["sources"][0]["line"] == 10


def test_what_can_not_be_asked_is_refused(debug: Open) -> None:
    debugger = debug("local a = 1\nprint(a)\n")
    for text in ("a +", "a = 2", "a, a", ""):
        with pytest.raises(UsageError, match="no Lua expression"):
            debugger.origin(text)
