"""A recorded session is re-executed the same in every process, whoever looks on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from respell.store import Store

# What is different in every process of plain Lua: hash order, addresses, seeds, sort's pivot.
SCRIPT = """
local by_name, by_table, by_mixed = {}, {}, {}
for i = 1, 60 do by_name['key' .. (i * 7919 % 101)] = i end
for i = 1, 40 do by_table[{i * 31 % 17, 'x' .. i}] = {value = i} end
for i = 1, 20 do by_mixed[i * 1.5] = i by_mixed['s' .. i] = i by_mixed[i % 2 == 0] = i end
by_mixed[print] = 'print' by_mixed[coroutine.create(print)] = 'thread'
for k, v in pairs(by_name) do io.write(k, '=', v, ' ') end print()
for k, v in pairs(by_table) do io.write(k[1], k[2], ':', v.value, ' ') end print()
for k, v in pairs(by_mixed) do io.write(type(k), tostring(v), ' ') end print()
for k in pairs(string) do io.write(k, ' ') end print()
print({}, print, coroutine.create(print), tostring(setmetatable({}, {__name = 'Thing'})))
print(string.format('%s %p', {}, {}))
print(math.random(), math.random(1000), os.time(), os.clock(), os.date())
math.randomseed(os.time()) print(math.random(1000))
local people = {}
for i = 1, 300 do people[i] = {name = i, age = i * 7 % 5} end
local compared = 0
table.sort(people, function(a, b) compared = compared + 1 return a.age < b.age end)
local order = {}
for i, one in ipairs(people) do order[i] = one.name end
print(compared, table.concat(order, ' '))
local weak = setmetatable({}, {__mode = 'k'})
for i = 1, 100 do weak[{}] = i end
collectgarbage()
local count = 0
for _ in pairs(weak) do count = count + 1 end
print('weak', count, collectgarbage('count'))
setmetatable({}, {__gc = function() print('never') end})
collectgarbage()
print(pcall(error, {code = 1}))
print(select(2, pcall(function() return {} < {} end)))
print(select(2, xpcall(function() error('x') end, debug.traceback)))
local wrapped = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(os.clock()) end end)
print(wrapped() ~= nil, wrapped() ~= nil)
print(Tool.invoke('hash_calculator', {operation = 'hash', input = 'abc'}).result.hash)
State.set('table', {b = 1, a = {3, 2, 1}, [1.5] = true})
print(next({}), next({a = 1}))
"""

REPLAY = """
import json, sys
from respell.engine.replay import replay
from respell.store import Store
store = Store(sys.argv[1], create=False)
result = replay(store, store.sessions.find("@last"), count_lines=sys.argv[2] == "hook")
print(json.dumps([result.identical, result.trace_hash, result.lines > 0]))
"""


def replay_in_a_new_process(store: Path, hook: bool) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", REPLAY, str(store), "hook" if hook else "plain"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "random"},
    )  # fmt: skip
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.skipif(
    not Path("/proc/sys/kernel/randomize_va_space").exists(), reason="no way to see ASLR here"
)
@pytest.mark.parametrize("processes", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_all_processes_re_execute_one_trace(script: Any, store: Store, processes: int) -> None:
    assert Path("/proc/sys/kernel/randomize_va_space").read_text().strip() != "0"
    done = script(SCRIPT)
    assert done.session.status == "completed", done.session.error
    results = [replay_in_a_new_process(store.path, i % 2 == 1) for i in range(processes)]
    assert {identical for identical, _, _ in results} == {True}
    assert len({trace for _, trace, _ in results}) == 1
    assert [lines for _, _, lines in results] == [i % 2 == 1 for i in range(processes)]


def test_two_runs_differ_only_in_what_came_from_outside(script: Any) -> None:
    first = script(SCRIPT)
    lines = list(script.lines)
    script.lines.clear()
    second = script(SCRIPT)
    assert first.session.status == second.session.status == "completed"
    outside = [i for i, (a, b) in enumerate(zip(lines, script.lines, strict=True)) if a != b]
    assert {lines[i].count("\t") for i in outside} <= {0, 4}, "only clocks and random numbers"
    assert len(outside) <= 2
