local function depth(n) if n == 0 then return 0 end return 1 + depth(n - 1) end
print(depth(100000))
local function forever() return 1 + forever() end
local ok, e = pcall(forever) print(ok, #e < 200, e:match('stack overflow'))
local n = 0 local function rec() n = n + 1 return pcall(rec) end print(rec()) print(n)
n = 0 local function rec() n = n + 1 return (('x'):gsub('x', rec)) end print(pcall(rec)) print(n)
n = 0 local function rec() n = n + 1 coroutine.wrap(rec)() end
ok, e = pcall(rec) print(ok, n, e:sub(-16))
local function tail(n) if n == 0 then return 'end' end return tail(n - 1) end print(tail(1000000))
local t = {} for i = 1, 200 do t = setmetatable({}, { __index = t }) end print(t.x)
