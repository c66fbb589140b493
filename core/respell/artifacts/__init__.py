"""Artifacts: named, versioned, content-addressed bytes with metadata."""
