"""Reads Lua 5.4 source into a tree, and finds out which variable each name means."""

from __future__ import annotations

from respell.debug.lua_source.tokens import Token, tokens
from respell.debug.lua_source.tree import (
    Assign,
    Block,
    Call,
    Constant,
    Do,
    Function,
    Index,
    Local,
    Loop,
    Name,
    Node,
    NumberLoop,
    Operation,
    Parenthesis,
    Return,
    Source,
    Table,
    Vararg,
    Variable,
)
from respell.errors import UsageError

_BINARY = {
    "or": (1, 1), "and": (2, 2), "<": (3, 3), ">": (3, 3), "<=": (3, 3), ">=": (3, 3),
    "~=": (3, 3), "==": (3, 3), "|": (4, 4), "~": (5, 5), "&": (6, 6), "<<": (7, 7), ">>": (7, 7),
    "..": (9, 8), "+": (10, 10), "-": (10, 10), "*": (11, 11), "/": (11, 11), "//": (11, 11),
    "%": (11, 11), "^": (14, 13),
}  # fmt: skip
_UNARY = 12
_ENDS = ("end", "else", "elseif", "until")
_NUMBER_LOOP_HIDDEN, _LOOP_HIDDEN = 3, 4  # locals of Lua's own that a loop has
_DEEPEST = 200  # as Lua itself


def parse(source: bytes) -> Source:
    """Return the tree of a source.

    Raises:
        UsageError: It is no Lua.
    """
    return _Parser(source).parse()


class _Parser:
    def __init__(self, source: bytes) -> None:
        self._tokens = list(tokens(source))
        self._at = 0
        self._scopes: list[list[Variable]] = []
        self._function = Function(0, None, line=1)
        self._functions: list[Function] = []
        self._active = 0  # locals of this function
        self._deep = 0

    def parse(self) -> Source:
        main = self._function
        main.is_vararg = True
        self._functions.append(main)
        main.body = self._block()
        if self._token.kind != "end":
            self._wrong()
        main.end = self._token.line
        return Source(main, self._functions)

    # Tokens ------------------------------------------------------------------------------

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    @property
    def _line(self) -> int:
        return self._token.line

    @property
    def _last_line(self) -> int:
        return self._tokens[self._at - 1].line

    def _wrong(self) -> None:
        raise UsageError(f"line {self._line} can't be read as Lua")

    def _is(self, text: str) -> bool:
        return self._token.kind == "sign" and self._token.text == text

    def _take(self, text: str) -> bool:
        if self._is(text):
            self._at += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._take(text):
            self._wrong()

    def _name(self) -> str:
        token = self._token
        if token.kind != "name":
            self._wrong()
        self._at += 1
        return token.text

    # Scopes ------------------------------------------------------------------------------

    def _declare(self, variable: Variable) -> None:
        self._scopes[-1].append(variable)
        self._active += 1
        variable.slot = self._active

    def _resolve(self, name: str) -> Variable | None:
        for scope in reversed(self._scopes):
            for variable in reversed(scope):
                if variable.name == name:
                    return variable
        return None

    def _open(self) -> int:
        self._scopes.append([])
        return self._active

    def _close(self, active: int) -> None:
        self._scopes.pop()
        self._active = active

    def _block(self) -> list[Node]:
        active = self._open()
        body = self._statements()
        self._close(active)
        return body

    # Statements --------------------------------------------------------------------------

    def _statements(self) -> list[Node]:
        self._deep += 1
        if self._deep > _DEEPEST:
            self._wrong()
        body: list[Node] = []
        while self._token.kind != "end" and not any(self._is(one) for one in _ENDS):
            line = self._line
            is_last = self._is("return")
            made = self._statement()
            if made is not None:
                made.line, made.end = line, self._last_line
                body.append(made)
            if is_last:
                break
        self._deep -= 1
        return body

    def _statement(self) -> Node | None:
        token = self._token
        keyword = token.text if token.kind == "sign" else ""
        if keyword in (";", "break"):
            self._at += 1
            return None
        if keyword == "::":
            self._at += 2
            self._need("::")
            return None
        if keyword == "goto":
            self._at += 2
            return None
        perform = {
            "local": self._local, "function": self._function_statement, "return": self._return,
            "if": self._if, "while": self._while, "repeat": self._repeat, "do": self._do,
            "for": self._for,
        }.get(keyword)  # fmt: skip
        return perform() if perform is not None else self._expression_statement()

    def _local(self) -> Node:
        self._need("local")
        if self._take("function"):
            variable = Variable(self._name(), "function", self._function, 0, self._function, 0)
            self._declare(variable)
            made = Local([variable], [self._body(self._line)])
            variable.by = made
            return made
        names = []
        while True:
            names.append(self._name())
            if self._take("<"):
                self._name()
                self._need(">")
            if not self._take(","):
                break
        values = self._expressions() if self._take("=") else []
        local = Local([], values)
        for place, name in enumerate(names):
            variable = Variable(name, "local", self._function, 0, local, place)
            self._declare(variable)
            local.variables.append(variable)
        return local

    def _function_statement(self) -> Node:
        line = self._line
        self._need("function")
        target: Node = self._named()
        method = False
        while self._is(".") or self._is(":"):
            method = self._is(":")
            self._at += 1
            target = self._field(target)
            if method:
                break
        return self._assigned([target], [self._body(line, method=method)])

    def _assigned(self, targets: list[Node], values: list[Node]) -> Assign:
        made = Assign(targets, values)
        for target in targets:
            if isinstance(target, Name) and target.variable is not None:
                target.variable.sites.append(made)
        return made

    def _return(self) -> Node:
        self._need("return")
        none = self._token.kind == "end" or any(self._is(one) for one in (*_ENDS, ";"))
        made = Return([] if none else self._expressions())
        self._take(";")
        return made

    def _if(self) -> Node:
        made = Block([], [])
        self._need("if")
        while True:
            made.conditions.append(self._expression())
            self._need("then")
            made.body += self._block()
            if self._take("elseif"):
                continue
            if self._take("else"):
                made.body += self._block()
            self._need("end")
            return made

    def _while(self) -> Node:
        self._need("while")
        condition = self._expression()
        self._need("do")
        body = self._block()
        self._need("end")
        return Block([condition], body)

    def _repeat(self) -> Node:
        self._need("repeat")
        active = self._open()
        body = self._statements()
        self._need("until")
        condition = self._expression()
        self._close(active)
        return Block([condition], body)

    def _do(self) -> Node:
        self._need("do")
        body = self._block()
        self._need("end")
        return Block([], body)

    def _for(self) -> Node:
        self._need("for")
        names = [self._name()]
        if self._take("="):
            bounds = self._expressions()
            active = self._open()
            self._active += _NUMBER_LOOP_HIDDEN
            variable = Variable(names[0], "number loop", self._function, 0, self._function, 0)
            counting = NumberLoop(variable, bounds, [])
            variable.by = counting
            self._declare(variable)
            counting.body = self._loop_body(active)
            return counting
        while self._take(","):
            names.append(self._name())
        self._need("in")
        loop = Loop([], self._expressions(), [])
        active = self._open()
        self._active += _LOOP_HIDDEN
        for place, name in enumerate(names):
            variable = Variable(name, "loop", self._function, 0, loop, place)
            self._declare(variable)
            loop.variables.append(variable)
        loop.body = self._loop_body(active)
        return loop

    def _loop_body(self, active: int) -> list[Node]:
        self._need("do")
        body = self._block()
        self._close(active)
        self._need("end")
        return body

    def _expression_statement(self) -> Node:
        first = self._suffixed()
        if self._is("=") or self._is(","):
            targets = [first]
            while self._take(","):
                targets.append(self._suffixed())
            self._need("=")
            return self._assigned(targets, self._expressions())
        return Do(first)

    # Expressions -------------------------------------------------------------------------

    def _expressions(self) -> list[Node]:
        found = [self._expression()]
        while self._take(","):
            found.append(self._expression())
        return found

    def _expression(self, limit: int = 0) -> Node:
        self._deep += 1
        if self._deep > _DEEPEST:
            self._wrong()
        line = self._line
        token = self._token
        if token.kind == "sign" and token.text in ("not", "-", "#", "~"):
            self._at += 1
            left = self._ended(Operation(token.text, [self._expression(_UNARY)]), line)
        else:
            left = self._simple()
        while self._token.kind == "sign" and self._token.text in _BINARY:
            operator = self._token.text
            before, after = _BINARY[operator]
            if before <= limit:
                break
            self._at += 1
            left = self._ended(Operation(operator, [left, self._expression(after)]), line)
        self._deep -= 1
        return left

    def _ended(self, node: Node, line: int) -> Node:
        node.line, node.end = line, self._last_line
        return node

    def _simple(self) -> Node:
        token, line = self._token, self._line
        if token.kind in ("number", "string"):
            self._at += 1
            return self._ended(Constant(token.value), line)
        words: dict[str, bool | None] = {"nil": None, "true": True, "false": False}
        if token.kind == "sign" and token.text in words:
            self._at += 1
            return self._ended(Constant(words[token.text]), line)
        if self._take("..."):
            return self._ended(Vararg(), line)
        if self._is("{"):
            return self._table()
        if self._take("function"):
            return self._body(self._line)
        return self._suffixed()

    def _named(self) -> Node:
        line = self._line
        name = self._name()
        return self._ended(Name(name, self._resolve(name)), line)

    def _suffixed(self) -> Node:
        line = self._line
        if self._take("("):
            inner = self._expression()
            self._need(")")
            made = self._ended(Parenthesis(inner), line)
        else:
            made = self._named()
        while True:
            if self._take("."):
                made = self._field(made)
            elif self._take("["):
                key = self._expression()
                self._need("]")
                made = self._ended(Index(made, key), line)
            elif self._take(":"):
                method = self._name()
                made = self._ended(Call(made, self._arguments(), method), line)
            elif self._is("(") or self._is("{") or self._token.kind == "string":
                made = self._ended(Call(made, self._arguments()), line)
            else:
                return made

    def _field(self, owner: Node) -> Node:
        line = self._line
        key = self._ended(Constant(self._name().encode()), line)
        return self._ended(Index(owner, key), owner.line)

    def _arguments(self) -> list[Node]:
        line = self._line
        if self._token.kind == "string":
            value = self._token.value
            self._at += 1
            return [self._ended(Constant(value), line)]
        if self._is("{"):
            return [self._table()]
        self._need("(")
        found = [] if self._is(")") else self._expressions()
        self._need(")")
        return found

    def _table(self) -> Node:
        line = self._line
        self._need("{")
        items: list[tuple[Node | None, Node]] = []
        while not self._is("}"):
            key: Node | None = None
            following = self._tokens[min(self._at + 1, len(self._tokens) - 1)]
            if self._take("["):
                key = self._expression()
                self._need("]")
                self._need("=")
            elif self._token.kind == "name" and following.text == "=":
                at = self._line
                key = self._ended(Constant(self._name().encode()), at)
                self._need("=")
            items.append((key, self._expression()))
            if not (self._take(",") or self._take(";")):
                break
        self._need("}")
        return self._ended(Table(items), line)

    def _body(self, line: int, *, method: bool = False) -> Node:
        outer, active = self._function, self._active
        function = Function(line, outer)
        self._functions.append(function)
        self._function, self._active = function, 0
        self._open()
        names = ["self"] if method else []
        self._need("(")
        while not self._is(")"):
            if self._take("..."):
                function.is_vararg = True
                break
            names.append(self._name())
            if not self._take(","):
                break
        self._need(")")
        for place, name in enumerate(names):
            variable = Variable(name, "parameter", function, 0, function, place)
            self._declare(variable)
            function.parameters.append(variable)
        function.body = self._statements()
        self._need("end")
        self._close(active)
        self._function = outer
        return self._ended(function, line)
