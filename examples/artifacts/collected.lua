-- What tools return and agents answer is kept as artifacts by itself; files are streamed in.
--   respell run examples/artifacts/collected.lua
--   respell artifacts list @last --tag auto-collected

local here = Session.getCurrent()
Tool.invoke("hash_calculator", { operation = "hash", input = "hello" })
Agent.create { name = "poet", model = "mock/echo" }:execute("Roses are red")

local kept = Artifact.list(here, { tags = { "auto-collected" }, sort = "name" })
for _, one in ipairs(kept) do print(one.artifact_type, one.name:match("^%a+_?%a+")) end
assert(#kept == 2)

local path = os.tmpname()
local file = assert(io.open(path, "w"))
file:write("line 1\nline 2\n")
file:close()
local id = Artifact.storeFile(here, path, { tags = { "from-file" }, description = "two lines" })
os.remove(path)
print(Artifact.get(here, id).metadata.description, #Artifact.getContent(here, id))

-- Another session may not read it, unless it is granted.
local guest = Session.create { name = "guest" }
assert(not pcall(Artifact.getContent, guest, id))
Artifact.grant(here, id, guest, "read")
assert(Artifact.getContent(guest, id) == "line 1\nline 2\n")
Artifact.revoke(here, id, guest)
assert(not pcall(Artifact.getContent, guest, id))
print("the guest has read it, and can't any more")
