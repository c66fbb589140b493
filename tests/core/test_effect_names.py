"""One table of the effects that a host performs: whoever speaks of one is told of a wrong name."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from respell.effect import PERFORMED
from respell.engine import effects
from respell.errors import EffectFailed, UsageError
from respell.policies.limits import check_limits


def test_the_table_has_exactly_what_is_performed() -> None:
    for module in pkgutil.iter_modules(effects.__path__, f"{effects.__name__}."):
        importlib.import_module(module.name)
    performed = {
        name for name, one in effects._effects.items()
        if one.perform.__module__.startswith(effects.__name__)
    }  # fmt: skip
    assert performed == PERFORMED


@pytest.mark.parametrize("name", sorted(PERFORMED))
def test_each_is_found_by_its_name(name: str) -> None:
    assert effects.lookup(name).name == name


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(EffectFailed, match=r"no effect 'file\.opne'; the nearest is file\.open"):
        effects.lookup("file.opne")


def test_a_rate_of_no_effect_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no rate of 'tool\.invok'.*tool\.invoke"):
        check_limits({"rate": {"tool.invok": "5/min"}})
