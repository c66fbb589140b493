local s = '\0\255\200a\n'
print(#s, s:byte(1, -1)) print(s == '\0\255\200a\n', ('%s'):format(s) == s, #(s .. s))
print(string.pack('<i4', 7):byte(1, -1)) print(string.unpack('<i4', '\1\0\0\0'))
print(('a\0b'):find('b'), ('a\0b'):rep(2, '\0'):byte(1, -1))
print(utf8.char(228, 8364):byte(1, -1)) print(utf8.len('\xff'), utf8.len('äö'))
for p, c in utf8.codes('aä') do print(p, c) end
