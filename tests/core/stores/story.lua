-- One of each kind of thing a store can hold.
local child = Session.create{name = "notes", tags = {"kept"}, metadata = {of = "story"}}
State.set("count", 1)
State.set("global", "greeting", "hello")
local id = Artifact.store(nil, "report.md", "# Report\n", {tags = {"draft", "text"}, description = "The first Draft", author = "Ada"})
Artifact.store(nil, "report.md", "# Report\n\nfinal\n", {tags = {"final"}, description = "Größe"})
Artifact.store(nil, "table.json", {a = 1, b = {2.5, "x"}}, {type = "ToolResult"})
Artifact.store(nil, "copy.md", "# Report\n", {})
local gone = Artifact.store(nil, "gone.txt", "to be deleted")
Artifact.delete(nil, gone)
Artifact.store(child, "note.txt", "a note", {tags = {"draft"}})
Artifact.storeFile(nil, "lines.txt", {tags = {"file"}})
Artifact.storeFile(nil, "noise.bin", {tags = {"file"}})
Artifact.storeFile(nil, "large.bin", {tags = {"file", "large"}})
local f = io.open("out.txt", "w"); f:write("written\n"); f:close()
print(Tool.invoke("hash_calculator", {operation = "hash", input = "abc"}).result.hash)
print("random", math.random(1000), os.time() > 0)
local answer = Session.suspend{prompt = "go on?", schema = {type = "boolean"}}
print("answer", answer, #Artifact.list(), State.get("count"))
State.set("count", 2)
for line in io.lines("lines.txt") do print(line) break end
Session.suspend()
print("end")
