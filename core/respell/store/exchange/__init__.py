"""A session as one file: what is in it, how it is written, and how it arrives elsewhere."""
