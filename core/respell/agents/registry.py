"""All providers of this process: built in, registered, and of installed packages."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

from respell.agents.protocol import Provider, ProviderContext, Request, Response
from respell.errors import EffectFailed, UsageError

ENTRY_POINTS = "respell.providers"

_MARK = "__respell_provider__"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_BUILTIN = {"mock": "respell.agents.mock"}

F = TypeVar("F", bound=Callable[..., Any])

_registered: dict[str, Provider] = {}


def register(name: str, made: Provider) -> None:
    """Add a provider to this process.

    Args:
        name: What comes before the slash of `provider/model`.
        made: The provider.

    Raises:
        UsageError: The name is none, or another provider has it.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a provider: use a lower-case letter, then up to 63 "
            "lower-case letters, digits, underscores or dashes"
        )
    if name in _BUILTIN or name in _registered:
        raise UsageError(f"there is a provider {name!r} already; choose another name")
    _registered[name] = made


def unregister(name: str) -> None:
    """Take a registered provider away again; nothing happens where there is none."""
    _registered.pop(name, None)


def provider(name: str, *, idempotent: bool = False) -> Callable[[F], F]:
    """Make a function a provider: `@provider("acme")`. The function stays as it is.

    It takes a `Request` and a `ProviderContext`. It returns the answer, as text or as a
    `Response`; or it is a generator, yields pieces of text and, if it likes, a `Response` at
    the end.

    Args:
        name: What comes before the slash of `provider/model`.
        idempotent: Asking twice is the same as once, so that a request that was interrupted
            is simply made again.

    Raises:
        UsageError: The name is none, or another provider has it.
    """

    def decorate(function: F) -> F:
        made = FunctionProvider(function, idempotent=idempotent)
        register(name, made)
        setattr(function, _MARK, made)
        return function

    return decorate


class FunctionProvider(Provider):
    """A function as a provider; see `provider`."""

    def __init__(self, function: Callable[..., Any], *, idempotent: bool = False) -> None:
        self._function = function
        self._idempotent = idempotent

    def complete(self, request: Request, ctx: ProviderContext) -> Response:
        """Call the function; pieces are put together."""
        pieces: list[str] = []
        for piece in self.stream(request, ctx):
            if isinstance(piece, Response):
                return replace(piece, text=piece.text or "".join(pieces))
            pieces.append(piece)
        return Response("".join(pieces))

    def stream(self, request: Request, ctx: ProviderContext) -> Iterator[str | Response]:
        """Call the function and yield what it does."""
        answer = self._function(request, ctx)
        if inspect.isgenerator(answer):
            yield from answer
            return
        if isinstance(answer, Response):
            yield answer.text
        yield answer

    def is_idempotent(self, request: Request) -> bool:
        """Return what the decorator was told."""
        return self._idempotent


def find(name: str) -> Provider:
    """Return a provider.

    Raises:
        EffectFailed: There is none, or its package can't load it; says what to do.
    """
    if name in _BUILTIN:
        return _builtin(name)
    if name in _registered:
        return _registered[name]
    if name in _installed():
        return _from_package(name)
    near = difflib.get_close_matches(name, names(), n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    raise EffectFailed(
        f"there is no provider {name!r}{hint} There are {', '.join(names())}. Others come with "
        f"packages that have an entry point in the group {ENTRY_POINTS}, or from Python with "
        f'@respell.agents.provider("{name}")'
    )


def names() -> list[str]:
    """Return the names of all providers, sorted."""
    return sorted({*_BUILTIN, *_registered, *_installed()})


@cache
def _builtin(name: str) -> Provider:
    made: Provider = importlib.import_module(_BUILTIN[name]).PROVIDER
    return made


@cache
def _installed() -> Mapping[str, Any]:
    """Return the entry points of installed packages, by the name of their provider."""
    from importlib.metadata import entry_points  # reads all installed packages' metadata

    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


@cache
def _from_package(name: str) -> Provider:
    point = _installed()[name]
    package = point.dist.name if point.dist else point.value
    try:
        loaded = point.load()
        return _provider_of(loaded)
    except Exception as error:  # importing a package may raise anything
        raise EffectFailed(
            f"the provider {name!r} of the package {package} can't be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error


def _provider_of(thing: Any) -> Provider:
    """Return the provider that an entry point leads to: one, its class, or a function."""
    thing = getattr(thing, _MARK, thing)
    if inspect.isclass(thing):
        thing = thing()
    if callable(getattr(thing, "complete", None)):
        made: Provider = thing
        return made
    if inspect.isroutine(thing):
        return FunctionProvider(thing)
    raise UsageError(f"it is a {type(thing).__name__}; a provider has a method complete")
