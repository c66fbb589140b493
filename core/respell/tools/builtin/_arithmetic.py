"""What the operators and functions of expressions calculate, in IEEE 754 floats.

Nothing fails here: what has no value is NaN, and what is too large is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "NaN": math.nan}


@dataclass(frozen=True, slots=True)
class Function:
    """A function of numbers.

    Attributes:
        compute: Takes the arguments.
        least: Fewest arguments.
        most: Most arguments.
    """

    compute: Callable[..., float]
    least: int = 1
    most: int = 1

    @property
    def arguments(self) -> str:
        """How many arguments it takes, in words."""
        if self.most == 0:
            return "no argument"
        if self.least == self.most:
            return "one argument" if self.most == 1 else f"{self.most} arguments"
        return f"{self.least} to {self.most} arguments" if self.most < _MANY else "one or more"


_MANY = 1000


def _quiet(compute: Callable[[float], float]) -> Callable[[float], float]:
    def quiet(x: float) -> float:
        try:
            return compute(x)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    return quiet


def _odd(compute: Callable[[float], float]) -> Callable[[float], float]:
    """Wrap a function that has f(-x) = -f(x)."""
    quiet = _quiet(compute)
    return lambda x: math.copysign(quiet(abs(x)), x)


def _divided(a: float, b: float) -> float:
    if b:
        return a / b
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _remainder(a: float, b: float) -> float:
    try:
        return math.fmod(a, b)
    except ValueError:
        return math.nan


def _power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        return math.inf if a == 0 else math.nan


def _log(*arguments: float) -> float:
    """log(x) to base 10, or log(base, x)."""
    if len(arguments) == 1:
        return _logarithm(math.log10, arguments[0])
    base, x = arguments
    if base in (2, 10):
        return _logarithm(math.log2 if base == 2 else math.log10, x)
    return _divided(_logarithm(math.log, x), _logarithm(math.log, base))


def _logarithm(compute: Callable[[float], float], x: float) -> float:
    return -math.inf if x == 0 else _quiet(compute)(x)


def _whole(compute: Callable[[float], int]) -> Callable[[float], float]:
    """Wrap a function that makes integers, which infinities and NaN have none of."""
    return lambda x: math.copysign(float(compute(x)), x) if math.isfinite(x) else x


def _rounded(x: float) -> float:
    """Round half away from zero."""
    whole = math.trunc(x)
    return whole + math.copysign(1.0, x) if abs(x - whole) >= 0.5 else float(whole)


def _round(*arguments: float) -> float:
    """round(x), or round(modulus, x): to the nearest multiple."""
    nearest = _whole(_rounded)  # type: ignore[arg-type]
    if len(arguments) == 1:
        return nearest(arguments[0])
    modulus, x = arguments
    return nearest(_divided(x, modulus)) * modulus


def _sign(x: float) -> float:
    return math.copysign(1.0, x) if x else x


def _least(*arguments: float) -> float:
    return min((x for x in arguments if x == x), default=math.nan)


def _largest(*arguments: float) -> float:
    return max((x for x in arguments if x == x), default=math.nan)


def _atanh(x: float) -> float:
    return math.copysign(math.inf, x) if abs(x) == 1 else _quiet(math.atanh)(x)


COMPARISONS: dict[str, Callable[[float, float], float]] = {
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "<": lambda a, b: float(a < b),
    "<=": lambda a, b: float(a <= b),
    ">": lambda a, b: float(a > b),
    ">=": lambda a, b: float(a >= b),
}

BINARY: dict[str, Callable[[float, float], float]] = {
    **COMPARISONS,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "%": _remainder,
    "^": _power,
}

FUNCTIONS: dict[str, Function] = {
    "sqrt": Function(_quiet(math.sqrt)),
    "exp": Function(_quiet(math.exp)),
    "ln": Function(lambda x: _logarithm(math.log, x)),
    "log": Function(_log, 1, 2),
    "abs": Function(abs),
    "sign": Function(_sign),
    "min": Function(_least, 1, _MANY),
    "max": Function(_largest, 1, _MANY),
    "int": Function(_whole(math.trunc)),
    "ceil": Function(_whole(math.ceil)),
    "floor": Function(_whole(math.floor)),
    "round": Function(_round, 1, 2),
    "sin": Function(_quiet(math.sin)),
    "cos": Function(_quiet(math.cos)),
    "tan": Function(_quiet(math.tan)),
    "asin": Function(_quiet(math.asin)),
    "acos": Function(_quiet(math.acos)),
    "atan": Function(math.atan),
    "sinh": Function(_odd(math.sinh)),
    "cosh": Function(_quiet(math.cosh)),
    "tanh": Function(math.tanh),
    "asinh": Function(math.asinh),
    "acosh": Function(_quiet(math.acosh)),
    "atanh": Function(_atanh),
    "e": Function(lambda: math.e, 0, 0),
    "pi": Function(lambda: math.pi, 0, 0),
    "print": Function(lambda *arguments: arguments[-1], 1, _MANY),
}
