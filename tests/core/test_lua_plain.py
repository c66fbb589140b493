"""What works in plain Lua 5.4 works the same here: each snippet is run in both and compared.

Addresses differ by nature and are masked; everything else, error texts and positions
included, has to be equal.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.lua_harness import Outcome, plain, run

SNIPPETS = {
    path.stem: path.read_bytes() for path in (Path(__file__).parent / "plain_lua").iterdir()
}


def masked(outcome: Outcome) -> list[str]:
    text = "\n".join([*outcome.lines, f"error: {outcome.error}"])
    return re.sub(r"0x[0-9a-f]{8,}", "0x…", text).split("\n")


@pytest.mark.parametrize("story", sorted(SNIPPETS))
def test_a_script_does_what_it_does_in_plain_lua(story: str) -> None:
    snippet = SNIPPETS[story]
    assert masked(run(snippet)) == masked(plain(snippet))


@pytest.mark.parametrize("story", sorted(SNIPPETS))
def test_a_line_hook_changes_nothing(story: str) -> None:
    if story == "deep_recursion":
        pytest.skip("the hook's own frame counts against the depth where Lua gives up")
    snippet = SNIPPETS[story]
    assert masked(run(snippet, hooked=True)) == masked(run(snippet))


def test_nothing_dangerous_is_left_in_the_script_s_globals() -> None:
    outcome = run("""
        local seen = {}
        local function walk(t, name)
          if seen[t] then return end
          seen[t] = true
          for k, v in pairs(t) do
            local full = name .. '.' .. tostring(k)
            print(full:gsub('^_G%.', ''), nil)
            if type(v) == 'table' and v ~= package.loaded then walk(v, full) end
          end
        end
        walk(_G, '_G')
        print(getmetatable(_G), string.dump, debug.sethook, package.loadlib, python)
    """)
    names = {line.split("\t")[0] for line in outcome.lines}
    assert outcome.error is None
    assert outcome.lines[-1] == "nil\tnil\tnil\tnil\tnil"
    forbidden = (
        "python", "string.dump", "package.loadlib", "package.searchers", "debug.sethook",
        "debug.getregistry", "debug.setmetatable", "debug.getlocal", "debug.setupvalue",
        "debug.upvalueid", "debug.debug", "loadstring", "io.popen.x",
    )  # fmt: skip
    assert names.isdisjoint(forbidden)
    assert {"debug.traceback", "debug.getinfo", "string.format", "io.lines", "os.time"} <= names


def test_bytecode_is_never_loaded() -> None:
    dumped = "\\27Lua" + "\\84\\0"
    outcome = run(f"""
        print(load('{dumped}')) print(load('{dumped}', 'n', 'b')) print(load('{dumped}', 'n', 'bt'))
        print(load(function() return '{dumped}' end, 'n', 'b'))
    """)
    assert outcome.error is None
    assert all(line.startswith("nil\tattempt to load a ") for line in outcome.lines), outcome.lines
