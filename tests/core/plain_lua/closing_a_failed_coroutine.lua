local function body()
  local a <close> = setmetatable({}, { __close = function(_, e) print('closed', e) error('other') end })
  error('x')
end
print(pcall(coroutine.wrap(body)))
local co = coroutine.create(body)
print(coroutine.resume(co)) print(coroutine.close(co)) print(coroutine.status(co))
