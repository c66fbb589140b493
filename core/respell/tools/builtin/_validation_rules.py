"""The rules of data_validation: taken apart once, then checked against values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from respell import values
from respell.errors import UsageError
from respell.tools.builtin._time_formats import (
    FORMATS,
    NAMED_FORMATS,
    has_reader,
    read_as,
    read_time,
)
from respell.tools.builtin._validation_values import (
    CUSTOM,
    TYPES,
    abridged,
    bytes_of,
    is_email,
    is_url,
    items_of,
    key_of,
    type_names,
)
from respell.tools.linear_patterns import LinearPattern
from respell.tools.model import ToolContext
from respell.tools.parameters import chosen, shortened

MAX_ERRORS = 100
_MAX_DEPTH = 50

Problems = Iterable[str]
Check = Callable[["Report", Any, str], Problems]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        shown: The rule as text, for errors.
        check: Takes report, value and field; returns what is wrong with the value itself, and
            reports what is wrong within it.
    """

    shown: str
    check: Check


class Report:
    """What is wrong with a value, and where.

    Args:
        ctx: Of the call; a long check looks whether it was cancelled.

    Attributes:
        errors: `{field, value, rule, message}` each, at most `MAX_ERRORS`.
    """

    def __init__(self, ctx: ToolContext) -> None:
        self._ctx = ctx
        self.errors: list[dict[str, Any]] = []

    def check(self, rules: list[Rule], value: Any, field: str) -> None:
        """Check a value against all rules; `field` says where it stands."""
        self._ctx.check_cancelled()
        for rule in rules:
            for problem in rule.check(self, value, field):
                if self.is_full():
                    return
                self.errors.append(
                    {
                        "field": field,
                        "value": abridged(value),
                        "rule": rule.shown,
                        "message": f"Validation error: {problem}",
                    }
                )

    def is_full(self) -> bool:
        """Return whether no more errors are wanted."""
        return len(self.errors) >= MAX_ERRORS


def compiled(rules: Any, where: str, depth: int = 0) -> list[Rule]:
    """Return rules ready to be checked.

    Args:
        rules: `{rules = {…}}`, or the list itself.
        where: Where they stand, for errors.
        depth: How many lists of rules they stand in.

    Raises:
        UsageError: They are wrong; says which and why.
    """
    if depth > _MAX_DEPTH:
        raise UsageError(f"{where:.200} nests deeper than {_MAX_DEPTH} levels")
    if isinstance(rules, dict) and set(rules) == {"rules"}:
        rules, where = rules["rules"], f"{where}.rules"
    if rules == {}:
        rules = []
    if not isinstance(rules, list):
        raise UsageError(f"{where} must be {{rules = {{…}}}}, a list of rules")
    return [_rule(rule, f"{where}[{i}]", depth) for i, rule in enumerate(rules, 1)]


# Taking rules apart -------------------------------------------------------------------------


class _Fields:
    """The fields of one rule, each taken with its type."""

    def __init__(self, rule: dict[str, Any], where: str) -> None:
        self.rule = rule
        self.where = where

    def only(self, *names: str) -> None:
        """Refuse any other field."""
        for name in self.rule:
            if name != "type":
                chosen("field", str(name), ("type", *names), where=self.where)

    def number(self, name: str) -> float | int | None:
        value = self.rule.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise UsageError(f"{self.where}.{name} must be a number")
        return value

    def count(self, name: str) -> int | None:
        value = self.number(name)
        if value is not None and not (value >= 0 and float(value).is_integer()):
            raise UsageError(f"{self.where}.{name} must be a whole number from 0 on")
        return None if value is None else int(value)

    def flag(self, name: str, otherwise: bool) -> bool:
        value = self.rule.get(name, otherwise)
        if not isinstance(value, bool):
            raise UsageError(f"{self.where}.{name} must be true or false")
        return value

    def text(self, name: str, otherwise: str | None = None) -> str:
        value = self.rule.get(name, otherwise)
        if not isinstance(value, str):
            raise UsageError(f"{self.where}.{name} must be a string")
        return value

    def array(self, name: str) -> list[Any]:
        value = self.rule.get(name)
        value = [] if value is None or value == {} else value
        if not isinstance(value, list):
            raise UsageError(f"{self.where}.{name} must be an array")
        return value


def _rule(rule: Any, where: str, depth: int) -> Rule:
    if not isinstance(rule, dict) or not isinstance(rule.get("type"), str):
        raise UsageError(f"{where} must be a table with a type")
    make = _MAKERS[chosen("rule type", rule["type"], _MAKERS, where=where)]
    return make(_Fields(rule, where), depth)


def _required(fields: _Fields, depth: int) -> Rule:
    fields.only()

    def check(report: Report, value: Any, field: str) -> Problems:
        return [f"{field} is required"] if value is None or value == "" else []

    return Rule("Required", check)


def _type(fields: _Fields, depth: int) -> Rule:
    fields.only("expected")
    expected = chosen("type", fields.text("expected"), TYPES, where=fields.where)

    def check(report: Report, value: Any, field: str) -> Problems:
        found = type_names(value)
        return [] if expected in found else [f"Expected type '{expected}', got '{found[0]}'"]

    return Rule(f'Type {{ expected: "{expected}" }}', check)


def _length(fields: _Fields, depth: int) -> Rule:
    fields.only("min", "max")
    least, most = fields.count("min"), fields.count("max")

    def check(report: Report, value: Any, field: str) -> Problems:
        if isinstance(value, str | bytes):
            return _beyond(len(bytes_of(value)), least, most, "Length must be {} {}")
        items = items_of(value)
        return [] if items is None else _beyond(len(items), least, most, _ITEMS)

    return Rule(f"Length {{ min: {_option(least)}, max: {_option(most)} }}", check)


def _range(fields: _Fields, depth: int) -> Rule:
    fields.only("min", "max")
    least, most = fields.number("min"), fields.number("max")

    def check(report: Report, value: Any, field: str) -> Problems:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return []
        if value != value:
            return ["Value must be a number, not NaN"]
        return _beyond(value, least, most, "Value must be {} {}")

    return Rule(f"Range {{ min: {_option(least)}, max: {_option(most)} }}", check)


def _pattern(fields: _Fields, depth: int) -> Rule:
    fields.only("regex")
    regex = fields.text("regex")
    pattern = LinearPattern(f"{fields.where}.regex", regex)

    def check(report: Report, value: Any, field: str) -> Problems:
        if not isinstance(value, str | bytes) or pattern.found_in(bytes_of(value)):
            return []
        return [f"Value does not match pattern: {shortened(regex)}"]

    return Rule(f"Pattern {{ regex: {json.dumps(shortened(regex))} }}", check)


def _enum(fields: _Fields, depth: int) -> Rule:
    fields.only("values")
    allowed = fields.array("values")
    keys = {key_of(value) for value in allowed}
    listed = shortened(values.json_line(allowed))

    def check(report: Report, value: Any, field: str) -> Problems:
        return [] if key_of(value) in keys else [f"Value must be one of: {listed}"]

    return Rule(f"Enum {{ values: {listed} }}", check)


def _email(fields: _Fields, depth: int) -> Rule:
    fields.only()
    return _of_strings("Email", is_email, "Invalid email format")


def _url(fields: _Fields, depth: int) -> Rule:
    fields.only()
    return _of_strings("Url", is_url, "Invalid URL format")


def _date(fields: _Fields, depth: int) -> Rule:
    fields.only("format")
    given = fields.text("format", "")
    pattern = NAMED_FORMATS.get(given.lower(), given)
    if given and not has_reader(pattern):
        raise UsageError(
            f"{fields.where}.format: dates can't be read as {shortened(given)!r}; use each of the "
            f"signs %Y %m %d %H %M %S %.f %z %b %a once at most, as in {FORMATS[4]}"
        )

    def is_date(text: str) -> bool:
        if given:
            return read_as(text, pattern) is not None
        try:
            read_time("input", text)
        except UsageError:
            return False
        return True

    expected = shortened(given) or "any known format"
    shown = f"Date {{ format: {json.dumps(shortened(given))} }}"
    return _of_strings(shown, is_date, f"Invalid date format. Expected: {expected}")


def _custom(fields: _Fields, depth: int) -> Rule:
    fields.only("name")
    name = chosen("custom rule", fields.text("name"), CUSTOM, where=fields.where)
    is_valid, problem = CUSTOM[name]

    def check(report: Report, value: Any, field: str) -> Problems:
        if not isinstance(value, str):
            return ["Value must be a string"]
        return [] if is_valid(value) else [problem]

    return Rule(f'Custom {{ name: "{name}" }}', check)


def _array(fields: _Fields, depth: int) -> Rule:
    fields.only("min_items", "max_items", "unique", "item_rules")
    least, most = fields.count("min_items"), fields.count("max_items")
    unique = fields.flag("unique", otherwise=False)
    rules = fields.rule.get("item_rules")
    item_rules = [] if rules is None else compiled(rules, f"{fields.where}.item_rules", depth + 1)

    def check(report: Report, value: Any, field: str) -> Problems:
        items = items_of(value)
        if items is None:
            return
        yield from _beyond(len(items), least, most, _ITEMS)
        if unique and len({key_of(item) for item in items}) < len(items):
            yield "Array items must be unique"
        for i, item in enumerate(items):
            if report.is_full():
                return
            report.check(item_rules, item, f"{field}[{i}]")

    return Rule("Array", check)


def _object(fields: _Fields, depth: int) -> Rule:
    fields.only("properties", "required", "additional_properties")
    given = fields.rule.get("properties") or {}
    if not isinstance(given, dict):
        raise UsageError(f"{fields.where}.properties must be a table of rules by name")
    properties = {
        str(name): compiled(rules, f"{fields.where}.properties.{name}", depth + 1)
        for name, rules in given.items()
    }
    required = [str(name) for name in fields.array("required")]
    others = fields.flag("additional_properties", otherwise=True)

    def check(report: Report, value: Any, field: str) -> Problems:
        if not isinstance(value, dict):
            return
        found = {str(name): item for name, item in value.items()}
        for name in required:
            if name not in found:
                yield f"Missing required field: {shortened(name)}"
        if not others:
            for name in sorted(found.keys() - properties.keys()):
                yield f"Additional property not allowed: {shortened(name)}"
        for name, rules in properties.items():
            if name in found and not report.is_full():
                report.check(rules, found[name], f"{field}.{name}")

    return Rule("Object", check)


_MAKERS: dict[str, Callable[[_Fields, int], Rule]] = {
    "required": _required,
    "type": _type,
    "length": _length,
    "range": _range,
    "pattern": _pattern,
    "enum": _enum,
    "email": _email,
    "url": _url,
    "date": _date,
    "custom": _custom,
    "array": _array,
    "object": _object,
}


# What rules share ---------------------------------------------------------------------------

_ITEMS = "Array must have {} {} items"


def _of_strings(shown: str, is_valid: Callable[[str], bool], problem: str) -> Rule:
    """Return a rule that other values than strings pass."""

    def check(report: Report, value: Any, field: str) -> Problems:
        if isinstance(value, bytes):
            return [problem]
        return [problem] if isinstance(value, str) and not is_valid(value) else []

    return Rule(shown, check)


def _beyond(value: float, least: float | None, most: float | None, sentence: str) -> Problems:
    if least is not None and value < least:
        return [sentence.format("at least", _written(least))]
    if most is not None and value > most:
        return [sentence.format("at most", _written(most))]
    return []


def _written(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else repr(number)


def _option(value: float | None) -> str:
    return "None" if value is None else f"Some({value})"
