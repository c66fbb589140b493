-- A report about files that a person has to approve: the built-in example of `respell demo`.
--
-- Each call that leaves Lua (a tool, the clock, state, an artifact, the question) is recorded
-- with its outcome. Between two of them the process may die at any instant: a resume runs
-- this script from its first line, takes the recorded outcomes, and goes on where it stood.

Tool.register("line_counter", {
  description = "Counts the lines and words of a text",
  parameters = {
    type = "object",
    properties = { text = { type = "string" } },
    required = { "text" },
  },
}, function(params)
  local _, lines = params.text:gsub("\n", "")
  local _, words = params.text:gsub("%S+", "")
  return { lines = lines, words = words }
end)

local function describe(path)
  local text = Tool.invoke("file_operations", { operation = "read", path = path }).text
  local hash = Tool.invoke("hash_calculator", { operation = "hash", algorithm = "blake3", input = text })
  local counted = Tool.invoke("line_counter", { text = text }).result
  return { path = path, hash = hash.result.hash:sub(1, 12), lines = counted.lines, words = counted.words }
end

local files, lines = {}, 0
print(("reading %d files"):format(#args))
for i, path in ipairs(args) do
  files[i] = describe(path)
  lines = lines + files[i].lines
  State.set("files_read", i)
  print(("  %s  %6d lines  %s"):format(files[i].hash, files[i].lines, path))
end

local report = { "# Files", "", "| file | lines | words | blake3 |", "| --- | ---: | ---: | --- |" }
for _, file in ipairs(files) do
  report[#report + 1] = ("| %s | %d | %d | %s |"):format(file.path, file.lines, file.words, file.hash)
end
local draft = table.concat(report, "\n") .. "\n"
Artifact.store(Session.getCurrent(), "report.md", draft, { mime_type = "text/markdown", tags = { "draft" } })

local answer = Session.suspend {
  prompt = ("publish the report about %d files, %d lines?"):format(#files, lines),
  schema = {
    type = "object",
    properties = { approved = { type = "boolean" }, by = { type = "string" } },
    required = { "approved" },
  },
}

if not answer.approved then
  print("not published")
  return
end

local final = draft .. ("\nApproved by %s on %s.\n"):format(answer.by or "somebody", os.date("!%Y-%m-%d"))
local id = Artifact.store(Session.getCurrent(), "report.md", final, {
  mime_type = "text/markdown", tags = { "published" }, description = "approved by " .. (answer.by or "somebody"),
})
print(("published: report.md, version %d, %d bytes"):format(
  #Artifact.versions(Session.getCurrent(), "report.md"), #final))
print("as artifact " .. id)
