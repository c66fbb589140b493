"""What holds for all tests: the same examples every time, and nothing left for another test.

`make explore` has hypothesis draw examples that no run has seen before.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from respell.hooks import declared
from respell.tools import decorator

_EVERYWHERE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, **_EVERYWHERE)
settings.register_profile("explore", print_blob=True, **_EVERYWHERE)
settings.load_profile("same")

# Shells have their background jobs ignore Ctrl-C, `nohup` has them ignore that the terminal is
# gone, and what tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _tools_of_one_test() -> Iterator[None]:
    """Take back what a test declares with `@respell.tool`: it is known in the whole process."""
    declared, functions = dict(decorator.declared), dict(decorator._functions)
    yield
    decorator.declared.clear()
    decorator.declared.update(declared)
    decorator._functions.clear()
    decorator._functions.update(functions)


@pytest.fixture(autouse=True)
def _hooks_of_one_test() -> Iterator[None]:
    """Take back what a test registers in this process, and what it switches off."""
    before = declared.list()
    yield
    declared.enable()
    for one in declared.list():
        if one not in before:
            declared.unregister(one)
