-- Create session with auto-suspend
local session = Session.create({name = "task"})
Session.setCurrent(session.id)

-- Artifacts automatically associated
local agent = Agent.create({model = "gpt-4"})
local result = agent:execute({prompt = "Analyze data"})
-- Result automatically collected as artifact
