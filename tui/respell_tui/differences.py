"""How two sessions differ, for people."""

from __future__ import annotations

from respell import values
from respell.history.diff import Difference, Pair
from respell_tui.describe import arguments, ending
from respell_tui.output import Out
from respell_tui.text import fit, one_line

_SAME_QUESTION_COLUMNS = 40
_SAME_ANSWER_COLUMNS = 60
_LONG_CHARS = 600  # of arguments and outcome
_MOST_DETAILS = 8  # of one changed event


def show_difference(out: Out, found: Difference, a: str, b: str) -> None:
    """Say where two sessions part, and what is different from there."""
    if found.identical:
        out.line(out.paint("identical", "green"), ": events, output, artifacts and state")
        _say_what_is_incidental(out, found)
        return
    out.line(out.paint(f"--- {a}", "red"))
    out.line(out.paint(f"+++ {b}", "green"))
    if found.events:
        out.line(out.paint("events from the first divergence on", "bold"))
        for pair_ in found.events:
            _show_pair(out, pair_)
        if found.truncated:
            out.line("  … more events follow")
    if found.output:
        out.line(out.paint("output", "bold"))
        for line in found.output[2:]:
            show_side(out, line[:1], line[1:])
    sections = (
        ("program", found.program), ("artifacts", found.artifacts), ("state", found.state)
    )  # fmt: skip
    for title, both in sections:
        if both:
            out.line(out.paint(title, "bold"))
        for name, (left, right) in both.items():
            for sign, value in (("-", left), ("+", right)):
                if value is not None:
                    shown = value if title == "artifacts" else values.json_line(value)
                    show_side(out, sign, f"{name} = {shown}")
    _say_what_is_incidental(out, found)


def _say_what_is_incidental(out: Out, found: Difference) -> None:
    if found.incidental:
        number = found.incidental
        out.line(
            f"not counted: {number} that differ{'s' * (number == 1)} in measured times or the "
            "sessions' own ids alone; --exact shows it"
        )


def _show_pair(out: Out, both: Pair) -> None:
    sides = [("-", both.a), ("+", both.b)] if both.change != "same" else [(" ", both.a)]
    # What both asked for tells which they are, and must not push their difference off the line.
    same_question = both.a is not None and both.b is not None and both.a.args == both.b.args
    for sign, event in sides:
        if event is not None:
            asked, ended = arguments(event), ending(event)
            if both.change in ("changed", "same") and same_question:
                asked = fit(asked, _SAME_QUESTION_COLUMNS)
            if both.change == "same":
                ended = fit(one_line(ended), _SAME_ANSWER_COLUMNS)
            parts = [f"{event.number:>6}", event.name, asked, ended]
            show_side(out, sign, "  ".join(part for part in parts if part))
    for one in both.details()[:_MOST_DETAILS] if _is_long(both) else ():
        if one.path not in ("args", "outcome", "error"):
            show_side(out, " ", f"          {one.describe()}")


def _is_long(both: Pair) -> bool:
    """Whether what differs is hard to find in the lines of a changed pair."""
    sides = [one for one in (both.a, both.b) if one is not None]
    if both.change != "changed" or sides[0].kind == "output":
        return False
    return any(len(values.json_line([one.args, one.outcome])) > _LONG_CHARS for one in sides)


def show_side(out: Out, sign: str, text: str) -> None:
    """Write a line of one side: `-`, `+`, or a space for both."""
    style = {"-": ("red",), "+": ("green",)}.get(sign, ())
    line = one_line(sign + text)
    columns = out.columns()
    out.line(out.paint(line if columns is None else fit(line, columns), *style))
