-- Asks a person before it does something, and waits for the answer as long as it takes.
--   respell run examples/approval.lua
--   respell resume @last --value '{"approved": true, "discount": 15}'

local customers = {
  { name = "Ada", orders = 12 },
  { name = "Grace", orders = 7 },
  { name = "Barbara", orders = 31 },
}

local chosen = {}
for _, customer in ipairs(customers) do
  if customer.orders > 10 then
    chosen[#chosen + 1] = customer.name
  end
end
print("would write to: " .. table.concat(chosen, ", "))

-- The process ends here. What comes next may run tomorrow, on a machine that was rebooted.
local answer = Session.suspend {
  prompt = ("send %d letters?"):format(#chosen),
  schema = {
    type = "object",
    properties = {
      approved = { type = "boolean" },
      discount = { type = "integer", minimum = 0, maximum = 50 },
    },
    required = { "approved" },
  },
}

if not answer.approved then
  print("nothing was sent")
  return
end

for _, name in ipairs(chosen) do
  local letter = ("Dear %s,\n\nhere are %d %% off.\n"):format(name, answer.discount or 5)
  Artifact.store(Session.getCurrent(), name:lower() .. ".txt", letter, { mime_type = "text/plain" })
  print("letter to " .. name .. " written")
end
