"""Agents: the models that scripts talk to, and the providers that reach them."""

from __future__ import annotations

from respell.agents.protocol import (
    Message,
    Provider,
    ProviderContext,
    Request,
    Response,
    ToolCall,
    ToolDefinition,
    Usage,
)
from respell.agents.registry import provider, register

__all__ = [
    "Message",
    "Provider",
    "ProviderContext",
    "Request",
    "Response",
    "ToolCall",
    "ToolDefinition",
    "Usage",
    "provider",
    "register",
]
