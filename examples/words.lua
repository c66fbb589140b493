-- Reads files line by line and keeps what it found in State and in an artifact.
--   respell run examples/words.lua -- README.md CHANGELOG.md

local counts = {}
for _, path in ipairs(args) do
  for line in io.lines(path) do
    for word in line:gmatch("%a+") do
      word = word:lower()
      counts[word] = (counts[word] or 0) + 1
    end
  end
end

local words = {}
for word in pairs(counts) do
  words[#words + 1] = word
end
table.sort(words, function(a, b)
  if counts[a] ~= counts[b] then return counts[a] > counts[b] end
  return a < b
end)

for i = 1, math.min(5, #words) do
  print(("%5d  %s"):format(counts[words[i]], words[i]))
end
State.set("words", #words)
Artifact.store(Session.getCurrent(), "counts.json", counts, { mime_type = "application/json" })
