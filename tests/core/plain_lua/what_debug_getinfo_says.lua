local function f(a, b, ...) local i = debug.getinfo(1, 'nSlut') return i end
local i = f() print(i.name, i.namewhat, i.short_src, i.source, i.currentline, i.what, i.nparams,
  i.isvararg, i.linedefined, i.lastlinedefined, i.istailcall)
i = debug.getinfo(f) print(i.what, i.source, i.nparams, i.isvararg, i.nups, i.linedefined, i.func == f)
i = debug.getinfo(math.floor) print(i.what, i.source, i.short_src, i.currentline, i.linedefined, i.func == math.floor)
local co = coroutine.wrap(function()
  pcall(function()
    for level = 0, 9 do
      local i = debug.getinfo(level, 'Sl')
      print(level, i and i.what, i and i.short_src, i and i.currentline)
    end
  end)
end)
co() print(debug.getinfo(1, 'l').currentline, debug.getinfo(99), debug.getinfo(-1))
print(next(debug.getinfo(1, 'L').activelines) ~= nil)
co = coroutine.create(function() coroutine.yield() end) coroutine.resume(co)
print(debug.getinfo(co, 0, 'S').what, debug.getinfo(co, 1, 'l').currentline, debug.getinfo(co, 2))
