-- The smallest session: arguments, an input, output.
--   respell run examples/hello.lua -- Ada Grace
--   respell run examples/hello.lua --input '{"greeting": "Moin"}' -- Ada

local greeting = input and input.greeting or "Hello"
local names = #args > 0 and args or { "world" }
for _, name in ipairs(names) do
  print(("%s, %s!"):format(greeting, name))
end
