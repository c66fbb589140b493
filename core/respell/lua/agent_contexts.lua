-- Contexts that agents are asked in, and memory that they share.
--
-- A context holds values by key; its children see them, have them copied, share them, or know
-- nothing of them. What a context holds is told to the model (executeWithContext). All of it is
-- in this runtime, and there again after a re-execution.

return function(engine)
  local raw = engine.raw
  local type, next, ipairs = raw.type, raw.next, raw.ipairs
  local format = raw.string.format
  local agents = engine.agents
  local Agent, Instance, fail, type_of, copy = agents.Agent, agents.Instance, agents.fail, agents.type_of, agents.copy

  local INHERITANCE = { inherit = true, copy = true, share = true, isolate = true }
  local OPTIONS = { name = true, description = true, data = true, session_id = true, user_id = true, conversation_id = true,
    scope = true, inheritance = true }

  local contexts, last_number = {}, 0   -- id -> {id, parent, how, own, children, facts}
  local shared = {}                     -- scope -> key -> value

  local function context_of(id, call)
    if type(id) ~= "string" then fail(call, "the context must be its id, a string, not %s", type_of(id)) end
    if not contexts[id] then fail(call, "there is no context %q", id) end
    return contexts[id]
  end

  local function key_of(key, call)
    if type(key) ~= "string" or key == "" then
      fail(call, "the key must be a string that is not empty, not %s", type_of(key))
    end
    return key
  end

  local function make(given, call)
    if given == nil then given = {} end
    if type(given) ~= "table" then fail(call, "a table is expected, not %s", type_of(given)) end
    local unknown = engine.unknown_key(given, OPTIONS)
    if unknown then
      fail(call, "there is no option %s; there are name, description, data, scope, session_id, user_id, "
        .. "conversation_id, inheritance", unknown)
    end
    if given.data ~= nil and type(given.data) ~= "table" then
      fail(call, "data must be a table, not %s", type_of(given.data))
    end
    local facts = copy(given)
    facts.data, facts.inheritance = nil, nil
    last_number = last_number + 1
    local context = { id = format("context-%d", last_number), own = copy(given.data or {}), children = {}, facts = facts }
    contexts[context.id] = context
    return context
  end

  -- Its own values, over those that it sees of its parent.
  local function all_of(context)
    if context.how == "share" then return all_of(context.parent) end
    if context.how ~= "inherit" then return context.own end
    local all = {}
    for key, value in next, all_of(context.parent) do all[key] = value end
    for key, value in next, context.own do all[key] = value end
    return all
  end

  -- Returns its id.
  function Agent.createContext(given) return make(given, "Agent.createContext").id end

  -- How the child has its parent's values: "inherit" (sees them as they are), "copy" (has
  -- them as they were), "share" (sees and sets them), "isolate" (not at all).
  function Agent.createChildContext(parent, given, how)
    local call = "Agent.createChildContext"
    parent = context_of(parent, call)
    if how == nil and type(given) == "table" then how = given.inheritance end
    if how == nil then how = "inherit" end
    if not INHERITANCE[how] then
      fail(call, "inheritance must be inherit, copy, share or isolate, not %s", engine.tostring(how))
    end
    local context = make(given, call)
    context.parent, context.how = parent, how
    if how == "copy" then
      for key, value in next, copy(all_of(parent)) do
        if context.own[key] == nil then context.own[key] = value end
      end
    elseif how == "share" then
      for key, value in next, context.own do parent.own[key] = value end
      context.own = {}
    end
    parent.children[#parent.children + 1] = context
    return context.id
  end

  -- Sets one value; nil takes it away.
  function Agent.updateContext(id, key, value)
    local call = "Agent.updateContext"
    local context = context_of(id, call)
    key_of(key, call)
    while context.how == "share" do context = context.parent end
    context.own[key] = value ~= nil and copy(value) or value
  end

  -- The value of a key, or all of them.
  function Agent.getContextData(id, key)
    local call = "Agent.getContextData"
    local all = all_of(context_of(id, call))
    if key == nil then return copy(all) end
    local value = all[key_of(key, call)]
    if value == nil then return nil end
    return copy(value)
  end

  local function remove(context)
    for _, child in ipairs(context.children) do remove(child) end
    contexts[context.id] = nil
  end

  -- Removes it and those below it.
  function Agent.removeContext(id)
    local context = context_of(id, "Agent.removeContext")
    remove(context)
    local parent = context.parent
    for i, child in ipairs(parent and parent.children or {}) do
      if child == context then
        raw.table.remove(parent.children, i)
        break
      end
    end
  end

  function agents.is_context(id) return contexts[id] ~= nil end

  local function tree(context)
    local children = {}
    for i, child in ipairs(context.children) do children[i] = tree(child) end
    return {
      id = context.id, type = "context", name = context.facts.name, inheritance = context.how,
      parent = context.parent and context.parent.id or nil, children = children,
    }
  end

  function agents.context_tree(id) return tree(contexts[id]) end

  -- Asks the agent, and has the model know what the context holds. A context is an id, or
  -- values of your own.
  function Instance:executeWithContext(input, given)
    local call = "Agent.executeWithContext"
    local values
    if type(given) == "table" then values = given else values = all_of(context_of(given, call)) end
    local text = next(values) ~= nil and "Context: " .. engine.to_json_text(values) or nil
    return agents.converse(self, input, call, nil, text)
  end

  -- Shared memory --------------------------------------------------------------------------

  local function scope_of(scope, call)
    if type(scope) == "table" and type(scope.name or scope.type) == "string" then scope = scope.name or scope.type end
    if type(scope) ~= "string" or scope == "" then
      fail(call, "the scope must be a string that is not empty, not %s", type_of(scope))
    end
    return scope
  end

  -- Values that all agents' tools and functions of this script see, by scope and key.
  function Agent.setSharedMemory(scope, key, value)
    local call = "Agent.setSharedMemory"
    scope = scope_of(scope, call)
    shared[scope] = shared[scope] or {}
    shared[scope][key_of(key, call)] = value ~= nil and copy(value) or value
  end

  function Agent.getSharedMemory(scope, key)
    local call = "Agent.getSharedMemory"
    scope = scope_of(scope, call)
    local value = (shared[scope] or {})[key_of(key, call)]
    if value == nil then return nil end
    return copy(value)
  end
end
