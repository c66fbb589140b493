local function closing(name)
  return setmetatable({}, { __close = function(_, e) print('closed ' .. name, e) end })
end
do local a <close> = closing('a') local b <close> = closing('b') print('inside') end
print(pcall(function() local a <close> = closing('c') error('boom') end))
print(pcall(function() local a <close> = closing('d') string.format('%d', 'x') end))
for i in (function() return nil end), nil, nil, closing('iterator') do end
print(pcall(function() local f <close> = 1 end))
local co = coroutine.create(function() local a <close> = closing('e') coroutine.yield(1) end)
print(coroutine.resume(co)) print(coroutine.close(co), coroutine.status(co))
