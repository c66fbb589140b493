"""The health of a store and the space it takes: what is wrong, and what nothing refers to."""
