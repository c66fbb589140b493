for line in io.lines(path) do print(#line, line) end
for line in io.lines(path, "L") do print(#line, line) end
for three, rest in io.lines(path, 3, "l") do print(three, rest) end
for number in io.lines(path, "n") do print(number) end
local iterator = io.lines(path)
print(iterator()) print(iterator()) print(iterator()) print(iterator())
print(pcall(iterator))
print(pcall(function() iterator() end))
print(select("#", io.lines(path)), select("#", io.open(path):lines()))
local wrong = io.lines(path, "x")
print(pcall(function() wrong() end))
print(pcall(io.lines, "/nowhere/file")) print(pcall(function() io.lines("/nowhere/file") end))
local f = io.open(path, "w")
f:write("a\0b\nc\r\nd\n\n\ne") f:close()
for line in io.lines(path) do print(#line, (line:gsub("%c", "?"))) end
f = io.open(path)
print(f:read("L", "L", "L", "L", "L", "L", "L"))
f:close()
print(pcall(f.lines, f))
