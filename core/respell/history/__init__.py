"""Histories: their records, how events are read from them, and how two are compared."""
