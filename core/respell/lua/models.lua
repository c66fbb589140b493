-- Requests to models as effects: answered in one, or read along while the answer comes.
--
-- A stream is the request (`agent.request`, begun and ended like a span) with `agent.chunks`
-- inside of it: each waits for the next pieces. They are recorded as they came, so that a
-- re-execution gives the callback the same ones. The request's outcome has all pieces again,
-- for where the process ended in between.

return function(engine)
  local raw = engine.raw
  local type, error, ipairs = raw.type, raw.error, raw.ipairs
  local format, concat, tointeger = raw.string.format, raw.table.concat, raw.math.tointeger
  local min = raw.math.min

  local CALLBACK = "the callback of a stream must be over at once: it"

  local last_stream = 0

  -- A person may have given the outcome, in any form.
  local function checked(answer)
    if type(answer) == "string" then answer = { text = answer } end
    if type(answer) ~= "table" or type(answer.text) ~= "string" then
      error(format("%sthe outcome of an agent's request must be a string or {text = …}, not %s", engine.where(),
        type(answer) == "table" and "a table without text" or answer == nil and "nil" or "a " .. type(answer)), 0)
    end
    local calls = {}
    for i, call in ipairs(type(answer.tool_calls) == "table" and answer.tool_calls or {}) do
      if type(call) ~= "table" or type(call.name) ~= "string" then
        error(format("%stool call %d of the outcome has no name", engine.where(), i), 0)
      end
      calls[i] = {
        id = type(call.id) == "string" and call.id or format("call_%d", i), name = call.name,
        arguments = call.arguments,
      }
    end
    local usage = type(answer.usage) == "table" and answer.usage or {}
    return {
      text = answer.text, tool_calls = calls, model = answer.model, finish_reason = answer.finish_reason,
      input_tokens = tointeger(usage.input_tokens) or 0,
      output_tokens = tointeger(usage.output_tokens) or 0,
      cost_usd = type(answer.cost_usd) == "number" and answer.cost_usd or nil,
    }
  end

  -- Hands out what is in the outcome and was not heard: the process had ended in between.
  -- An outcome that a person gave is heard whole.
  local function hand_out_rest(answer, heard, hear)
    local whole = checked(answer).text
    if concat(heard) == whole then return end
    local chunks = type(answer) == "table" and answer.chunks
    if type(chunks) == "table" and concat(chunks) == whole
      and concat(chunks, "", 1, min(#heard, #chunks)) == concat(heard) then
      for i = #heard + 1, #chunks do hear(chunks[i]) end
    else
      hear(whole, #heard > 0)
    end
  end

  local function next_batch(args)
    local batch = engine.call("agent.chunks", args)
    local fits = type(batch) == "table" and type(batch.chunks) == "table"
    for _, text in ipairs(fits and batch.chunks or {}) do fits = fits and type(text) == "string" end
    if not fits then
      error(format("%sthe outcome of agent.chunks must be {chunks = {texts}, done = …}", engine.where()), 0)
    end
    return batch
  end

  -- One request, with `deliver(text, info)` called for each piece of the answer. Returns the
  -- outcome, and the text as far as it was heard where `deliver` wanted no more: how far the
  -- model had come by then is in the outcome.
  local function streamed(args, deliver)
    args.stream = true
    last_stream = last_stream + 1
    local number = last_stream
    local kept
    local outcome = engine.span("agent.request", args, function(o)
      engine.begin_inside(o, "agent.request", args)
      local heard, stop, failed, failure = {}, false, false, nil

      local function hear(text, again)
        if stop then return end
        if again then heard = {} end
        heard[#heard + 1] = text
        local info = { index = #heard, restarted = again or false }
        local ok, result = engine.guard(CALLBACK, deliver, text, info)
        if not ok then failed, failure = true, result end
        stop = not ok or result == false
        if stop then kept = concat(heard) end
      end

      local batch, told
      repeat
        -- Said once: the request ends early, and what has come so far is its answer.
        local say_stop = stop and not told or nil
        told = told or say_stop
        batch = next_batch({ stream = number, stop = say_stop })
        for i, text in ipairs(batch.chunks) do hear(text, i == 1 and batch.restarted) end
      until batch.done
      local ok, answer, bytes = engine.pcall(engine.outcome_inside, o)
      if failed then error(failure, 0) end
      if not ok then error(answer, 0) end
      if not stop then hand_out_rest(answer, heard, hear) end
      if failed then error(failure, 0) end
      return answer, bytes
    end)
    return outcome, kept
  end

  -- Asks a model; with `deliver(text, info)` for each piece of the answer as it comes.
  function engine.ask_model(args, deliver)
    if not deliver then return checked(engine.call("agent.request", args)) end
    local outcome, kept = streamed(args, deliver)
    local answer = checked(outcome)
    if kept then answer.text, answer.tool_calls, answer.finish_reason = kept, {}, "stopped" end
    return answer
  end
end
