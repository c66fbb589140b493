-- The first chunk of every runtime: captures the natives, takes them away from the
-- script, and installs the other files one by one.
--
-- Called with the port: Python functions that take and return bytes and numbers only.
-- `engine` is shared by our own files; `env` becomes the script's _G.

local port = ...

local next = next

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

local engine = { raw = raw, port = port, globals = _G }
local env = {}
env._G = env

local function install(name, source)
  local chunk, message = raw.load(source, "=respell/" .. name, "t", {})
  if not chunk then raw.error(message, 0) end
  chunk()(engine, env)
end

-- Nothing of the original global table stays reachable from a script: chunks get `env`.
local globals = _G
local function seal()
  for k in raw.next, copy(globals) do globals[k] = nil end
end

local function start()
  return engine.start(env)
end

return install, seal, start
