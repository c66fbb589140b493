"""The engine: one loop for run, resume, replay and fork (see docs/architecture.md)."""
