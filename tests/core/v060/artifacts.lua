-- Artifacts as scripts of v0.6.0 keep them: type, name and content, one after the other.

local folder = args[2]
local session_id = Session.create({ name = "papers" })

local function hex(s)
    return (s:gsub(".", function(c) return string.format("%02X", c:byte()) end))
end

-- 1. Text, JSON and bytes
local text_id = Artifact.store(session_id, "user_input", "notes.txt", "To be or not to be", {
    mime_type = "text/plain", tags = { "draft", "play" }, author = "will", reviewed = false,
})
assert(#text_id.content_hash == 64 and text_id.session_id == session_id and text_id.sequence == 1)
print("stored " .. text_id.content_hash:sub(1, 8))

local json_id = Artifact.store(session_id, "tool_result", "data.json", JSON.stringify({ rows = 3 }), {
    mime_type = "application/json",
})
local bytes = string.char(0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0x00, 0xFF)
local bytes_id = Artifact.store(session_id, "agent_output", "picture.png", bytes, { mime_type = "image/png" })

-- 2. Back again
local got = Artifact.get(session_id, text_id)
assert(got.content == "To be or not to be")
assert(got.metadata.name == "notes.txt" and got.metadata.artifact_type == "UserInput")
assert(got.metadata.mime_type == "text/plain" and got.metadata.size == 18)
assert(got.metadata.custom.author == "will" and got.metadata.custom.reviewed == false)
assert(got.metadata.version == 1 and got.metadata.is_compressed == false)
assert(JSON.parse(Artifact.get(session_id, json_id).content).rows == 3)
assert(hex(Artifact.get(session_id, bytes_id).content) == hex(bytes))

-- 3. Lists are flat, with an id to get each by
local list = Artifact.list(session_id)
assert(#list == 3)
local total = 0
for _, artifact in ipairs(list) do
    assert(type(artifact.name) == "string" and type(artifact.artifact_type) == "string")
    assert(artifact.created_at:match("T(%d%d):"))
    total = total + artifact.size
end
assert(total == 18 + 10 + 10, total)

Session.setCurrent(session_id)
assert(#Artifact.list("") == 3)
Session.setCurrent(nil)

-- 4. Queries
assert(#Artifact.query({ session_id = session_id, type = "user_input" }) == 1)
assert(#Artifact.query({ session_id = session_id, name_pattern = "NOTES" }) == 1)
assert(#Artifact.query({ session_id = session_id, tags = { "draft", "play" } }) == 1)
assert(#Artifact.query({ session_id = session_id, min_size = 11 }) == 1)
assert(#Artifact.query({ session_id = session_id, max_size = 10, limit = 1 }) == 1)
assert(#Artifact.query({ session_id = session_id, created_after = "2000-01-01T00:00:00Z" }) == 3)

-- 5. Large content really is compressed
local long = string.rep("All work and no play makes Jack a dull boy. ", 820)
local long_id = Artifact.store(session_id, "system_generated", "long.txt", long, {})
local stored = Artifact.get(session_id, long_id)
assert(stored.content == long)
assert(stored.metadata.is_compressed == true and stored.metadata.original_size == #long)

-- 6. Versions of a name; equal content under other names
local second = Artifact.store(session_id, "user_input", "notes.txt", "That is the question", {})
assert(Artifact.get(session_id, second).metadata.version == 2)
assert(Artifact.get(session_id, second).metadata.previous_hash == text_id.content_hash)
local twin = Artifact.store(session_id, "user_input", "copy.txt", "To be or not to be", {})
assert(twin.content_hash == text_id.content_hash)
assert(Artifact.get(session_id, twin).metadata.name == "copy.txt")
assert(Artifact.get(session_id, text_id).metadata.name == "notes.txt")

-- 7. Files
local path = folder .. "/report.txt"
local file = io.open(path, "w")
file:write("line 1\nline 2\n")
file:close()
local file_id = Artifact.storeFile(session_id, path, "user_input", { description = "a report" })
local from_file = Artifact.get(session_id, file_id)
assert(from_file.metadata.name == "report.txt" and from_file.content == "line 1\nline 2\n")
assert(from_file.metadata.description == "a report")
os.remove(path)

-- 8. Deleting
Artifact.delete(session_id, json_id)
assert(not pcall(Artifact.get, session_id, json_id))
assert(not pcall(Artifact.delete, session_id, json_id))

-- 9. What goes wrong
local ok, err = pcall(Artifact.store, session_id, "", "x.txt", "x", {})
assert(not ok and tostring(err):find("type"))
ok = pcall(Artifact.get, session_id, { content_hash = string.rep("0", 64), session_id = session_id, sequence = 9 })
assert(not ok)
Session.suspend(session_id)
ok, err = pcall(Artifact.store, session_id, "user_input", "late.txt", "x", {})
assert(not ok and tostring(err):find("suspended"))
Session.resume(session_id)
Session.complete(session_id)

print("artifacts: all good")
