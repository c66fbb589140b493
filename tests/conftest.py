"""What holds for all tests: none leaves tools behind that another one would find."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from respell.tools import decorator


@pytest.fixture(autouse=True)
def _tools_of_one_test() -> Iterator[None]:
    """Take back what a test declares with `@respell.tool`: it is known in the whole process."""
    declared, functions = dict(decorator.declared), dict(decorator._functions)
    yield
    decorator.declared.clear()
    decorator.declared.update(declared)
    decorator._functions.clear()
    decorator._functions.update(functions)
