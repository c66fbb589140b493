"""Templates; runs in a process of its own, see `respell.tools.confinement`."""

from __future__ import annotations

from contextlib import suppress

from respell.errors import UsageError
from respell.tools.builtin._handlebars import render as render_handlebars
from respell.tools.builtin._json_text import loaded
from respell.tools.builtin._tera import render as render_tera

_ENGINES = {"tera": render_tera, "handlebars": render_handlebars}


_WARM_UP = (
    "{{ a }} {{ 'é' }}",
    "{{ b }}",
    "{{ }}",
    "{% if a %}{{ a | upper | slugify }}{% endif %}{{ [1] | sort | json_encode }}",
    "{{ now() | date }}",
    "{{ a | nope }}",
    "{{ 1 / 0 }}",
)


def warm_up() -> None:
    """Run once, errors too, so that nothing is left to be imported."""
    for engine in _ENGINES:
        for template in _WARM_UP:
            with suppress(UsageError):
                render({"engine": engine, "template": template, "context": '{"a": "b"}'})


def render(payload: dict[str, str]) -> str:
    """Return what a template renders.

    Args:
        payload: engine, template, and context: a JSON object.

    Raises:
        UsageError: The template is wrong, or needs what the context does not have.
    """
    return _ENGINES[payload["engine"]](payload["template"], loaded(payload["context"]))
