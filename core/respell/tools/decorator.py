"""`@respell.tool`: a Python function that scripts can call."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, overload

from respell.errors import UsageError
from respell.tools.model import Tool, ToolContext, once, repeatable
from respell.tools.signature import Signature, signature_of

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__respell_tool__"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")

declared: dict[str, Tool] = {}
"""Tools of this process, by name."""

_functions: dict[str, Callable[..., Any]] = {}


@overload
def tool(fn: F) -> F: ...
@overload
def tool(
    fn: None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    idempotent: bool = False,
    category: str = "custom",
    tags: Sequence[str] = (),
    measured: Sequence[str] = (),
) -> Callable[[F], F]: ...
def tool(
    fn: F | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    idempotent: bool = False,
    category: str = "custom",
    tags: Sequence[str] = (),
    measured: Sequence[str] = (),
) -> F | Callable[[F], F]:
    """Make a function a tool that scripts of this process can call.

    Use it as `@tool` or `@tool(…)`. The function stays as it is. Parameters come from its
    type hints, their descriptions from the docstring's `Args:` section; one annotated with
    `ToolContext` gets the context and is not shown. A coroutine function is run to its end.

    Args:
        fn: The function.
        name: What scripts call it; the function's name by default.
        description: For people and models; the docstring's first paragraph by default.
        parameters: JSON Schema of an object, instead of the type hints. Values are then
            passed as they come.
        idempotent: Calling it twice is the same as once. A call that was interrupted is then
            simply made again; any other waits for a person to decide.
        category: Where it is listed.
        tags: To find it by.
        measured: Fields of its results, at any depth, that are measured times, such as
            `took_ms`: two sessions do not differ by them.

    Raises:
        UsageError: The name is taken or no name, or a parameter has no JSON form.
    """

    def decorate(function: F) -> F:
        made = make_tool(
            function,
            name=name,
            description=description,
            parameters=parameters,
            idempotent=idempotent,
            category=category,
            tags=tags,
            measured=measured,
        )
        _declare(made, function)
        return function

    return decorate if fn is None else decorate(fn)


def make_tool(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    idempotent: bool = False,
    category: str = "custom",
    tags: Sequence[str] = (),
    measured: Sequence[str] = (),
) -> Tool:
    """Return the tool of a function without making it known; arguments as for `tool`.

    Raises:
        UsageError: The name is none, or a parameter has no JSON form.
    """
    chosen = name if name is not None else str(getattr(function, "__name__", ""))
    if not _NAME.fullmatch(chosen):
        raise UsageError(
            f"{chosen!r} is no name for a tool: use a letter, then up to 63 letters, digits, "
            "underscores, dots or dashes"
        )
    signature = _explicit(function) if parameters is not None else signature_of(function)
    return Tool(
        name=chosen,
        description=description or signature.description,
        parameters=parameters if parameters is not None else signature.schema,
        perform=_performer(function, signature),
        decide=repeatable if idempotent else once,
        category=category,
        tags=tuple(tags),
        measured=tuple(measured),
    )


def tool_of(thing: object) -> Tool:
    """Return the tool that an entry point leads to: a `Tool`, or a function, decorated or not.

    Raises:
        UsageError: It is neither.
    """
    if isinstance(thing, Tool):
        return thing
    marked = getattr(thing, _MARK, None)
    if isinstance(marked, Tool):
        return marked
    if inspect.isroutine(thing):
        return make_tool(thing)
    raise UsageError(f"it is a {type(thing).__name__}; a tool is a function or a respell Tool")


def _declare(made: Tool, function: Callable[..., Any]) -> None:
    before = _functions.get(made.name)
    # The same function again is its module being reloaded, or a notebook cell.
    if before is not None and _whereabouts(before) != _whereabouts(function):
        raise UsageError(
            f"there is a tool {made.name!r} already, from {'.'.join(_whereabouts(before))}; "
            'choose another name with @tool(name="…")'
        )
    declared[made.name], _functions[made.name] = made, function
    setattr(function, _MARK, made)


def _whereabouts(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


def _explicit(function: Callable[..., Any]) -> Signature:
    """Return a signature that passes values on as they are."""
    context = None
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.annotation in (ToolContext, "ToolContext"):
            context = name
    summary = " ".join((inspect.getdoc(function) or "").split("\n\n", 1)[0].split())
    return Signature({}, summary, {}, context, ())


def _performer(
    function: Callable[..., Any], signature: Signature
) -> Callable[[dict[str, Any], ToolContext], Any]:
    def perform(params: dict[str, Any], ctx: ToolContext) -> Any:
        value = function(**signature.arguments(params, ctx))
        if not inspect.iscoroutine(value):
            return value
        import asyncio  # takes longer to import than most tools run

        return asyncio.run(value)

    return perform
