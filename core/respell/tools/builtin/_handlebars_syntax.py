"""The Handlebars language: from text to a tree."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from respell.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAX_NESTING = 50


@dataclass(slots=True)
class Text:
    """What stands between the tags."""

    text: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, a number, true, false or null."""

    value: Any


@dataclass(frozen=True, slots=True)
class Path:
    """What a name stands for.

    Attributes:
        written: As it is in the template.
        up: How many contexts to leave (`../`).
        data: It is one of the engine's own (`@index`).
        here: It begins with `this` or `.`, so it is no block parameter.
        parts: The fields to follow; none for the context itself.
    """

    written: str
    up: int
    data: bool
    here: bool
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A helper with its arguments, or a path alone."""

    target: Path | Literal
    arguments: tuple[Node, ...] = ()
    named: tuple[tuple[str, Node], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether there are no arguments."""
        return not self.arguments and not self.named


Node = Literal | Path | Call


@dataclass(frozen=True, slots=True)
class Value:
    """`{{…}}`, or `{{{…}}}`, which is not escaped."""

    call: Call
    escaped: bool
    line: int


@dataclass(slots=True)
class Block:
    """`{{#name …}}…{{else}}…{{/name}}`."""

    call: Call
    line: int
    names: tuple[str, ...] = ()
    body: list[Piece] = field(default_factory=list)
    otherwise: list[Piece] | None = None


Piece = Text | Value | Block

# The kinds of tag, by what follows the braces.
_TAG = re.compile(
    r"(?P<escape>\\)?(?:"
    r"(?P<comment>\{\{~?!--.*?--~?\}\}|\{\{~?!.*?\}\})"
    r"|\{\{\{(?P<raw>.*?)\}\}\}"
    r"|\{\{~?(?P<kind>[#/^>&]?)(?P<inside>(?:\"[^\"]*\"|'[^']*'|\[[^\]]*\]|[^\"'\[{}])*?)~?\}\}"
    r")",
    re.S,
)
_TOKEN = re.compile(
    r"\s+"
    r"|(?P<string>\"[^\"]*\"|'[^']*')"
    r"|(?P<number>-?\d+(?:\.\d+)?(?=[\s)]|$))"
    r"|(?P<bracket>[()|])"
    r"|(?P<key>[^\s!\"#%&'()*+,./;<=>@\[\\\]^`{|}~]+)="
    r"|(?P<path>(?:\.\./)*@?(?:(?:\.\./)*(?:\[[^\]]*\]|\.\.?|[^\s!\"#%&'()*+,./;<=>@\[\\\]^`{|}~]+)[./]?)+)",
    re.S,
)
_PART = re.compile(r"\[([^\]]*)\]|([^./\[\]]+)")
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}


def parse(template: str) -> list[Piece]:
    """Return the tree of a template.

    Raises:
        UsageError: It is wrong; says what and where.
    """
    return _Parser(template).whole()


@dataclass(slots=True)
class _Tag:
    """One tag."""

    kind: str  # what follows the braces; & also for three of them
    inside: str
    line: int


class _Parser:
    """Reads tags from the left; blocks that are open are on a stack."""

    def __init__(self, template: str) -> None:
        self._template = template
        self._root: list[Piece] = []
        self._open: list[tuple[str, Block, bool]] = []  # name, block, whether `else` opened it
        self._here = self._root

    def whole(self) -> list[Piece]:
        for piece in _pieces(self._template):
            if isinstance(piece, Text):
                if piece.text:
                    self._here.append(piece)
            else:
                self._take(piece)
        if self._open:
            name, block, _ = self._open[-1]
            raise _wrong(f"{{{{#{name}}}}} is never closed", block.line)
        return self._root

    def _take(self, tag: _Tag) -> None:
        words = tag.inside.strip()
        if tag.kind == "!":
            return
        if tag.kind == ">":
            raise _wrong(f"there is no partial {words[:100]}; there are none at all", tag.line)
        if tag.kind == "#":
            self._begin(words, tag.line)
        elif tag.kind == "/":
            self._end(words, tag.line)
        elif tag.kind == "^" and words:
            self._begin_inverse(words, tag.line)
        elif tag.kind == "^" or words == "else":
            self._else(tag.line)
        elif not tag.kind and words.startswith("else "):
            self._else(tag.line)
            self._begin(words.removeprefix("else").strip(), tag.line, by_else=True)
        else:
            call, _ = _call(words, tag.line)
            self._here.append(Value(call, tag.kind != "&", tag.line))

    def _begin(self, words: str, line: int, *, by_else: bool = False) -> Block:
        call, names = _call(words, line)
        if not isinstance(call.target, Path):
            raise _wrong(f"a block begins with a name, not with {words[:100]!r}", line)
        if len(self._open) >= MAX_NESTING:
            raise _wrong(f"blocks nest deeper than {MAX_NESTING} levels", line)
        block = Block(call, line, names)
        self._here.append(block)
        self._open.append((call.target.written, block, by_else))
        self._here = block.body
        return block

    def _begin_inverse(self, words: str, line: int) -> None:
        """`{{^name}}…{{/name}}` is what stands where there is nothing."""
        call, _ = _call(words, line)
        target = Path("unless", 0, data=False, here=False, parts=("unless",))
        block = Block(Call(target, (call.target if call.is_plain else call,)), line)
        self._here.append(block)
        self._open.append((words, block, False))
        self._here = block.body

    def _else(self, line: int) -> None:
        if not self._open:
            raise _wrong("{{else}} stands outside of any block", line)
        _, block, _ = self._open[-1]
        if block.otherwise is not None:
            raise _wrong("a block has two {{else}}", line)
        block.otherwise = self._here = []

    def _end(self, name: str, line: int) -> None:
        while self._open and self._open[-1][2]:  # those that `else` opened end with the block
            self._open.pop()
        if not self._open or self._open[-1][0] != name:
            wanted = f"; {{{{/{self._open[-1][0]}}}}} should come" if self._open else ""
            raise _wrong(f"{{{{/{name[:100]}}}}} closes what is not open{wanted}", line)
        self._open.pop()
        if not self._open:
            self._here = self._root
            return
        block = self._open[-1][1]
        self._here = block.body if block.otherwise is None else block.otherwise


# Tags ---------------------------------------------------------------------------------------


def _pieces(template: str) -> Iterator[Text | _Tag]:
    """Return texts and tags in turn, beginning and ending with a text."""
    found = list(_scanned(template))
    for at in range(1, len(found), 2):
        before, (tag, left, right), after = found[at - 1 : at + 2]
        if left:
            before.text = before.text.rstrip()
        if right:
            after.text = after.text.lstrip()
        if tag.kind in ("#", "/", "^", "!") or tag.inside.strip().partition(" ")[0] == "else":
            _take_line(before, after, first=at == 1, last=at == len(found) - 2)
    for one in found:
        yield one if isinstance(one, Text) else one[0]


def _take_line(before: Text, after: Text, *, first: bool, last: bool) -> None:
    """Leave the line out that a tag has for itself."""
    start = before.text.rstrip(" \t")
    rest = after.text.lstrip(" \t")
    begins = start.endswith("\n") or (first and not start)
    if begins and (rest.startswith(("\n", "\r\n")) or (last and not rest)):
        before.text = start
        after.text = rest.partition("\n")[2]


def _scanned(template: str) -> Iterator[Any]:
    """Return texts and tags in turn; a tag with whether it takes the space beside it."""
    at, line, text = 0, 1, ""
    for found in _TAG.finditer(template):
        written = found.group()
        before = template[at : found.start()]
        line = _next_line(line, before)
        text += before
        at = found.end()
        if found["escape"]:  # \{{ means the braces themselves
            text += written[1:]
        else:
            yield Text(text)
            text = ""
            yield _tag(found, line), written.startswith("{{~"), written.endswith("~}}")
        line += written.count("\n")
    _next_line(line, template[at:])
    yield Text(text + template[at:])


def _next_line(line: int, text: str) -> int:
    """Return the line in which a text ends that has no tag."""
    before, braces, _ = text.partition("{{")
    if braces:
        raise _wrong(
            "a tag is not complete, or its braces are not closed", line + before.count("\n")
        )
    return line + text.count("\n")


def _tag(found: re.Match[str], line: int) -> _Tag:
    if found["comment"] is not None:
        return _Tag("!", "", line)
    if found["raw"] is not None:
        return _Tag("&", found["raw"], line)
    return _Tag(found["kind"], found["inside"], line)


# Inside of a tag ----------------------------------------------------------------------------


def _call(words: str, line: int) -> tuple[Call, tuple[str, ...]]:
    """Return what a tag calls, and the names that it gives (`as |item index|`)."""
    tokens = list(_tokens(words, line))
    names: tuple[str, ...] = ()
    if ("bracket", "|") in tokens:
        at = tokens.index(("bracket", "|"))
        if tokens[at - 1 : at] != [("path", "as")] or tokens[-1] != ("bracket", "|"):
            raise _wrong(f"names are given as |a b| at the end: {words[:100]!r}", line)
        names = tuple(text for _, text in tokens[at + 1 : -1])
        tokens = tokens[: at - 1]
    call = _Arguments(tokens, words, line).whole()
    return call, names


def _tokens(words: str, line: int) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(words):
        found = _TOKEN.match(words, at)
        if found is None:
            raise _wrong(f"{words[at : at + 100]!r} makes no sense in {words[:100]!r}", line)
        if found.lastgroup is not None:
            yield found.lastgroup, found[found.lastgroup]
        at = found.end()


class _Arguments:
    def __init__(self, tokens: list[tuple[str, str]], words: str, line: int) -> None:
        self._tokens, self._words, self._line = tokens, words, line
        self._next = 0
        self._depth = 0

    def whole(self) -> Call:
        call = self._call()
        if self._next < len(self._tokens):
            raise self._odd()
        return call

    def _call(self) -> Call:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise _wrong(f"parentheses nest deeper than {MAX_NESTING} levels", self._line)
        target = self._one()
        if isinstance(target, Call):
            raise self._odd()
        arguments: list[Node] = []
        named: list[tuple[str, Node]] = []
        while self._next < len(self._tokens) and self._tokens[self._next] != ("bracket", ")"):
            kind, text = self._tokens[self._next]
            if kind == "key":
                self._next += 1
                named.append((text, self._one()))
            else:
                arguments.append(self._one())
        self._depth -= 1
        return Call(target, tuple(arguments), tuple(named))

    def _one(self) -> Node:
        if self._next >= len(self._tokens):
            raise self._odd()
        kind, text = self._tokens[self._next]
        self._next += 1
        if kind == "string":
            return Literal(text[1:-1])
        if kind == "number":
            return Literal(float(text) if "." in text else int(text))
        if kind == "path":
            return Literal(_WORDS[text]) if text in _WORDS else _path(text)
        if (kind, text) == ("bracket", "("):
            call = self._call()
            if self._tokens[self._next : self._next + 1] != [("bracket", ")")]:
                raise self._odd()
            self._next += 1
            return call
        raise self._odd()

    def _odd(self) -> UsageError:
        what = f"{{{{{self._words[:100]}}}}}"
        return _wrong(f"{what} is not complete, or has a parenthesis too many", self._line)


def _path(written: str) -> Path:
    rest, up = written, 0
    data = rest.startswith("@")
    rest = rest.removeprefix("@")
    while rest.startswith("../"):
        rest, up = rest[3:], up + 1
    if rest == "..":
        rest, up = "", up + 1
    here = rest in ("this", ".") or rest.startswith(("this.", "this/", "./"))
    if here:
        rest = rest.removeprefix("this").lstrip("./")
    parts = tuple(quoted or plain for quoted, plain in _PART.findall(rest))
    return Path(written, up, data, here, parts)


def _wrong(what: str, line: int) -> UsageError:
    return UsageError(f"Invalid Handlebars template: {what} (line {line})")
