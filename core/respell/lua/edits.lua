-- Edits: variables that are set at a position (an event, and line steps after it), in a fork or
-- in a debugger's dry run.
--
-- They are applied again at every re-execution. An edit has the `value`, or `lua`, an
-- expression that is computed where the variable is. Those that are marked `check` end the
-- re-execution at their position, and it tells what is in scope there.

return function(engine, env)
  local raw = engine.raw
  local getinfo, setlocal, setupvalue, sethook =
    raw.debug.getinfo, raw.debug.setlocal, raw.debug.setupvalue, raw.debug.sethook
  local format, rawset, next, ipairs = raw.string.format, raw.rawset, raw.next, raw.ipairs
  local scope, source_of = engine.scope, engine.source_of

  local by_event = {}        -- ordinal -> list of edits
  local counting, steps      -- the ordinal whose edits wait for their line; line steps since
  local pending = {}         -- those edits
  local disarm               -- takes the hooks for it away

  -- Sets the innermost variable of that name that the function at `level` sees.
  local function set_variable(thread, level, name, value)
    local i = level and scope.find_local(thread, level, name)
    if i then setlocal(thread, level, i, value) return end
    local f = level and getinfo(thread, level, "f").func
    i = f and scope.find_upvalue(f, name)
    if i then setupvalue(f, i, value) return end
    rawset(env, name, value)
  end

  local function thread_of(here, number)
    if not number then return here end
    if number == 0 then return engine.main_thread end
    for co in next, engine.coroutines do
      if (engine.branch_of(co) or engine.known_id(co)) == number then return co end
    end
  end

  -- What is in scope at edits that are to be checked.
  local function checked(here, list)
    local all, names = scope.names(here, scope.script_level(here, 0))
    local missing = {}
    for _, edit in ipairs(list) do
      if edit.check and not all[edit.name] then missing[#missing + 1] = edit.name end
    end
    return "scope", { missing = missing, names = names }
  end

  -- Returns nothing, or why the re-execution ends here.
  local function apply(here, edit)
    if not edit.lua then
      set_variable(here, scope.script_level(here, 0), edit.name, edit.value)
      return
    end
    local thread = thread_of(here, edit.coroutine)
    local level = thread and scope.level_of_frame(thread, edit.frame or 0)
    local ok, failure = false, "the function that it was made in does not run there"
    if level or (edit.frame or 0) == 0 and thread then
      ok, failure = scope.assign(thread, level, edit.name, edit.lua)
    end
    if not ok then
      if raw.type(failure) == "table" then
        failure = format("there is no variable %s", failure.missing)
      end
      return "edit", { edit = edit.id or 0, name = edit.name, message = failure }
    end
    if edit.id then engine.tell_edited(edit.id) end
  end

  local function apply_each(here, list)
    for _, edit in ipairs(list) do
      local kind, report
      if edit.check then kind, report = checked(here, list) else kind, report = apply(here, edit) end
      if kind then return kind, report end
    end
  end

  local function apply_here(list)
    local kind, report = scope.from_outside(apply_each, list)
    if kind then engine.stop_here(kind, report) end
  end

  -- Whether no edit waits for a later line; called on each line of the script.
  local function step()
    steps = steps + 1
    engine.line_steps = steps
    local due, later = {}, {}
    for _, edit in ipairs(pending) do
      if edit.steps == steps then due[#due + 1] = edit else later[#later + 1] = edit end
    end
    pending = later
    if #due > 0 then apply_here(due) end
    if #later == 0 then counting = nil end
    return #later == 0
  end

  -- Line steps are counted over all coroutines, so each of them is hooked until the last edit
  -- is done.
  local function arm()
    if engine.on_step_edits then
      disarm = function() engine.on_step_edits(nil) end
      return engine.on_step_edits(step)
    end
    local hooked = {}
    function disarm()
      for co in next, hooked do sethook(co) end
      sethook()
      engine.on_coroutine = nil
    end
    local function hook()
      if source_of(getinfo(2, "f").func) and step() then disarm() end
    end
    local function arm_one(co)
      hooked[co] = true
      sethook(co, hook, "l")
    end
    sethook(hook, "l")
    arm_one(engine.main_thread)
    for co in next, engine.coroutines do
      if raw.coroutine.status(co) ~= "dead" then arm_one(co) end
    end
    engine.on_coroutine = arm_one
  end

  -- Called when the script gets to know of the event with this ordinal; 0 for its start.
  function engine.edits_at(o)
    local list = by_event[o]
    if counting and (list or o > counting) then
      -- Their position does not exist any more.
      counting, pending = nil, {}
      disarm()
    end
    if not list then return end
    by_event[o] = nil
    local now = {}
    for _, edit in ipairs(list) do
      local kept = edit.steps == 0 and now or pending
      kept[#kept + 1] = edit
    end
    if #now > 0 then apply_here(now) end
    if #pending > 0 then
      counting, steps = o, 0
      arm()
    end
  end

  -- Takes over what is to be set, and where.
  function engine.take_edits(list)
    for _, edit in ipairs(list) do
      by_event[edit.ordinal] = by_event[edit.ordinal] or {}
      by_event[edit.ordinal][#by_event[edit.ordinal] + 1] = edit
    end
  end
end
