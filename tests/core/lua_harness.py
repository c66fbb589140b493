"""Runs Lua snippets on the deterministic library alone: no host, no store, no history.

Effects are answered by a few lines of Lua with files in memory. `plain` runs the same
snippet in an untouched Lua 5.4, to compare with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lupa.lua54

import respell

LUA_FOLDER = Path(respell.__file__).parent / "lua"
BEFORE_EFFECTS = ("codec", "order", "gc", "base", "coroutines", "strings", "tables")
AFTER_EFFECTS = ("modules", "io", "os", "json")

_NATIVES = rb"""
local function copy(t)
  local c = {}
  for k, v in next, t do c[k] = v end
  return c
end
local raw = copy(_G)
raw._G, raw.python = nil, nil
for _, name in ipairs { "string", "table", "math", "utf8", "coroutine", "debug", "os", "io" } do
  raw[name] = copy(_G[name])
end
return { raw = raw }, {}
"""

_EFFECTS = rb"""
local engine, env, files = ...
local raw = engine.raw
local log, blobs = {}, {}
engine.log, engine.files, engine.blobs = log, files, blobs
engine.answers = {}

local function note(kind, name, args)
  log[#log + 1] = { kind, name, args }
end

function engine.note_resume() end
function engine.output(name, text) note("output", name, text) end

function engine.record(name, args, produce)
  note("record", name, engine.encode(args, name))
  return produce and produce()
end

local function stop(value)
  raw.error(value, 0)
end

function engine.die(kind, message) stop({ died = kind }) end
function engine.exit(code) stop({ exit = code }) end
function engine.entropy() return 11, 22 end

function engine.where()
  for level = 2, 10000 do
    local info = raw.debug.getinfo(level, "Sl")
    if not info then return "" end
    if info.what ~= "C" and raw.string.sub(info.source, 1, 9) ~= "=respell/" then
      return raw.string.format("%s:%d: ", info.short_src, info.currentline)
    end
  end
end

engine.WAIT = {}
function engine.wait_here(_, o) return "here:" .. raw.tostring(o) end

function engine.blob(hash, offset, size)
  engine.blob_reads = (engine.blob_reads or 0) + 1
  return raw.string.sub(blobs[hash], offset + 1, offset + size)
end

local missing = { error = "No such file or directory", code = 2 }
local performers = {}

performers["file.open"] = function(args)
  local path, mode = args.path, args.mode
  local content = files[path]
  if mode == "r" or mode == "r+" then
    if not content then return missing end
  elseif mode == "w" or mode == "w+" or not content then
    files[path] = ""
  end
  if mode ~= "r" then return { size = #files[path] } end
  local hash = raw.string.format("blob%d", #log)
  blobs[hash] = content
  return { hash = hash, size = #content }
end

performers["file.read"] = function(args)
  return raw.string.sub(files[args.path], args.offset + 1, args.offset + args.size)
end

performers["file.write"] = function(args)
  local content = files[args.path]
  content = content .. raw.string.rep("\0", args.offset - #content)
  files[args.path] = raw.string.sub(content, 1, args.offset) .. args.data
    .. raw.string.sub(content, args.offset + #args.data + 1)
end

performers["file.remove"] = function(args)
  if not files[args.path] then return missing end
  files[args.path] = nil
end

performers["file.rename"] = function(args)
  if not files[args.from] then return missing end
  files[args.to], files[args.from] = files[args.from], nil
end

local temporary = 0
performers["file.temporary"] = function()
  temporary = temporary + 1
  local path = "/tmp/lua_" .. temporary
  files[path] = ""
  return path
end

performers["module.load"] = function(args)
  local path = "./" .. args.name .. ".lua"
  if files[path] then return { path = path, source = files[path] } end
  return { error = "no file '" .. path .. "'" }
end

function engine.call(name, args)
  note("call", name, engine.encode(args, name))
  local answers = engine.answers[name]
  if answers then return raw.table.remove(answers, 1) end
  if not performers[name] then raw.error("nobody answers " .. name, 0) end
  return performers[name](args)
end
"""

_RUN = rb"""
local engine, env, source, hooked, answers = ...
local raw = engine.raw
if answers ~= "" then engine.answers = raw.load("return " .. answers)() end
engine.init = { source = source }
engine.seed_random(1, 2)
local steps = 0
if hooked then
  local function hook() steps = steps + 1 end
  raw.debug.sethook(hook, "l")
  function engine.on_coroutine(co) raw.debug.sethook(co, hook, "l") end
end
local chunk, message = engine.compile(source, "@script.lua")
local ok, failure
if not chunk then
  ok, failure = false, message
else
  ok, failure = raw.xpcall(chunk, function(e) return engine.blame(e) end)
end
if engine.flush_files and ok then engine.flush_files() end
raw.debug.sethook()
if not ok and raw.type(failure) == "table" and failure.exit ~= nil then
  failure = "exit " .. raw.tostring(failure.exit)
elseif not ok and raw.type(failure) == "table" and failure.died then
  failure = "died " .. raw.tostring(failure.died)
elseif not ok then
  failure = engine.tostring(failure)
end
return ok, failure, engine.log, engine.files
"""


@dataclass
class Outcome:
    """What a snippet did.

    Attributes:
        lines: What `print` wrote, one entry per call.
        error: The uncaught error's text, or None.
        effects: (kind, name, encoded arguments) of outputs, records and calls, in order.
        files: The files in memory afterwards.
    """

    lines: list[str]
    error: str | None
    effects: list[tuple[str, str, bytes]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    def names(self, kind: str = "") -> list[str]:
        return [name for k, name, _ in self.effects if not kind or k == kind]

    def output(self, name: str = "output.text") -> bytes:
        return b"".join(data for k, n, data in self.effects if k == "output" and n == name)


def new_lua(memory_bytes: int = 0) -> Any:
    return lupa.lua54.LuaRuntime(
        encoding=None,
        register_eval=False,
        register_builtins=False,
        unpack_returned_tuples=True,
        max_memory=memory_bytes,
    )


def install(lua: Any, files: dict[str, bytes] | None = None) -> tuple[Any, Any]:
    """Return engine and env of a runtime with the library in it."""
    engine, env = lua.execute(_NATIVES)
    nothing = lua.table()

    def load(names: tuple[str, ...]) -> None:
        for name in names:
            source = (LUA_FOLDER / f"{name}.lua").read_bytes()
            chunk = engine[b"raw"][b"load"](source, b"=respell/" + name.encode(), b"t", nothing)
            assert not isinstance(chunk, tuple), chunk[1].decode()
            chunk()(engine, env)

    load(BEFORE_EFFECTS)
    table = lua.table_from({k.encode(): v for k, v in (files or {}).items()})
    lua.compile(_EFFECTS)(engine, env, table)
    load(AFTER_EFFECTS)
    return engine, env


def run(
    source: str | bytes,
    *,
    files: dict[str, bytes] | None = None,
    answers: str = "",
    hooked: bool = False,
    memory_bytes: int = 0,
    before: str = "",
) -> Outcome:
    """Run a snippet on our library.

    Args:
        source: The script.
        files: Files that exist in memory.
        answers: A Lua table of effect name -> list of outcomes to hand out.
        hooked: Whether a line hook counts every line of every coroutine.
        memory_bytes: Most that Lua may allocate; 0 for no limit.
        before: Lua of ours to run first, with `engine, env` as its arguments.
    """
    lua = new_lua(memory_bytes)
    engine, env = install(lua, files)
    lua.compile(before.encode(), name=b"=respell/before")(engine, env)
    text = source.encode() if isinstance(source, str) else source
    ok, failure, log, after = lua.compile(_RUN)(engine, env, text, hooked, answers.encode())
    effects = [(e[1].decode(), e[2].decode(), e[3] or b"") for e in log.values()]
    return Outcome(
        lines=[d.decode("latin-1") for k, n, d in effects if (k, n) == ("output", "output.line")],
        error=None if ok else failure.decode("latin-1"),
        effects=effects,
        files={k.decode(): v for k, v in after.items()},
    )


_PLAIN = rb"""
local source = ...
local lines = {}
local tostring, select, concat, xpcall, load = tostring, select, table.concat, xpcall, load
function print(...)
  local texts = { ... }
  for i = 1, select("#", ...) do texts[i] = tostring(texts[i]) end
  lines[#lines + 1] = concat(texts, "\t", 1, select("#", ...))
end
local chunk, message = load(source, "@script.lua")
if not chunk then return false, message, lines end
local ok, failure = xpcall(chunk, function(e) return e end)
return ok, not ok and tostring(failure), lines
"""


def plain(source: str | bytes) -> Outcome:
    """Run a snippet in plain Lua 5.4."""
    lua = new_lua()
    text = source.encode() if isinstance(source, str) else source
    ok, failure, lines = lua.compile(_PLAIN)(text)
    return Outcome(
        lines=[line.decode("latin-1") for line in lines.values()],
        error=None if ok else failure.decode("latin-1"),
    )


def in_new_processes(source: str, count: int = 4, hooked: bool = False) -> list[list[str]]:
    """Return the lines of a snippet from each of several fresh processes.

    Addresses and hashes differ from one to the next; with `hooked`, every second one runs
    under a line hook.
    """
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import lua_harness as h\n"
        "o = h.run(sys.stdin.read(), hooked=sys.argv[2] == 'hooked')\n"
        "print(json.dumps([*o.lines, o.error, [n for n in o.names() if n.startswith('note')]]))"
    )
    results = []
    for number in range(count):
        mode = "hooked" if hooked and number % 2 else "bare"
        done = subprocess.run(
            [sys.executable, "-c", program, str(Path(__file__).parent), mode],
            input=source,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONHASHSEED": "random"},
        )
        if done.returncode:
            raise AssertionError(done.stderr)
        results.append(json.loads(done.stdout))
    return results
