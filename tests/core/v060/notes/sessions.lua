-- Create and manage sessions
local session = Session.create({
    name = "research_session",
    max_duration = 3600,  -- 1 hour
    tags = {"research", "analysis"}
})

-- Suspend and resume sessions
Session.suspend(session.id)
-- ... later ...
Session.resume(session.id)

-- Save and restore sessions
Session.save(session.id)
local restored = Session.load(session.id)

-- Get current session context
Session.setCurrent(session.id)
local current = Session.getCurrent()
