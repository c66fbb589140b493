"""The built-in provider `mock`: models that need no network and cost what they are told.

- `mock/echo` answers what it was asked.
- `mock/scripted` gives the answers it was given, in order or by what it is asked.
- `mock/seeded` writes text that depends on its seed and on the conversation only.

All of them keep no state, so that a session that is resumed gets what it would have got.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from blake3 import blake3

from respell.agents.protocol import (
    BYTES_PER_TOKEN,
    Provider,
    ProviderContext,
    Request,
    Response,
    ToolCall,
    Usage,
    estimated_usage,
    tokens_of,
)
from respell.errors import EffectFailed, UsageError
from respell.schema import fitted, validate

MAX_FILE_BYTES = 16 * 1024 * 1024

_FAILURES = {
    "rate_limit": "rate limit reached: too many requests (429); try again later",
    "refused": "the model refused to answer",
    "timeout": "the model did not answer in time",
    "server_error": "the server failed (500)",
    "unauthorized": "the key is missing or wrong (401)",
}

_SECONDS = {"type": "number", "minimum": 0, "maximum": 86_400}
_COMMON: dict[str, Any] = {
    "delay_s": _SECONDS,
    "chunk_size": {"type": "integer", "minimum": 1},
    "chunk_delay_s": _SECONDS,
    "idempotent": {"type": "boolean"},
    "prices": {
        "type": "object",
        "properties": {
            "input": {"type": "number", "minimum": 0},
            "output": {"type": "number", "minimum": 0},
        },
        "additionalProperties": False,
    },
    "fail": {
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": list(_FAILURES)},
            "after": {"type": "integer", "minimum": 0},
            "times": {"type": "integer", "minimum": 1},
            "after_chunks": {"type": "integer", "minimum": 0},
        },
        "required": ["kind"],
        "additionalProperties": False,
    },
}
_ANSWER: dict[str, Any] = {
    "text": {"type": "string"},
    "match": {"type": "string"},
    "finish_reason": {"type": "string"},
    "fail": {"type": "string", "enum": list(_FAILURES)},
    "tool_calls": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "arguments": {}},
            "required": ["name"],
            "additionalProperties": False,
        },
    },
}
_ANSWERS: dict[str, Any] = {
    "type": "array",
    "items": {"type": "object", "properties": _ANSWER, "additionalProperties": False},
}

_WORDS = """
    a able about after again air all also always and answer as at be because before began best
    between both but by call came can change close could day did different do each early end
    even every example far few find first follow for form found from gave give good great had
    half hand has have here high hold house how in into is it just keep kind know land large
    last late learn left light like line little long look made make many may mean might more
    most move much must name near need never new next night no not now of off old on once one
    only open or other our out over own part past place plain point put question quick read
    right run said same say see set she short should show side small so some soon sound stand
    start still stop such take tell than that the their them then there these they thing think
    this those thought through time to together too took true try turn two under until up upon
    use very walk want was water way we well went were what when where which while white who
    why will with word work world would write year you young
""".split()  # noqa: SIM905 - a list would fill the page


@dataclass(frozen=True, slots=True)
class _Model:
    answer: Callable[[Request, ProviderContext], Response]
    options: Mapping[str, Any]


class Mock(Provider):
    """The provider; all that it does is in its options."""

    def complete(self, request: Request, ctx: ProviderContext) -> Response:
        """Answer after `delay_s`, unless `fail` says otherwise."""
        options = _options(request)
        ctx.wait(options.get("delay_s", 0.0))
        _fail(request, options)
        return self._answered(request, ctx)

    def stream(self, request: Request, ctx: ProviderContext) -> Iterator[str | Response]:
        """Answer in pieces of `chunk_size` characters, `chunk_delay_s` apart."""
        options = _options(request)
        ctx.wait(options.get("delay_s", 0.0))
        failing = options.get("fail", {})
        breaks_off_after = failing.get("after_chunks")
        if breaks_off_after is None:
            _fail(request, options)
        response = self._answered(request, ctx)
        size = options.get("chunk_size", 16)
        for index, start in enumerate(range(0, len(response.text), size)):
            if index == breaks_off_after:
                _fail(request, options)
            if index:
                ctx.wait(options.get("chunk_delay_s", 0.0))
            yield response.text[start : start + size]
        yield response

    def check(self, request: Request, ctx: ProviderContext) -> None:
        """Do nothing when the model is one of the three and its options are right."""
        options = _options(request)
        if request.model == "scripted":
            _answers(options, ctx)

    def cost(self, usage: Usage, request: Request) -> float:
        """Return what the option `prices` says; nothing without."""
        prices = _options(request).get("prices", {})
        dear = usage.input_tokens * prices.get("input", 0.0)
        return float(dear + usage.output_tokens * prices.get("output", 0.0)) / 1_000_000

    def is_idempotent(self, request: Request) -> bool:
        """Return what the option `idempotent` says; no, unless it is given."""
        return _options(request).get("idempotent", False) is True

    def _answered(self, request: Request, ctx: ProviderContext) -> Response:
        response = _cut(_MODELS[request.model].answer(request, ctx), request)
        return replace(response, usage=replace(estimated_usage(request, response), estimated=False))


def _options(request: Request) -> dict[str, Any]:
    """Return the options of a request.

    Raises:
        UsageError: There is no such model, or an option is wrong.
    """
    model = _MODELS.get(request.model)
    if model is None:
        raise UsageError(
            f"the provider mock has no model {request.model!r}; there are {', '.join(_MODELS)}"
        )
    schema = {
        "type": "object",
        "properties": {**_COMMON, **model.options},
        "additionalProperties": False,
    }
    given = dict(request.options)
    if isinstance(given.get("fail"), str):
        given["fail"] = {"kind": given["fail"]}
    given |= {"answers": _written_out(given["answers"])} if "answers" in given else {}
    options: dict[str, Any] = fitted(schema, given)
    validate(schema, options, f"option of mock/{request.model}:", trusted=True)
    return options


def _fail(request: Request, options: Mapping[str, Any]) -> None:
    failing = options.get("fail")
    if failing is None:
        return
    after = failing.get("after", 0)
    if request.turn > after and request.turn - after <= failing.get("times", request.turn):
        raise EffectFailed(_FAILURES[failing["kind"]])


def _cut(response: Response, request: Request) -> Response:
    """Return the answer as far as `stop` and `max_tokens` let it go."""
    text, reason = response.text, response.finish_reason
    ends = [at for at in (text.find(stop) for stop in request.stop if stop) if at >= 0]
    if ends:
        text, reason = text[: min(ends)], "stop"
    if request.max_tokens is not None and tokens_of(text) > request.max_tokens:
        most = request.max_tokens * BYTES_PER_TOKEN
        text, reason = text.encode(errors="replace")[:most].decode(errors="ignore"), "length"
    return replace(response, text=text, finish_reason=reason)


def _last_text(request: Request) -> str:
    return request.messages[-1].text if request.messages else ""


# The models ----------------------------------------------------------------------------------


def _echo(request: Request, ctx: ProviderContext) -> Response:
    return Response(_last_text(request))


def _scripted(request: Request, ctx: ProviderContext) -> Response:
    options = _options(request)
    answers = _answers(options, ctx)
    asked = _last_text(request)
    ordered = []
    for answer in answers:
        match = answer.get("match")
        if match is None:
            ordered.append(answer)
        elif match in asked:
            return _scripted_response(answer, request)
    index = request.turn - 1
    if options.get("cycle") and ordered:
        index %= len(ordered)
    if index >= len(ordered):
        raise EffectFailed(
            f"there is no answer for request {request.turn}: {len(ordered)} are given in order, "
            "and none that matches what was asked. Give more, or cycle = true"
        )
    return _scripted_response(ordered[index], request)


def _scripted_response(answer: Mapping[str, Any], request: Request) -> Response:
    if failure := answer.get("fail"):
        raise EffectFailed(_FAILURES[failure])
    calls = tuple(
        ToolCall(
            one.get("id", f"call_{request.turn}_{index}"), one["name"], one.get("arguments", {})
        )
        for index, one in enumerate(answer.get("tool_calls", ()), 1)
    )
    reason = answer.get("finish_reason", "tool_calls" if calls else "stop")
    return Response(answer.get("text", ""), calls, finish_reason=reason)


def _answers(options: Mapping[str, Any], ctx: ProviderContext) -> list[dict[str, Any]]:
    if ("answers" in options) == ("file" in options):
        raise UsageError("mock/scripted takes its answers from options.answers or options.file")
    answers: list[dict[str, Any]]
    answers = options["answers"] if "answers" in options else _read(options["file"], ctx)
    return answers


def _written_out(answers: Any) -> Any:
    """Return answers as tables, where some are given as mere text."""
    if not isinstance(answers, list):
        return answers
    return [{"text": one} if isinstance(one, str) else one for one in answers]


def _read(path: str, ctx: ProviderContext) -> list[dict[str, Any]]:
    """Return the answers in a JSON file: an array of them.

    Raises:
        EffectFailed: It can't be read.
        PermissionDenied: The script may not read it.
        UsageError: There are no answers in it.
    """
    allowed = ctx.permissions.check_read(path)
    try:
        with open(allowed, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise EffectFailed(f"can't read the answers in {path}: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise EffectFailed(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        answers = _written_out(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise EffectFailed(f"{path} is not JSON: {error}") from None
    validate(_ANSWERS, answers, f"{path}: answer", trusted=True)
    return [*answers]


def _seeded(request: Request, ctx: ProviderContext) -> Response:
    options = _options(request)
    seed = options.get("seed", request.seed or 0)
    asked = [[message.role, message.text] for message in request.messages]
    drawn = blake3(json.dumps([seed, asked]).encode()).digest(2 * options.get("words", 20))
    words = [
        _WORDS[int.from_bytes(drawn[at : at + 2], "little") % len(_WORDS)]
        for at in range(0, len(drawn), 2)
    ]
    text = " ".join(words)
    return Response(text[:1].upper() + text[1:] + "." if text else "")


_MODELS = {
    "echo": _Model(_echo, {}),
    "scripted": _Model(
        _scripted,
        {
            "answers": _ANSWERS,
            "file": {"type": "string"},
            "cycle": {"type": "boolean"},
        },
    ),
    "seeded": _Model(
        _seeded,
        {
            "seed": {"type": "integer"},
            "words": {"type": "integer", "minimum": 0, "maximum": 100_000},
        },
    ),
}

PROVIDER = Mock()
