local mt = { __add = function() return 'add' end, __len = function() return 7 end,
  __call = function(self, ...) return select('#', ...) end, __eq = function() return true end,
  __lt = function() return true end, __le = function() return false end,
  __concat = function() return 'cc' end, __unm = function() return 'neg' end,
  __idiv = function() return 'idiv' end, __index = function(_, k) return k .. '?' end }
local a, b = setmetatable({}, mt), setmetatable({}, mt)
print(a + b, a(1, nil), #a, a == b, a < b, a <= b, a .. 'x', -a, a // 1, a.key)
local log = setmetatable({}, { __newindex = function(t, k, v) rawset(t, k, v) print('set', k) end })
log.x = 1 log.x = 2 print(rawlen({ 1, 2 }), rawlen('abc'), rawequal('a', 'a'), rawget(log, 'x'))
print(tostring(setmetatable({}, { __name = 'My' })):match('^My: 0x') ~= nil)
local locked = setmetatable({}, { __metatable = 'locked' })
print(getmetatable(locked), pcall(setmetatable, locked, {}))
print(getmetatable('').__index == string, ('x'):upper())
local v = setmetatable({}, { __tostring = function() return 'V!' end })
print(v, ('%s'):format(v), ('%10s|'):format(v), ('%-4s|%s'):format(v, v))
print(pcall(tostring, setmetatable({}, { __tostring = function() return {} end })))
print(tostring(setmetatable({}, { __tostring = function() return 5 end })))
