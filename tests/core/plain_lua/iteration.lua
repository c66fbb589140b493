for i, v in ipairs(setmetatable({}, { __index = function(_, i) if i < 4 then return i * i end end })) do
  print(i, v)
end
for k, v in pairs(setmetatable({}, { __pairs = function(t)
  return function(_, k) k = (k or 0) + 1 if k < 3 then return k, k * 2 end end, t, nil
end })) do print(k, v) end
local t = { a = 1, b = 2, c = 3 } for k in pairs(t) do t[k] = nil end print(next(t))
t = { 10, 20, 30 } for k, v in pairs(t) do print(k, v) t[k] = nil end print(#t, next(t))
t = { 1, 2, 3 } for k, v in next, t do print(k, v) end
for k, v in next, { only = 1 } do print(k, v) end print(next({}), next({}, nil))
local f, s, c = pairs({ x = 1 }) print(type(f), type(s), c, f(s, c)) print(f(s, 'x'))
