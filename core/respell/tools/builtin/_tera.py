"""The Tera language, by Jinja: what differs between them is made as in Tera here."""

from __future__ import annotations

import html
from datetime import UTC, datetime

from jinja2 import Template, nodes, pass_context
from jinja2.exceptions import TemplateError, TemplateSyntaxError
from jinja2.runtime import LoopContext, Macro, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from respell.errors import RespellError, UsageError
from respell.tools.builtin._rendering import joined, shown
from respell.tools.builtin._tera_filters import FILTERS, TESTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_RANGE = 1_000_000

_OTHER_FILES = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
}


def render(template: str, context: dict[str, Any]) -> str:
    """Return what a template renders.

    Args:
        template: Its text.
        context: Its variables.

    Raises:
        UsageError: The template is wrong, or needs what the context does not have.
    """
    compiled = _compiled(template)
    try:
        return joined(compiled.generate(_tables(context)))
    except (RespellError, MemoryError):
        raise
    except TemplateError as error:
        raise _failed(error.message or type(error).__name__) from None
    except RecursionError:
        raise _failed("it nests too deep") from None
    except Exception as error:  # noqa: BLE001 - filters and operators on values that don't fit
        raise _failed(str(error) or type(error).__name__) from None


def _failed(reason: str) -> UsageError:
    return UsageError(f"Template rendering failed: {reason[:1000]}")


def _compiled(template: str) -> Template:
    try:
        tree = _environment.parse(template)
        for kind, name in _OTHER_FILES.items():
            if tree.find(kind) is not None:
                raise UsageError(f"Invalid Tera template: {name} needs another template; none is")
        return _environment.from_string(tree)
    except TemplateSyntaxError as error:
        raise UsageError(
            f"Invalid Tera template: {(error.message or '')[:1000]} (line {error.lineno})"
        ) from None
    except (RecursionError, SyntaxError):
        raise UsageError("Invalid Tera template: it nests too deep") from None


class _Table(dict):  # type: ignore[type-arg]
    """An object, which Tera walks by key and value: `{% for key, value in table %}`."""

    def __iter__(self) -> Any:
        return iter(self.items())


def _tables(value: Any) -> Any:
    match value:
        case dict():
            return _Table((key, _tables(item)) for key, item in value.items())
        case list():
            return [_tables(item) for item in value]
    return value


class _Missing(StrictUndefined):
    """A variable that is not there: false in a condition, an error anywhere else."""

    def __bool__(self) -> bool:  # type: ignore[override]
        return False

    @property
    def _undefined_message(self) -> str:
        return f"the variable {self._undefined_name} is not in the context"


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja in which values have fields and items, and nothing that Python gives them."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext | Macro):
            return super().getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, dict) and isinstance(argument, str) and argument in obj:
            return obj[argument]
        if isinstance(obj, list | str) and isinstance(argument, int | slice):
            try:
                return obj[argument]
            except IndexError:
                return self.undefined(name=f"at index {argument}")
        before = f"{obj._undefined_name}." if isinstance(obj, Undefined) else ""
        return self.undefined(name=f"{before}{argument}")


@pass_context  # so that it is not called ahead for constants, which are escaped otherwise
def _finalized(context: Any, value: Any) -> Any:
    if isinstance(value, Markup | Undefined):
        return value
    return Markup(html.escape(shown(value)).replace("/", "&#x2F;"))


def _range(end: int, start: int = 0, step_by: int = 1) -> list[int]:
    numbers = range(start, end, step_by)
    if len(numbers) > MAX_RANGE:
        raise UsageError(f"range gives {len(numbers)} numbers; at most {MAX_RANGE} are allowed")
    return list(numbers)


def _throw(message: str) -> None:
    raise UsageError(f"Template rendering failed: {message}")


def _now(timestamp: bool = False, utc: bool = False) -> Any:
    moment = datetime.now(UTC)
    if timestamp:
        return int(moment.timestamp())
    return (moment if utc else moment.astimezone()).isoformat()


def _new_environment() -> _Environment:
    environment = _Environment(
        autoescape=True,
        undefined=_Missing,
        finalize=_finalized,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.loopcontrols"],
    )
    environment.globals = {"range": _range, "throw": _throw, "now": _now}
    environment.filters.update(FILTERS)
    environment.tests.update(TESTS)
    del environment.filters["attr"]  # what Python gives values stays out of reach
    return environment


_environment = _new_environment()
