-- Store artifacts with metadata
local artifact_id = Artifact.store(session.id, "analysis.json", {
    summary = "Market analysis complete",
    revenue = 1000000,
    growth = 0.15
}, {
    mime_type = "application/json",
    tags = {"quarterly", "finance"}
})

-- Retrieve artifacts
local artifact = Artifact.get(session.id, artifact_id)
local content = Artifact.getContent(session.id, artifact_id)

-- Query artifacts
local artifacts = Artifact.list(session.id, {
    artifact_type = "UserInput",
    tags = {"finance"}
})

-- Store files directly
local file_id = Artifact.storeFile(session.id, "/path/to/report.pdf", {
    description = "Q4 financial report"
})
