"""Order, sorting and JSON, for any value hypothesis can think of."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.lua_harness import install, new_lua

LUA = new_lua()
ENGINE, ENV = install(LUA)


def function(source: bytes) -> Any:
    """Return the Lua function that a chunk of the script's kind returns."""
    return ENGINE[b"compile"](source, b"@property.lua")()


integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False)
numbers = integers | floats
keys = numbers | st.binary(max_size=8) | st.booleans()

# Keys are put in one by one, as lupa would make booleans and floats out of each other.
BUILD = b"""
    local t, order = {}, {}
    return function() t = {} end, function(k) t[k] = true end, function()
      local seen = {}
      for k, v in pairs(t) do seen[#seen + 1] = k end
      local n = 0
      for k in next, t do n = n + 1 assert(rawequal(seen[n], k)) end
      assert(n == #seen and (n == 0 or rawequal(next(t), seen[1])))
      return seen
    end, function(drop)
      local visited = 0
      for k in pairs(t) do
        visited = visited + 1
        if visited % drop == 0 then t[k] = nil end
      end
      return visited
    end
"""
RESET, PUT, VISITED, DROP = function(BUILD)


def rank(key: object) -> tuple[int, Any]:
    if isinstance(key, bool):
        return (3, key)
    return (1, key) if isinstance(key, int | float) else (2, key)


def plain(key: object) -> object:
    """The key as Lua keeps it: floats with an integer's value are that integer."""
    if isinstance(key, float) and key.is_integer() and -(2**63) <= key < 2**63:
        return int(key)
    return key


@given(st.lists(keys, max_size=60))
def test_pairs_and_next_visit_numbers_strings_and_booleans_in_order(wanted: list[Any]) -> None:
    RESET()
    for key in wanted:
        PUT(key)
    seen = list(VISITED().values())
    expected = {(type(plain(k)) is bool, plain(k)) for k in wanted}
    assert [(type(k) is bool, k) for k in seen] == sorted(expected, key=lambda pair: rank(pair[1]))


@given(st.lists(keys, unique_by=lambda k: (rank(k)[0], plain(k)), max_size=40), st.integers(1, 4))
def test_keys_may_be_cleared_during_a_walk(wanted: list[Any], drop: int) -> None:
    RESET()
    for key in wanted:
        PUT(key)
    assert DROP(drop) == len(wanted)
    assert len(list(VISITED().values())) == len(wanted) - len(wanted) // drop


SORT = function(b"return function(t) table.sort(t) return t end")
SORT_BY = function(b"""
    return function(t)
      local records = {}
      for i, v in ipairs(t) do records[i] = { key = v, at = i } end
      table.sort(records, function(a, b) return a.key < b.key end)
      local places = {}
      for i, r in ipairs(records) do places[i] = r.at end
      return places
    end
""")
SORT_BADLY = function(b"""
    return function(t, answers)
      local n = 0
      local ok, message = pcall(table.sort, t, function(a, b)
        n = n + 1
        return answers[n % #answers + 1]
      end)
      return ok and t or message
    end
""")


@given(st.lists(numbers, max_size=200))
def test_numbers_are_sorted_and_equal_ones_stay_in_order(wanted: list[float]) -> None:
    got = list(SORT(LUA.table_from(wanted)).values())
    expected = sorted(wanted)
    assert list(map(repr, got)) == list(map(repr, expected))


@given(st.lists(st.binary(max_size=6), max_size=200))
def test_strings_are_sorted_by_their_bytes(wanted: list[bytes]) -> None:
    assert list(SORT(LUA.table_from(wanted)).values()) == sorted(wanted)


@given(st.lists(st.integers(0, 5), max_size=200))
def test_records_with_equal_keys_stay_in_order(wanted: list[int]) -> None:
    expected = sorted(range(1, len(wanted) + 1), key=lambda at: wanted[at - 1])
    assert list(SORT_BY(LUA.table_from(wanted)).values()) == expected


@given(st.lists(st.integers(), max_size=100).filter(len), st.lists(st.booleans(), min_size=1))
def test_a_comparator_without_sense_loses_nothing(wanted: list[int], answers: list[bool]) -> None:
    wanted = [number % 1000 for number in wanted]
    got = SORT_BADLY(LUA.table_from(wanted), LUA.table_from(answers))
    assert sorted(got.values()) == sorted(wanted)


PARSE = function(
    b"""return function(text)
      local ok, value = pcall(JSON.parse, text)
      if not ok then return false, value end
      return true, JSON.stringify(value), JSON.stringify(value, { indent = 1 })
    end"""
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
json_values = st.recursive(
    st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=5) | st.dictionaries(texts, inner, max_size=5)
    ),
    max_leaves=30,
)


def same(a: object, b: object) -> bool:
    """Equal, with integers and floats apart."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return type(a) is type(b) and a == b


@given(json_values, st.booleans())
def test_json_comes_back_as_it_went(value: object, ascii_only: bool) -> None:
    ok, text, set_out = PARSE(json.dumps(value, ensure_ascii=ascii_only).encode())
    assert ok, text
    assert same(json.loads(text), value)
    assert json.loads(set_out) == json.loads(text)
    assert PARSE(text) == (True, text, set_out)


@settings(max_examples=300)
@given(json_values, st.data())
def test_json_accepts_nothing_that_is_not_json(value: object, data: st.DataObject) -> None:
    text = json.dumps(value)
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 3))
    text = text[:at] + data.draw(st.sampled_from([*'[]{},:"\\0-.eE1tn ', ""])) + text[at + cut :]
    ok, answer = PARSE(text.encode())[:2]
    try:
        expected = json.loads(text)
    except ValueError:
        assert not ok, answer
        return
    # We are stricter in two points only: halves of surrogate pairs, and numbers out of range.
    if not ok:
        assert b"surrogate" in answer or b"out of range" in answer
    elif "null" not in text and "[]" not in text:
        assert json.loads(answer) == expected
