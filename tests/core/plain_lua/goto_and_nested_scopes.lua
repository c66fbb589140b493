for i = 1, 3 do
  for j = 1, 3 do if j == 2 then goto continue end print(i, j) ::continue:: end
end
do local x <const> = 5 print(x) end
print(load('local a <const> = 1; a = 2')) print(load('goto nowhere'))
