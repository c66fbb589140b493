local f = io.open(path, "w")
f:write("0x1F -7 .5 1e5 0x1p4 nan inf +3 1.5.6 99999999999999999999 1e 0x - 0x.8 5.")
f:write(" ", ("9"):rep(250))
f:close()
f = io.open(path)
while true do
  local at = f:seek()
  local number = f:read("n")
  print(at, number, math.type(number))
  if not number then
    local skipped = f:read(1)
    print("skipped", skipped)
    if not skipped then break end
  end
end
