"""The parts of a check, each of which knows one kind of thing in a store."""
