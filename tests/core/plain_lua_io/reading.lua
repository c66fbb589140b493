-- The file: "hello\nworld\n12 0x1F -3.5e2 abc", no newline at its end.
local f = io.open(path)
print(f:read("l", "n", "l"))
print(f:seek("end", 5), f:read("a"), f:read("l"))
f:seek("set")
print(f:read("l", "l", "l"))
print(f:read("l"), f:read("a"), f:read(0), f:read(5))
f:seek("set", 12)
print(f:read("n", "n", "n", "n"))
print(f:read("a"), f:read("a"), f:read("n"))
f:seek("set")
print(f:read(0, 3, 0, 100))
print(f:seek("set", 2), f:seek("cur"), f:seek("cur", -1), f:read(1), f:seek("end"), f:seek("end", -1))
print(f:seek("set", -5))
print(f:seek("set", 100), f:read(1), f:read("a"))
f:seek("set")
print(f:read("*l", "*L", "*n"))
for line in f:lines() do print("rest", line) break end
print(f:write("not for writing"))
print(f:flush(), f:setvbuf("no"), f:close())
print(f, io.type(f), pcall(f.read, f))
print(pcall(f.close, f))
do
  local closing <close> = io.open(path)
  f = closing
  print(io.type(f))
end
print(io.type(f))
