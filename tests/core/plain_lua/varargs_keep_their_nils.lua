local function va(...) local a, b = ... return select('#', ...), a, b, ... end
print(va()) print(va(nil, nil)) print((va(1, 2, 3)))
print(select('#', pcall(function() end)), select('#', pcall(function() return nil, nil end)))
print(select(-1, 1, 2, 3), select(2, 'a', 'b', 'c'), select('#')) print(pcall(select, 0))
print(table.unpack({ 1, nil, 3 }, 1, 3)) print(table.pack(nil, nil).n)
print(select('#', coroutine.resume(coroutine.create(function() return 1, nil, 3, nil end))))
print(select('#', xpcall(function() return nil, 1, nil end, print)))
