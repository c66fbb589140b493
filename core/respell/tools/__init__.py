"""Tools: what scripts call by name, built in or written in Python."""

from __future__ import annotations

from respell.tools.decorator import make_tool, tool
from respell.tools.model import Tool, ToolContext
from respell.tools.registry import ToolRegistry
from respell.tools.result import ToolResult

__all__ = ["Tool", "ToolContext", "ToolRegistry", "ToolResult", "make_tool", "tool"]
