-- Waits durably: Ctrl-C it, resume it, and it waits only for what is left.
--   respell run examples/countdown.lua -- 5
--   respell resume --due          (resumes every session whose time has come)

local from = tonumber(args[1]) or 3
for n = from, 1, -1 do
  print(n)
  Utils.sleep(1)
end
print("now")
