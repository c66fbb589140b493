-- Work that fails in the middle and goes on from what it kept, without doing anything twice.
--   respell run examples/replay/recover.lua
--   respell replay @last
-- A session that is killed needs none of this: `respell resume` goes on where it stood. This is
-- for failures that the script itself has to deal with.

local here = Session.getCurrent()
local STEPS = { "extract", "transform", "load" }
local done_by = {}

local function work(step, attempt)
  if step == "transform" and attempt == 1 then error("the disk is full", 0) end
  done_by[step] = (done_by[step] or 0) + 1
  return { step = step, rows = #step * 100 }
end

local function is_done(step) return #Artifact.list(here, { name = step .. ".json" }) > 0 end

local function run(attempt)
  for _, step in ipairs(STEPS) do
    if is_done(step) then
      print("  " .. step .. " was done before")
    else
      Artifact.store(here, step .. ".json", work(step, attempt), { tags = { "result" } })
      print("  " .. step .. " is done")
    end
  end
end

print("first attempt")
local ok, why = pcall(run, 1)
assert(not ok)
print("  failed: " .. why)
Utils.sleep(0.05)   -- somebody makes room
print("second attempt")
run(2)
for _, step in ipairs(STEPS) do assert(done_by[step] == 1, step) end
assert(#Artifact.list(here, { tags = { "result" } }) == 3)
