"""A value comes from where the author of its script knows it to: each piece says what it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from respell.debug import Debugger
from respell.store import Store

# Values live in locals `a`, `b`, `c`, in `t.x` and `t.list[1]`, and in the state's key `k`.
PLACES = ("a", "b", "c", "t.x", "t.list[1]")
HEAD = """\
local a, b, c = "a", "b", "c"
local t = { x = "x", list = { "l" } }
State.set("k", "k")
local function ask(n)
  local answer = Tool.invoke("calculator", { expression = n .. " * 1000 + 7" })
  return answer.result.result
end
local function same(v) return v end
local function pair(v, w) return w, v end
local function join(...)
  local all = ""
  for _, one in ipairs({ ... }) do
    all = all .. tostring(one)
  end
  return all
end
local function keep(v) return function() return v end end
local function deep(n, v)
  if n == 0 then return v end
  local found = deep(n - 1, v)
  return found
end
local function tail(n, v)
  if n == 0 then return v end
  return tail(n - 1, v)
end
local Box = {}
Box.__index = Box
Box.__call = function(self) return self.v end
Box.__concat = function(x, y) return x.v end
function Box.new(v)
  local self = setmetatable({}, Box)
  self.v = v
  return self
end
function Box:get() return self.v end
local function put(into, key, v)
  into[key] = v
end
local function through(v)
  local co = coroutine.wrap(function(got)
    local more = coroutine.yield(got)
    return more
  end)
  co("first")
  return co(v)
end
"""

Sources = dict[str, frozenset[int]]
Piece = tuple[str, Callable[[Sources, int], None]]


def _set(to: str, *of: str) -> Callable[[Sources, int], None]:
    def perform(sources: Sources, asked: int) -> None:
        known = sources[of[0]] if len(of) == 1 else frozenset().union(*(sources[o] for o in of))
        sources[to] = known

    return perform


def _asks(to: str) -> Callable[[Sources, int], None]:
    def perform(sources: Sources, asked: int) -> None:
        sources[to] = frozenset((asked,))

    return perform


def _swap(one: str, other: str) -> Callable[[Sources, int], None]:
    def perform(sources: Sources, asked: int) -> None:
        sources[one], sources[other] = sources[other], sources[one]

    return perform


def pieces(to: str, of: str, also: str) -> list[Piece]:
    """Return lines that give one place something, and what that does; @ counts effects."""
    table, _, key = to.rpartition(".")
    made: list[Piece] = [
        (f"{to} = ask(@)", _asks(to)),
        (f"{to} = ask(@)", _asks(to)),
        (f"{to} = {of}", _set(to, of)),
        (f"{to} = same({of})", _set(to, of)),
        (f"{to} = select(2, pair({of}, {also}))", _set(to, of)),
        (f"{to} = ({{ pair({of}, {also}) }})[1]", _set(to, also)),
        (f"{to} = join({of}, {also})", _set(to, of, also)),
        (f"{to} = {of} and {also}", _set(to, also)),
        (f"{to} = nil or {of}", _set(to, of)),
        (f"{to} = through({of})", _set(to, of)),
        (f"{to} = tostring({of}) .. '!'", _set(to, of)),
        (f"{to} = select(2, pcall(same, {of}))", _set(to, of)),
        (f"State.set('k', {of})", _set("k", of)),
        (f"{to} = State.get('k')", _set(to, "k")),
        (f"for _, one in ipairs({{ 'n', {of} }}) do\n  {to} = one\nend", _set(to, of)),
        (f"do\n  local function set() {to} = {of} end\n  set()\nend", _set(to, of)),
        ("local u = t\nu.x = 'fresh'", lambda sources, _: sources.update({"t.x": frozenset()})),
        (f"t.list = {{ {of} }}", _set("t.list[1]", of)),
        (f"{to} = keep({of})()", _set(to, of)),
        (f"local k1, k2 = keep({also}), keep({of})\n{to} = k2()", _set(to, of)),
        (f"{to} = deep(3, {of})", _set(to, of)),
        (f"{to} = tail(3, {of})", _set(to, of)),
        (f"{to} = Box.new({of}):get()", _set(to, of)),
        (f"{to} = Box.new({of})()", _set(to, of)),
        (f"{to} = Box.new({of}) .. Box.new({also})", _set(to, of)),
        (
            f"local base = {{ v = {of} }}\nlocal o = setmetatable({{}}, {{ __index = base }})\n"
            f"{to} = o.v",
            _set(to, of),
        ),
        (f"if {of} then {to} = {of} else {to} = {also} end", _set(to, of)),
        (f"if not {of} then {to} = {of} else {to} = {also} end", _set(to, also)),
        (f"for i = 1, 3 do\n  {to} = same({of})\nend", _set(to, of)),
        (f"{to} = same(\n  {of}\n)", _set(to, of)),
        (f"{to} = table.concat({{ tostring({of}), tostring({also}) }})", _set(to, of, also)),
        (f"{to} = ('%s'):format({of})", _set(to, of)),
        (f"{to} = table.unpack({{ {of}, {also} }})", _set(to, of)),
        (f"local list = {{ {of}, {also} }}\n{to} = table.remove(list)", _set(to, also)),
        (f"State.set('other', {{ v = {of} }})\n{to} = State.get('other').v", _set(to, of)),
        (f"{to} = JSON.parse(JSON.stringify({{ v = {of} }})).v", _set(to, of)),
        (f"glob = {of}\n{to} = glob", _set(to, of)),
        (
            f"local w = coroutine.wrap(function()\n  coroutine.yield({of})\nend)\n{to} = w()",
            _set(to, of),
        ),
        (f"table.insert(t.list, 1, {of})", _set("t.list[1]", of)),
    ]
    if to != of:
        made.append((f"{to}, {of} = {of}, {to}", _swap(to, of)))
    if table == "t":
        made.append((f"put(t, '{key}', {of})", _set(to, of)))
    return made


@st.composite
def scripts(draw: st.DrawFn) -> tuple[str, Sources]:
    """Return a script, and of each place the events that its value came from in the end."""
    text = HEAD
    sources: Sources = {place: frozenset() for place in (*PLACES, "k")}
    event = 2  # the first State.set
    for number in range(draw(st.integers(2, 9))):
        to, of, also = (draw(st.sampled_from(PLACES)) for _ in range(3))
        line, perform = draw(st.sampled_from(pieces(to, of, also)))
        event += line.count("ask(") + line.count("State.")
        text += line.replace("@", str(number + 1)) + "\n"
        perform(sources, event)
    return text + "print(a, b, c, t.x, t.list[1])\n", sources


@settings(
    max_examples=8, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(made=scripts())
def test_every_value_is_followed_to_its_effects(
    script: Any, store: Store, made: tuple[str, Sources]
) -> None:
    text, sources = made
    result = script(text)
    assert result.exit_code == 0, result.ended
    with Debugger.open(result.session.id, store=store) as debugger:
        debugger.end()
        for place in PLACES:
            found = debugger.origin(place)
            assert set(found.events) == sources[place], "\n".join(found.lines(full=True))
            assert all(one.kind in ("effect", "constant") for one in found.leaves())
