"""template_engine: Tera and Handlebars, strict and escaped, and templates made to hurt."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import respell
from respell.effect import Kind
from respell.errors import EffectFailed
from respell.store import Store
from respell.tools import ToolRegistry
from respell.tools.builtin import template_engine
from workbench import tool_context

TOOLS = ToolRegistry()


def call(**params: Any) -> dict[str, Any]:
    return TOOLS.invoke("template_engine", params, tool_context(Path("/")))


def tera(template: str, **context: Any) -> str:
    text: str = call(input=template, context=context, engine="tera")["result"]["rendered"]
    return text


def handlebars(template: str, **context: Any) -> str:
    text: str = call(input=template, context=context, engine="handlebars")["result"]["rendered"]
    return text


def test_the_shape_of_an_answer() -> None:
    answer = call(input="Héllo {{ name }}!", context={"name": "Ann"})
    assert answer["result"] == {
        "rendered": "Héllo Ann!",
        "engine": "tera",
        "template_length": 18,
        "context_size": 14,
    }
    assert json.loads(answer["text"]) == {
        "operation": "render_template",
        "success": True,
        "message": "Template rendered successfully using tera engine",
        "result": answer["result"],
        "metadata": {"engine": "tera", "template_length": 18},
    }
    assert call(input="no holes")["result"]["context_size"] == 2


@pytest.mark.parametrize(
    ("params", "engine"),
    [
        ({"input": "{{ a }}"}, "tera"),
        ({"input": "{% if a %}{% endif %}"}, "tera"),
        ({"input": "{{#if a}}{{/if}}"}, "handlebars"),
        ({"input": "{{ a }}", "engine": "HBS"}, "handlebars"),
        ({"input": "{{ a }}", "engine": "Handlebars"}, "handlebars"),
        ({"input": "{{ a }}", "auto_detect": False}, "tera"),
        ({"template": "{{ a }}"}, "tera"),
    ],
)
def test_which_language_it_is(params: dict[str, Any], engine: str) -> None:
    assert call(variables={"a": 1}, **params)["result"]["engine"] == engine


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ s }} {{ i }} {{ f }} {{ t }}{{ n }}", "ab 3 14.0 true"),
        ("{{ l }} {{ o }} {{ deep }}", "[1, x, 2.5] [object] [object]"),
        ("{{ l[0] }}{{ l.1 }}{{ o.k }}{{ o['k'] }}{{ deep.a.b }}{{ s[1] }}", "1xvvcb"),
        ("{{ o.items }}{{ o | length }}", "42"),
        ("{{ i + 1 }} {{ i * 2 - 1 }} {{ 7 % 4 }} {{ s ~ i }}", "4 5 3 ab3"),
        ("{% if i > 2 and not n %}yes{% elif t %}no{% else %}never{% endif %}", "yes"),
        ("{% if missing %}a{% else %}b{% endif %}{% if deep.x.y %}c{% endif %}", "b"),
        ("{% if missing is defined %}a{% endif %}{% if s is defined %}b{% endif %}", "b"),
        (
            "{% for x in l %}{{ loop.index }}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}",
            "11,2x,32.5",
        ),
        ("{% for k, v in o %}{{ k }}={{ v }};{% endfor %}", "items=4;k=v;"),
        ("{% for x in [] %}a{% else %}none{% endfor %}", "none"),
        ("{% for x in range(5) %}{% if x == 3 %}{% break %}{% endif %}{{ x }}{% endfor %}", "012"),
        ("{% for x in range(start=1, end=9, step_by=3) %}{{ x }}{% endfor %}", "147"),
        ("{% set x = 5 %}{{ x }}{% set y %}<b>{% endset %}{{ y }}", "5<b>"),
        ("{% macro m(a, b=2) %}[{{ a }}{{ b }}]{% endmacro %}{{ m(a=1) }}", "[12]"),
        ("{% raw %}{{ x }}{% endraw %}{# a comment #}", "{{ x }}"),
        ("a  {{- s -}}  b", "aabb"),
        ("line\n", "line\n"),
        ("{% filter upper %}x{{ s }}{% endfilter %}", "XAB"),
        ("{% if s is starting_with('a') and s is ending_with('b') %}1{% endif %}", "1"),
        ("{% if s is containing('b') and l is containing(1) and o is object %}1{% endif %}", "1"),
        ("{% if s is matching('^a.$') and i is odd and s is string %}1{% endif %}", "1"),
    ],
)
def test_tera(template: str, expected: str) -> None:
    values = {"s": "ab", "i": 3, "f": 14.0, "t": True, "n": None, "l": [1, "x", 2.5]}
    rendered = tera(template, **values, o={"items": 4, "k": "v"}, deep={"a": {"b": "c"}})
    assert rendered == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("s | upper", "HELLO WORLD"),
        ("s | lower", "hello world"),
        ("s | title", "Hello World"),
        ("s | capitalize", "Hello world"),
        ("s | replace(from='l', to='L')", "heLLo WorLd"),
        ("s | truncate(length=5)", "hello…"),
        ("s | truncate(length=5, end='')", "hello"),
        ("s | truncate", "hello World"),
        ("s | length", "11"),
        ("s | reverse", "dlroW olleh"),
        ("s | split(pat='o') | join(sep='-')", "hell- W-rld"),
        ("s | wordcount", "2"),
        ("s | slugify", "hello-world"),
        ("s | trim_start_matches(pat='he')", "llo World"),
        ("s | trim_end_matches(pat='d')", "hello Worl"),
        ("'  x ' | trim", "x"),
        ("'  x ' | trim_start", "x "),
        ("'  x ' | trim_end", "  x"),
        ("s | urlencode", "hello%20World"),
        ("'a/b' | urlencode_strict", "a%2Fb"),
        ("q | addslashes | safe", "it\\'s"),
        ("missing | default(value='d')", "d"),
        ("s | default(value='d')", "hello World"),
        ("missing | default('d')", "d"),
        ("2.567 | round", "3"),
        ("2.5 | round(method='floor')", "2"),
        ("2.1 | round(method='ceil')", "3"),
        ("2.567 | round(precision=2)", "2.57"),
        ("-3 | abs", "3"),
        ("'7' | int + 1", "8"),
        ("'x' | int(default=9)", "9"),
        ("'ff' | int(base=16)", "255"),
        ("'1.5' | float", "1.5"),
        ("1234567 | filesizeformat", "1.23 MB"),
        ("5 | filesizeformat", "5 B"),
        ("0 | date", "1970-01-01"),
        ("'2024-02-28T10:00:00' | date(format='%d.%m.%Y %H:%M')", "28.02.2024 10:00"),
        ("1 | pluralize", ""),
        ("2 | pluralize", "s"),
        ("2 | pluralize(singular='y', plural='ies')", "ies"),
        ("l | first", "3"),
        ("l | last", "2"),
        ("l | nth(n=1)", "1"),
        ("[] | first", ""),
        ("l | sort", "[1, 2, 3]"),
        ("l | reverse", "[2, 1, 3]"),
        ("l | slice(start=1)", "[1, 2]"),
        ("l | slice(start=0, end=1)", "[3]"),
        ("l | length", "3"),
        ("l | concat(with=9)", "[3, 1, 2, 9]"),
        ("[1, 1, 'A', 'a'] | unique", "[1, A]"),
        ("p | map(attribute='n') | join(sep=',')", "a,b,c"),
        ("p | sort(attribute='v') | map(attribute='n')", "[c, b, a]"),
        ("p | filter(attribute='v', value=2) | length", "1"),
        ("p | filter(attribute='v') | length", "3"),
        ("(p | group_by(attribute='k')).x | length", "2"),
        ("o | get(key='a')", "1"),
        ("o | get(key='z', default=5)", "5"),
        ("o | json_encode | safe", '{"a":1}'),
        ("o | json_encode(pretty=true) | safe", '{\n  "a": 1\n}'),
        ("'<a> <b>' | spaceless | safe", "<a><b>"),
        ("'a\\nb' | linebreaksbr | safe", "a<br>b"),
        ("'<b>x</b>' | striptags", "x"),
        ("5 | as_str", "5"),
    ],
)
def test_filters_of_tera(expression: str, expected: str) -> None:
    people = [{"n": n, "v": v, "k": k} for n, v, k in (("a", 3, "x"), ("b", 2, "x"), ("c", 1, "y"))]
    rendered = tera(
        f"{{{{ {expression} }}}}", s="hello World", l=[3, 1, 2], p=people, o={"a": 1}, q="it's"
    )
    assert rendered == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{s}} {{ i }} {{f}} {{t}}{{n}}", "ab 3 14.0 true"),
        ("{{l}} {{o}}", "[1, x, 2.5] [object]"),
        ("{{l.[0]}}{{l.1}}{{o.k}}{{o/k}}{{deep.a.b}}{{l.length}}", "1xvvc3"),
        ("{{this.s}}{{./s}}{{[two words]}}", "ababyes"),
        ("{{#if t}}a{{/if}}{{#if n}}b{{else}}c{{/if}}", "ac"),
        ("{{#if n}}a{{else if i}}b{{else}}c{{/if}}", "b"),
        ("{{#if n}}a{{else if missing}}b{{else}}c{{/if}}d", "cd"),
        ("{{#if zero}}a{{/if}}{{#if zero includeZero=true}}b{{/if}}{{#if empty}}c{{/if}}", "b"),
        ("{{#if none}}a{{/if}}{{#if o}}b{{/if}}", "b"),
        ("{{#unless n}}a{{else}}b{{/unless}}{{#unless t}}c{{/unless}}", "a"),
        ("{{#each l}}{{@index}}{{this}}{{#unless @last}},{{/unless}}{{/each}}", "01,1x,22.5"),
        ("{{#each l}}{{#if @first}}<{{/if}}{{.}}{{/each}}", "<1x2.5"),
        ("{{#each o}}{{@key}}={{this}}{{@index}};{{/each}}", "items=40;k=v1;"),
        ("{{#each none}}a{{else}}none{{/each}}{{#each missing}}{{else}}!{{/each}}", "none!"),
        ("{{#each people}}{{name}} of {{../s}};{{/each}}", "Ann of ab;Bob of ab;"),
        (
            "{{#each people}}{{#each tags}}{{../name}}"
            "{{@../index}}{{.}}{{../../i}} {{/each}}{{/each}}",
            "Ann0x3 Ann0y3 ",
        ),
        ("{{#each people as |p at|}}{{at}}{{p.name}}{{/each}}", "0Ann1Bob"),
        ("{{#with deep.a}}{{b}}{{../s}}{{@root.i}}{{/with}}", "cab3"),
        ("{{#with deep as |d|}}{{d.a.b}}{{/with}}{{#with n}}a{{else}}b{{/with}}", "cb"),
        ("{{^none}}a{{/none}}{{^t}}b{{/t}}{{^none}}c{{^}}d{{/none}}", "ac"),
        ("{{! a comment }}{{!-- {{s}} --}}x", "x"),
        ("\\{{s}} {{s}}", "{{s}} ab"),
        ("{{uppercase s}}{{lowercase 'ABC'}}{{uppercase i}}", "ABabc3"),
        ("{{lookup l 1}}{{lookup o 'k'}}{{len l}}{{len s}}", "xv32"),
        ("{{#if (and (gt i 2) (eq s 'ab'))}}a{{/if}}{{#if (or n (not t))}}b{{/if}}", "a"),
        (
            "{{eq 1 1.0}}{{eq t 1}}{{ne 1 2}}{{lt 1 2}}"
            "{{lte 2 2}}{{gte 1 2}}{{gt 'b' 'a'}}{{gt t 1}}",
            "truefalsetruetruetruefalsetruefalse",
        ),
        ("{{uppercase (lookup l 1)}}{{true}}{{null}}{{-1.5}}", "Xtrue-1.5"),
        ("a\n  {{#if t}}\nb\n  {{else}}\nc\n  {{/if}}\nd\n", "a\nb\nd\n"),
        ("{{! alone }}\nx", "x"),
        ("a {{~s~}} b {{~#if t~}} c {{~/if~}} d", "aabbcd"),
        ("{{#if t}}{{#if n}}a{{else}}b{{/if}}c{{/if}}d", "bcd"),
    ],
)
def test_handlebars(template: str, expected: str) -> None:
    people = [{"name": "Ann", "tags": ["x", "y"]}, {"name": "Bob", "tags": []}]
    values = {"s": "ab", "i": 3, "f": 14.0, "t": True, "n": None, "l": [1, "x", 2.5], "zero": 0}
    more = {"o": {"items": 4, "k": "v"}, "deep": {"a": {"b": "c"}}, "none": [], "empty": ""}
    assert handlebars(template, **values, **more, people=people, **{"two words": "yes"}) == expected


def test_what_comes_from_outside_is_escaped() -> None:
    hostile = "<a href='x'>\"&`/="
    assert tera("{{ x }}", x=hostile) == "&lt;a href=&#x27;x&#x27;&gt;&quot;&amp;`&#x2F;="
    escaped = "&lt;a href&#x3D;&#x27;x&#x27;&gt;&quot;&amp;&#x60;/&#x3D;"
    assert handlebars("{{x}}", x=hostile) == escaped
    assert handlebars("{{lowercase x}}", x=hostile) == escaped
    assert tera("{{ x | safe }}", x=hostile) == hostile
    assert handlebars("{{{x}}}{{&x}}", x=hostile) == hostile * 2
    assert tera("{{ '<' }}{{ l }}", l=["<"]) == "&lt;[&lt;]"


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ name }}", "rendering failed: the variable name is not in the context"),
        ("{{ user.name }}", "the variable name is not in the context"),
        ("{{ gone.name }}", "the variable gone.name is not in the context"),
        ("{{ l[9] }}", "the variable at index 9 is not"),
        ("{{ gone | upper }}", "the variable gone is not"),
        (
            "{{ gone | replace(from='a', to='b') }}",
            "replace needs text, not a variable that is not",
        ),
        ("{% for x in gone %}{% endfor %}", "the variable gone is not"),
        ("{% if gone == 1 %}{% endif %}", "the variable gone is not"),
        ("{{ l | replace(from='a', to='b') }}", "the filter replace needs text, not an array"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ throw(message='stop here') }}", "rendering failed: stop here"),
        ("{{ range(end=10000000) }}", "range gives 10000000 numbers; at most 1000000"),
        ("a\n{{ name", r"Invalid Tera template: .*\(line 2\)"),
        ("{% if %}", r"Invalid Tera template: .*\(line 1\)"),
        ("{{ 1 | nope }}", "Invalid Tera template: No filter named 'nope'"),
        ("{% nope %}", "unknown tag 'nope'"),
        ("{% include 'other.html' %}", "include needs another template"),
        ("{% extends 'other.html' %}", "extends needs another template"),
        ("{% import 'other.html' as o %}", "import needs another template"),
        ("{% from 'other.html' import o %}", "import needs another template"),
        ("{% if 1 %}" * 300 + "{% endif %}" * 300, "it nests too deep"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "it nests too deep"),
    ],
)
def test_what_is_wrong_with_a_tera_template(template: str, says: str) -> None:
    with pytest.raises(EffectFailed, match=says) as caught:
        tera(template, user={}, l=[1])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{name}}", r"rendering failed: the variable name is not in the context \(line 1\)"),
        ("\n\n{{user.name}}", r"the variable user.name is not in the context \(line 3\)"),
        ("{{../x}}", "the variable ../x is not"),
        ("{{#each gone}}{{/each}}", "the variable gone is not"),
        ("{{#with gone}}{{/with}}", "the variable gone is not"),
        ("{{uppercase gone}}", "a variable that uppercase is given is not"),
        ("{{lookup user 'x'}}", "what lookup leads to is not"),
        ("{{shout user}}", "there is no helper shout; there are uppercase, lowercase"),
        ("{{lookup user}}", "the helper lookup takes 2 values, not 1"),
        ("{{uppercase 'a' 'b'}}", "the helper uppercase takes one value, not 2"),
        ("{{and}}", "the helper and takes one value or more, not 0"),
        ("{{#repeat 3}}{{/repeat}}", r"there is no block \{\{#repeat\}\}; there are if, unless"),
        ("{{#if}}{{/if}}", r"\{\{#if\}\} takes one value"),
        ("{{#if a}}", r"\{\{#if\}\} is never closed"),
        ("{{#if a}}{{/each}}", r"\{\{/each\}\} closes what is not open; \{\{/if\}\} should come"),
        ("{{/if}}", "closes what is not open"),
        ("{{else}}", "stands outside of any block"),
        ("{{#if a}}{{else}}{{else}}{{/if}}", "has two"),
        ("{{> header}}", "no partial header; there are none at all"),
        ("{{ name", "a tag is not complete"),
        ("a\n{{ 'b }}", r"a tag is not complete.*line 2"),
        ("{{}}", "is not complete"),
        ("{{lookup (len user}}", "is not complete, or has a parenthesis too many"),
        ("{{len user)}}", "is not complete, or has a parenthesis too many"),
        ("{{#each l as |a}}{{/each}}", r"names are given as \|a b\|"),
        ("{{a = b}}", "makes no sense"),
        ("{{#if a}}" * 51 + "{{/if}}" * 51, "blocks nest deeper than 50"),
        ("{{not " + "(not " * 51 + "1" + ")" * 51 + "}}", "parentheses nest deeper than 50"),
    ],
)
def test_what_is_wrong_with_a_handlebars_template(template: str, says: str) -> None:
    with pytest.raises(EffectFailed, match=says) as caught:
        call(input=template, context={"user": {}, "a": 1, "l": [1]}, engine="handlebars")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "parameter input is missing"),
        ({"input": 5}, "input must be a string"),
        ({"input": "x", "engine": "jinja"}, "no engine 'jinja'.*tera, handlebars"),
        ({"input": "x", "context": ["a"]}, "context must be a table with named fields"),
        ({"input": "x", "context": {"a": b"\xff"}}, "context has bytes that are not UTF-8"),
        ({"input": "x" * (1 << 20) + "x"}, "input has 1048577 bytes; at most 1048576"),
        ({"input": "x", "context": {"a": "x" * (10 << 20)}}, "context has 10485768 bytes"),
        ({"input": "x", "template": "y"}, "template is another name of input"),
        ({"input": "x", "contxt": {}}, "did you mean context"),
    ],
)
def test_wrong_parameters(params: dict[str, Any], says: str) -> None:
    with pytest.raises(EffectFailed, match=says):
        call(**params)


# What is made to hurt -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "expression",
    [
        "''.__class__",
        "''['__class__']",
        "x.__init__.__globals__",
        "x|attr('__class__')",
        "self.__init__.__globals__",
        "self._TemplateReference__context",
        "range.__globals__",
        "m.__call__",
        "loop.__class__",
        "''.format",
        "l.append(1)",
        "o.update(a=1)",
        "cycler",
        "namespace",
        "x.items()",
        "''.join(l)",
        "().__class__.__bases__",
        "lipsum.__globals__",
    ],
)
def test_python_is_out_of_reach(expression: str) -> None:
    template = "{% macro m() %}{% endmacro %}{% for y in [1] %}{{ " + expression + " }}{% endfor %}"
    with pytest.raises(EffectFailed, match=r"is not in the context|No filter named 'attr'"):
        tera(template, x={"a": 1}, l=[], o={})


@pytest.mark.parametrize(
    "params",
    [
        {
            "input": "{% for a in l %}{% for b in l %}{% for c in l %}{% for d in l %}{% endfor %}"
            "{% endfor %}{% endfor %}{% endfor %}"
        },
        {"input": "{{ 9**(9**9) }}"},
        {"input": "{% if s is matching('(a+)+$') %}{% endif %}"},
        {
            "input": "{{#each l}}{{#each ../l}}{{#each ../../l}}"
            "{{#each ../../../l}}{{/each}}{{/each}}"
            "{{/each}}{{/each}}"
        },
    ],
)
def test_what_never_ends_is_stopped(
    params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    call(input="x")
    monkeypatch.setattr(template_engine, "TIMEOUT_S", 0.5)
    began = time.monotonic()
    with pytest.raises(EffectFailed, match="longer than"):
        call(context={"l": list(range(500)), "s": "a" * 40 + "b"}, **params)
    assert time.monotonic() - began < 10


def test_what_eats_memory_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_engine, "MEMORY_BYTES", 32 << 20)
    for template in ("{{ 'a' * 10**9 }}", "{{ [0] * 10**9 }}"):
        with pytest.raises(EffectFailed, match="more than the 32 MiB of memory"):
            tera(template)
    assert tera("{{ 1 }}") == "1"


@pytest.mark.parametrize(
    "template",
    ["{% for x in range(end=1000) %}{{ s }}{% endfor %}", "{{#each l}}{{../s}}{{/each}}"],
)
def test_what_renders_too_much_is_refused(template: str) -> None:
    with pytest.raises(EffectFailed, match="renders more than 16777216 characters"):
        call(input=template, context={"s": "x" * 100_000, "l": list(range(1000))})


def test_words_that_look_dangerous_are_words() -> None:
    text = "eval( exec( system( subprocess os.system __import__"
    assert tera(text) == handlebars(text) == text


@given(st.text(alphabet=" {}#/^!~ab.@|()='\"\\\n[]%-", max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_text_renders_or_is_one_error(text: str) -> None:
    for engine in ("tera", "handlebars"):
        try:
            rendered = call(input=text, context={"a": "b"}, engine=engine)["result"]["rendered"]
        except EffectFailed as error:
            assert "Invalid" in str(error) or "rendering failed" in str(error)  # noqa: PT017
        else:
            assert isinstance(rendered, str)


@given(st.text(max_size=60).filter(lambda text: "{{" not in text and "\\" not in text))
@settings(max_examples=50, deadline=None)
def test_text_without_holes_stays_as_it_is(text: str) -> None:
    assert handlebars(text) == text


def test_a_script_renders_and_a_replay_finds_the_same(script: Any, store: Store) -> None:
    done = script("""
        local context = {name = "Ann"}
        local r = Tool.invoke("template_engine", {input = "Hello {{ name }}", context = context})
        print(r.result.rendered, JSON.parse(r.text).result.engine)
        print(Tool.template_engine:execute{template = "{{#each l}}{{this}},{{/each}}",
          variables = {l = {1, 2.5}}}.result.rendered)
        print(pcall(Tool.invoke, "template_engine", {input = "{{ gone }}"}))
    """)
    assert script.lines[:2] == ["Hello Ann\ttera", "1,2.5,"]
    assert "the variable gone is not in the context" in script.lines[2]
    assert respell.replay(done.session, store=store).identical
    assert TOOLS.kind_of("template_engine", {"input": ""}) is Kind.READ
