"""The Lua library against plain Lua: what a script pays for determinism."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Figure
from core.lua_harness import install, new_lua

_ROUNDS = 15
_NOISE = "best of {} rounds, in turns"
_REMARKS = {
    "pairs": "; the order of keys seen before is remembered, so the same table is walked again for "
    "less; new keys have to be sorted, and the floor of that is Lua's own table.sort",
}

_KEYS = "local t = {{}} for i = 1, {n} do t['key' .. (i * 7919 % 10007)] = i end "
_LOOP = (
    "return function() local s = 0 for r = 1, {rounds} do for k, v in {over} do s = s + v end end "
    "return s end"
)
# Each table is walked once and has keys of its own, so that no order is known from before.
_NEW_KEYS = """
    local tables, at = {{}}, 0
    for i = 1, {tables} do
      tables[i] = {{}}
      for j = 1, {n} do tables[i]['key' .. (j * 7919 % 10007) .. '-' .. i] = j end
    end
    return function()
      local s = 0
      for i = 1, {walks} do
        at = at % {tables} + 1
        for k, v in pairs(tables[at]) do s = s + v end
      end
      return s
    end
"""
_RECORDS = """
    local function fresh()
      local t, x = {{}}, 42
      for i = 1, {n} do x = (x * 1103515245 + 12345) % 2147483648 t[i] = {element} end
      return t
    end
    return function() for r = 1, {rounds} do table.sort(fresh(){comparator}) end end
"""


def pure_lua_cases() -> dict[str, str]:
    """Return what must cost nothing: name -> chunk that returns the function to time."""
    return {
        "fib(24)": """
            local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
            return function() return fib(24) end""",
        "mandelbrot": """
            return function()
              local inside, n = 0, 64
              for y = 0, n - 1 do
                local ci = 2.0 * y / n - 1.0
                for x = 0, n - 1 do
                  local cr, zr, zi, i = 2.0 * x / n - 1.5, 0.0, 0.0, 0
                  while i < 50 and zr * zr + zi * zi < 4.0 do
                    zr, zi, i = zr * zr - zi * zi + cr, 2.0 * zr * zi + ci, i + 1
                  end
                  if i == 50 then inside = inside + 1 end
                end
              end
              return inside
            end""",
        "concatenation": """
            return function() local s = '' for i = 1, 3000 do s = s .. i end return #s end""",
        "table access": """
            local t = {} for i = 1, 100000 do t[i] = i end
            return function()
              local s = 0
              for i = 1, 100000 do t[i] = t[i] + 1 s = s + t[i] end
              return s
            end""",
        "method calls": """
            local C = {} C.__index = C
            function C:get() return self.x end
            local o = setmetatable({ x = 1 }, C)
            return function() local s = 0 for i = 1, 100000 do s = s + o:get() end return s end""",
        "closures": """
            return function()
              local s = 0
              for i = 1, 30000 do local f = function() return i end s = s + f() end
              return s
            end""",
        "string methods": """
            return function()
              local n = 0
              for i = 1, 10000 do n = n + #('item' .. i):upper():gsub('%d', 'x') end
              return n
            end""",
    }


def iteration_cases() -> dict[str, tuple[str, float]]:
    """Return walks over tables: name -> (chunk, most it may cost, in plain Lua's time)."""
    cases = {}
    for n, bar in ((5, 8.0), (20, 8.0), (100, 8.0), (1000, 15.0)):
        loop = _LOOP.format(rounds=max(3, 30000 // n), over="pairs(t)")
        cases[f"pairs, {n} string keys"] = (_KEYS.format(n=n) + loop, bar)
    for n, walks, bar in ((100, 40, 8.0), (1000, 4, 15.0)):
        chunk = _NEW_KEYS.format(n=n, walks=walks, tables=walks * 2 * _ROUNDS)
        cases[f"pairs, {n} string keys, new ones each time"] = (chunk, bar)
    loop = _LOOP.format(rounds=30, over="pairs(t)")
    cases["pairs, 1,000 integers in order"] = (
        "local t = {} for i = 1, 1000 do t[i] = i end " + loop,
        8.0,
    )
    loop = _LOOP.format(rounds=300, over="next, t")
    cases["next, 100 string keys"] = (_KEYS.format(n=100) + loop, 20.0)
    return cases


def sort_cases() -> dict[str, tuple[str, float]]:
    """Return sorts: name -> (chunk, most it may cost, in plain Lua's time)."""
    by_age = ", function(a, b) return a.age < b.age end"
    shapes = {
        "integers": ("x", ""),
        "strings": ("'key' .. x", ""),
        "floats and integers": ("i % 2 == 0 and x / 2 or x", ""),
        "records by a field": ("{{ age = x % 50 }}", by_age),
    }
    cases = {}
    for name, (element, comparator) in shapes.items():
        for n in (10, 1000):
            chunk = _RECORDS.format(
                n=n,
                rounds=5000 // n,
                element=element.replace("{{", "{").replace("}}", "}"),
                comparator=comparator,
            )
            cases[f"sort, {n:,} {name}"] = (chunk, 5.0)
    return cases


def library_cases() -> dict[str, tuple[str, float]]:
    """Return calls of replaced functions: name -> (chunk, most it may cost)."""

    def repeated(body: str, before: str = "") -> str:
        return f"{before} return function() for i = 1, 20000 do {body} end end"

    return {
        "string.format of numbers": (repeated("string.format('%d %5.2f', i, i / 3)"), 1.5),
        "string.format of strings": (repeated("string.format('%s=%s', 'key', i)"), 3.0),
        "tostring of a number": (repeated("tostring(i)"), 2.0),
        "pcall": (repeated("pcall(type, i)"), 3.0),
        "setmetatable of a new table": (repeated("setmetatable({}, C)", "local C = {}"), 4.0),
        "coroutine.wrap, one round": (
            repeated("w()", "local w = coroutine.wrap(function() while true do "
                     "coroutine.yield() end end)"),
            4.0,
        ),
    }  # fmt: skip


def compare(chunk: str, rounds: int = _ROUNDS) -> tuple[float, float]:
    """Return the best times of a chunk's function in plain Lua and here, in microseconds.

    Args:
        chunk: Lua that returns the function to time.
        rounds: How often each is measured, in turns.
    """
    bare, ours = new_lua(), new_lua()
    engine, _ = install(ours)
    actions: list[Callable[[], object]] = [
        bare.execute(chunk.encode()),
        engine[b"compile"](chunk.encode(), b"@bench.lua")(),
    ]
    best = [float("inf")] * 2
    for _ in range(rounds):
        for at, action in enumerate(actions):
            begun = time.process_time()
            action()
            best[at] = min(best[at], time.process_time() - begun)
    return best[0] * 1e6, best[1] * 1e6


def figures(folder: Path) -> list[Figure]:
    """Measure every case against plain Lua in the same process."""
    del folder  # nothing is written
    cases = {name: (chunk, 1.05) for name, chunk in pure_lua_cases().items()}
    cases |= iteration_cases() | sort_cases() | library_cases()
    result = []
    for name, (chunk, bar) in cases.items():
        plain_us, ours_us = compare(chunk)
        result.append(
            Figure(
                name=f"Lua: {name}",
                value=ours_us,
                unit="µs",
                bar=bar,
                floor=plain_us,
                floor_name="plain Lua 5.4",
                note=_NOISE.format(_ROUNDS) + _REMARKS.get(name.partition(",")[0], ""),
            )
        )
    return result
