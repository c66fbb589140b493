"""Lua source, read into a tree that knows which variable each name means.

It is for asking where a value came from; what runs is compiled by Lua alone.
"""

from respell.debug.lua_source.parser import parse
from respell.debug.lua_source.tree import Source

__all__ = ["Source", "parse"]
