-- Answers to effects that the script has caused and perhaps not yet waited for.

return function(engine)
  local move = engine.raw.table.move

  local completed = {}       -- ordinal -> {status, outcome}
  local arrivals, arrived = {}, 0   -- ordinals in the order of their answers, not yet taken
  local unwanted = {}        -- ordinals whose answers nobody waits for any more

  local answers = { completed = completed }
  engine.answers = answers

  -- Puts an answer in line, unless nobody waits for it any more.
  function answers.arrive(o, status, outcome)
    if unwanted[o] then
      unwanted[o] = nil
      return
    end
    completed[o] = { status, outcome }
    arrived = arrived + 1
    arrivals[arrived] = o
  end

  -- Takes the first answer in line that `wanted` (ordinal -> anything) has a place for.
  local function take(wanted)
    for i = 1, arrived do
      local o = arrivals[i]
      if wanted[o] then
        move(arrivals, i + 1, arrived + 1, i)
        arrived = arrived - 1
        return o
      end
    end
  end

  answers.take = take

  -- How many are in line.
  function answers.in_line() return arrived end

  -- Waits for this one no more, whether it has come or will.
  function answers.forget(o)
    if completed[o] then
      completed[o] = nil
      take({ [o] = true })
    else
      unwanted[o] = true
    end
  end
end
