-- Artifacts: text, tables and bytes by name, with versions, queries and a check of every byte.
--   respell run examples/artifacts/versions.lua
--   respell artifacts list @last

local here = Session.getCurrent()

local first = Artifact.store(here, "plan.json", { city = "Oslo", days = 2 }, {
  tags = { "trip" }, description = "where to go", author = "ada",
})
Artifact.store(here, "plan.json", { city = "Oslo", days = 3 }, { tags = { "trip" } })
for _, version in ipairs(Artifact.versions(here, "plan.json")) do
  print(("plan.json version %d, %d bytes, %s"):format(version.version, version.size, version.content_hash:sub(1, 8)))
end
-- A table comes back as a table, from any version.
assert(Artifact.getContent(here, first).days == 2)
assert(Artifact.get(here, first).metadata.custom.author == "ada")

-- Any bytes, and a lot of them: what is large and compresses well is compressed.
local bytes = string.char(0, 1, 2, 255)
assert(Artifact.getContent(here, Artifact.store(here, "raw.bin", bytes)) == bytes)
local long = Artifact.store(here, "long.txt", ("the same again and again\n"):rep(2000))
local metadata = Artifact.get(here, long).metadata
print(("long.txt: %d bytes kept in %d"):format(metadata.original_size, metadata.stored_size))
assert(metadata.is_compressed)

-- Made from another; the same content under another name takes no more room.
local short = Artifact.derive(here, long, "short.txt", "the same again")
assert(Artifact.get(here, short).metadata.parent_artifact)
local twin = Artifact.store(here, "twin.txt", "the same again")
assert(twin.content_hash == short.content_hash and twin.id ~= short.id)

-- Found again, newest first.
for _, one in ipairs(Artifact.list(here, { tags = { "trip" } })) do print("trip: " .. one.name, one.version) end
assert(#Artifact.query { session_id = here, name_pattern = "T.TXT" } == 1)
assert(#Artifact.query { session_id = here, min_size = 10000 } == 1)
assert(Artifact.verify(here, long))

Artifact.delete(here, twin)
assert(not pcall(Artifact.get, here, twin))
assert(Artifact.getContent(here, short) == "the same again")   -- its twin had the same bytes
print("all of it is whole")
