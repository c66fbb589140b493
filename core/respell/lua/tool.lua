-- Tool: calls to tools, with the hooks around them, and tools written in Lua.

return function(engine, env)
  local raw = engine.raw
  local type, error, setmetatable = raw.type, raw.error, raw.setmetatable
  local format = raw.string.format

  local lua_tools = {}
  local Tool = {}

  local function bad_argument(position, name, expected, value)
    error(format("%sbad argument #%d to '%s' (%s expected, got %s)", engine.where(), position, name,
      expected, value == nil and "no value" or type(value)), 0)
  end

  -- Tools written in Lua --------------------------------------------------------------------

  local function text_of(result)
    if type(result) == "string" then return result end
    return env.JSON.stringify(result)
  end

  -- `started` is when the call began, as it is recorded.
  local function run_lua_tool(tool, params, started)
    if tool.parameters then
      engine.call("tool.check", { name = tool.name, parameters = tool.parameters, params = params })
    end
    local result = tool.fn(params)
    local taken = engine.record("tool.duration", { name = tool.name }, function()
      return raw.math.max(engine.port.now() - started, 0) / 1000000
    end)
    return { success = true, result = result, text = text_of(result), metadata = {}, duration_s = taken }
  end

  local DEFINITION = { description = "string", category = "string", version = "string",
    parameters = "table", tags = "table" }

  local function check_definition(definition)
    for _, key in raw.ipairs((engine.keys(definition))) do
      local wanted = DEFINITION[key]
      if not wanted then
        error(format("%sTool.register: unknown option %s; there are description, parameters, category, tags, version",
          engine.where(), env.tostring(key)), 0)
      elseif type(definition[key]) ~= wanted then
        error(format("%sTool.register: %s must be a %s, not a %s", engine.where(), key, wanted,
          type(definition[key])), 0)
      end
    end
  end

  function Tool.register(name, definition, fn)
    if type(name) ~= "string" or name == "" then bad_argument(1, "register", "name", name) end
    if type(definition) ~= "table" then bad_argument(2, "register", "table", definition) end
    if type(fn) ~= "function" then bad_argument(3, "register", "function", fn) end
    check_definition(definition)
    if lua_tools[name] or engine.call("tool.exists", { name = name }) then
      error(format("%sTool.register: there is a tool named %q already", engine.where(), name), 0)
    end
    lua_tools[name] = {
      name = name, fn = fn, description = definition.description or "",
      parameters = definition.parameters, category = definition.category or "custom",
      version = definition.version or "1.0.0", tags = definition.tags or {},
    }
  end

  -- Calls --------------------------------------------------------------------------------

  local hooks = engine.hooks

  -- Whether there is a tool of that name; the host is asked until it has one.
  local of_host = {}
  local function is_there(name)
    if lua_tools[name] or of_host[name] then return true end
    of_host[name] = engine.call("tool.exists", { name = name }) or nil
    return of_host[name] or false
  end

  local function parameters_of(name)
    if lua_tools[name] then return lua_tools[name].parameters end
    local found = engine.call("tool.get", { name = name })
    return found and found.parameters
  end

  -- Compares the arguments with the schema, and tells the hooks that they fit.
  local function validate(name, params)
    local parameters = parameters_of(name)
    if parameters then
      engine.call("tool.check", { name = name, parameters = parameters, params = params })
    end
    hooks.fire("ToolValidation", "tool", name, params)
  end

  local function performer(name)
    return function(params, o, now)
      local tool = lua_tools[name]
      if not tool then
        local args = { name = name, params = params }
        if o then return engine.perform_inside(o, "tool.invoke", args) end
        return engine.call("tool.invoke", args)
      elseif o then
        return run_lua_tool(tool, params, now)
      end
      return engine.span("tool.invoke", { name = name, params = params }, function(_, started)
        return run_lua_tool(tool, params, started)
      end, engine.port.now)
    end
  end

  local function invoke(name, params)
    if hooks.wanted("ToolValidation") and is_there(name) then validate(name, params) end
    if hooks.wanted("BeforeToolExecution", "AfterToolExecution", "ToolError") and is_there(name) then
      return hooks.around {
        before = "BeforeToolExecution", after = "AfterToolExecution", error = "ToolError", kind = "tool",
        name = name, data = params, event = "tool.invoke", args = { name = name, params = params },
        perform = performer(name), redirect = performer,
      }
    end
    return performer(name)(params)
  end

  function Tool.invoke(name, params)
    if type(name) ~= "string" then bad_argument(1, "invoke", "string", name) end
    if params == nil then params = {} end
    if type(params) ~= "table" then bad_argument(2, "invoke", "table", params) end
    return invoke(name, params)
  end

  -- Discovery ----------------------------------------------------------------------------

  local function object(description)
    description.execute = function(self, params)
      if self ~= description then
        error(format("%s%s.execute must be called with a colon, as in tool:execute{…}", engine.where(),
          description.name), 0)
      end
      return Tool.invoke(description.name, params)
    end
    description.getSchema = function() return description.schema end
    description.get_schema = description.getSchema
    return description
  end

  -- What v0.6.0 listed of parameters: an array in place of their JSON Schema.
  local function parameter_list(schema)
    local list, required = {}, {}
    local function part(of, name)
      return type(of) == "table" and type(of[name]) == "table" and of[name] or {}
    end
    for _, name in raw.ipairs(part(schema, "required")) do required[name] = true end
    local properties = part(schema, "properties")
    for _, name in raw.ipairs((engine.keys(properties))) do
      local entry = part(properties, name)
      list[#list + 1] = {
        name = name, type = entry.type == "integer" and "number" or entry.type or "any",
        description = entry.description or "", required = required[name] or false,
        default = entry.default,
      }
    end
    return list
  end

  local function described(tool)
    return {
      name = tool.name, description = tool.description, category = tool.category,
      version = tool.version, tags = tool.tags, idempotent = false,
      parameters = tool.parameters or {},
      schema = {
        name = tool.name, description = tool.description,
        parameters = parameter_list(tool.parameters or {}),
      },
    }
  end

  -- Looks tools up, with the hooks around it. `data` says what for, its `name` of which.
  local function discovered(operation, data, perform)
    if not hooks.wanted("BeforeToolDiscovery", "AfterToolDiscovery") then return perform(data) end
    data.operation = operation
    return hooks.around {
      before = "BeforeToolDiscovery", after = "AfterToolDiscovery", kind = "tool", name = data.name or operation,
      data = data, args = data, event = "tool." .. operation, perform = perform,
    }
  end

  local function get(data)
    local tool = lua_tools[data.name]
    if tool then return described(tool) end
    return engine.call("tool.get", { name = data.name })
  end

  function Tool.get(name)
    if type(name) ~= "string" then bad_argument(1, "get", "string", name) end
    local found = discovered("get", { name = name }, get)
    hooks.check_outcome(not found or type(found) == "table", "Tool.get", "the description of a tool, or nil", found)
    return found and object(found)
  end

  local function exists(data)
    return lua_tools[data.name] ~= nil or engine.call("tool.exists", { name = data.name })
  end

  function Tool.exists(name)
    if type(name) ~= "string" then bad_argument(1, "exists", "string", name) end
    return discovered("exists", { name = name }, exists)
  end

  local function own_tools(list)
    for _, name in raw.ipairs((engine.keys(lua_tools))) do
      local tool = lua_tools[name]
      list[#list + 1] = { name = tool.name, description = tool.description,
        category = tool.category, version = tool.version, tags = tool.tags }
    end
    return list
  end

  local function list() return own_tools(engine.call("tool.list", {})) end

  function Tool.list() return discovered("list", {}, list) end

  local function categories()
    local seen, found = {}, {}
    for _, tool in raw.ipairs(list()) do
      if not seen[tool.category] then
        seen[tool.category] = true
        found[#found + 1] = tool.category
      end
    end
    raw.table.sort(found)
    return found
  end

  function Tool.categories() return discovered("categories", {}, categories) end

  -- Whether a tag is one of the tool's, or in its description, in large letters or small.
  local function has_tag(tool, tag)
    tag = raw.string.lower(tag)
    for _, own in raw.ipairs(tool.tags) do
      if raw.string.lower(own) == tag then return true end
    end
    return raw.string.find(raw.string.lower(tool.description), tag, 1, true) ~= nil
  end

  function Tool.discover(filter)
    if filter == nil then filter = {} end
    if type(filter) ~= "table" then bad_argument(1, "discover", "table", filter) end
    for _, key in raw.ipairs((engine.keys(filter))) do
      if key ~= "category" and key ~= "tag" then
        error(format("%sTool.discover: unknown option %s; there are category, tag", engine.where(),
          env.tostring(key)), 0)
      elseif type(filter[key]) ~= "string" then
        error(format("%sTool.discover: %s must be a string, not a %s", engine.where(), key,
          type(filter[key])), 0)
      end
    end
    return discovered("discover", { category = filter.category, tag = filter.tag }, function(wanted)
      local found = {}
      for _, tool in raw.ipairs(list()) do
        if (not wanted.category or tool.category == wanted.category)
          and (not wanted.tag or has_tag(tool, wanted.tag)) then
          found[#found + 1] = tool
        end
      end
      return found
    end)
  end

  -- Tool.calculator: as Tool.get("calculator").
  env.Tool = setmetatable(Tool, {
    __index = function(_, name)
      if type(name) == "string" then return Tool.get(name) end
    end,
  })
end
