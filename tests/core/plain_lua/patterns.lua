print(string.find('hello world', 'o w'), string.find('a.b', '.', 1, true))
print(('x=1, y=2'):gsub('(%w+)=(%w+)', '%2=%1'))
print(('abc'):gsub('%w', { a = 1, b = true, c = false }))
print(('abc'):gsub('', '-')) print(('hello'):match('(h)(.)(.*)'))
for k, v in ('a=1,b=2'):gmatch('(%w)=(%w)') do print(k, v) end
print(pcall(string.gsub, 'x', 'x', '%2')) print(pcall(string.find, 'x', '['))
print(('x'):rep(3, '-'), ('x'):rep(0), ('x'):rep(-1), ('').rep('', 1000000000) == '')
