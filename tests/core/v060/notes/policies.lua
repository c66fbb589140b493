-- Add timeout policy
local session = Session.create({
    name = "limited_session",
    max_duration = 600,  -- 10 minutes
    max_idle_time = 120  -- 2 minute idle timeout
})
