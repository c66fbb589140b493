"""Somebody sees a wrong value, and finds the effect it came from, in three commands."""

from __future__ import annotations

import json
import subprocess

import pytest

from command_line import RESPELL, CommandLine

ORDERS = {
    "1001": {
        "customer": "Fjord Foods", "discount": 0,
        "lines": [{"sku": "A1", "qty": 4, "price": 12.5}, {"sku": "B7", "qty": 1, "price": 80}],
    },
    "1002": {
        "customer": "Fjord Foods", "discount": 0.1,
        "lines": [{"sku": "C3", "qty": 2, "price": "1.250,00"}],
    },
    "1003": {
        "customer": "Fjord Foods", "discount": 0,
        "lines": [{"sku": "A1", "qty": 10, "price": 12.5}],
    },
}  # fmt: skip

MONEY = """\
    local money = {}

    -- Prices come as numbers, or as texts from the old shop.
    function money.amount(value)
      if type(value) == "number" then return value end
      local plain = value:gsub("[^%d.]", "")
      return tonumber(plain) or 0
    end

    function money.round(value)
      return math.floor(value * 100 + 0.5) / 100
    end

    return money
"""

INVOICE = """\
    local money = require("money")

    local function load_order(number)
      local file = assert(io.open("orders/" .. number .. ".json"))
      local text = file:read("a")
      file:close()
      local answer = Tool.invoke("json_processor", { input = text, query = "." })
      return answer.result
    end

    local function line_total(line, discount)
      local price = money.amount(line.price)
      return line.qty * price * (1 - discount)
    end

    local function order_total(order)
      local sum = 0
      for _, line in ipairs(order.lines) do
        sum = sum + line_total(line, order.discount)
      end
      return sum
    end

    local invoice = { customer = "", orders = {}, total = 0 }
    for _, number in ipairs { "1001", "1002", "1003" } do
      local order = load_order(number)
      invoice.customer = order.customer
      local amount = order_total(order)
      table.insert(invoice.orders, { number = number, amount = money.round(amount) })
      invoice.total = invoice.total + amount
    end

    State.set("invoice", invoice)
    local clerk = Agent.create { model = "mock/echo", name = "clerk" }
    local asked = "Write to " .. invoice.customer .. ": " .. money.round(invoice.total) .. " EUR"
    print(clerk:execute(asked).text)
"""

RESEARCH = """\
    local questions = {
      { key = "capital", prompt = "What is the capital of Norway?" },
      { key = "people", prompt = "How many people live in Oslo?" },
      { key = "founded", prompt = "When was Oslo founded?" },
      { key = "river", prompt = "Which river flows through Oslo?" },
    }
    local agent = Agent.create {
      name = "researcher", model = "mock/scripted",
      options = { answers = { "Oslo.", "About 717,000.", "  In 1624.  ", "The Akerselva." } },
    }

    local function clean(text)
      text = text:gsub("^%s+", ""):gsub("%s+$", "")
      return (text:gsub("%.$", ""))
    end

    local facts = {}
    for i, question in ipairs(questions) do
      local reply = agent:execute { prompt = question.prompt }
      facts[question.key] = { text = clean(reply.text), order = i }
    end
    State.set("facts", facts)

    local function known(key, default)
      local kept = State.get("facts") or {}
      local fact = kept[key]
      return fact and fact.text or default
    end

    local summary = {}
    summary[#summary + 1] = "Oslo, founded " .. known("founded", "long ago")
    summary[#summary + 1] = "capital of " .. known("country", "Norway")
    local text = table.concat(summary, "; ")
    Artifact.store(nil, "summary.txt", text)
    print(text)
"""

PIPELINE = """\
    local jobs = {
      { slot = 1, input = "3 * 7" }, { slot = 2, input = "10 - 4" },
      { slot = 3, input = "2 ^ 5" }, { slot = 2, input = "100 / 8" },
      { slot = 4, input = "9 + 9" },
    }
    local results = {}

    local function compute(text)
      local answer = Tool.invoke("calculator", { expression = text })
      if not answer.success then error(answer.error) end
      return answer.result.result
    end

    local function worker(name)
      return coroutine.wrap(function(job)
        while job do
          local value = compute(job.input)
          results[job.slot] = { value = value, by = name }
          job = coroutine.yield(value)
        end
      end)
    end

    local workers = { worker("ann"), worker("bob") }
    for i, job in ipairs(jobs) do
      workers[i % 2 + 1](job)
    end

    local report = {}
    for slot, one in ipairs(results) do
      report[slot] = ("%d: %s (%s)"):format(slot, one.value, one.by)
    end
    print(table.concat(report, ", "))
"""


def asked(respell: CommandLine, *commands: str, options: tuple[str, ...] = ()) -> str:
    """Debug the last session from its end, with commands that come through a pipe."""
    ended = subprocess.run(
        [RESPELL, "debug", "@last", "--at", "end", *options], input="\n".join(commands) + "\n",
        env=respell.environment, cwd=respell.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture
def invoiced(respell: CommandLine) -> CommandLine:
    """An invoice was written yesterday, and its total is wrong."""
    (respell.folder / "orders").mkdir()
    for number, order in ORDERS.items():
        (respell.folder / "orders" / f"{number}.json").write_text(json.dumps(order))
    respell.script(MONEY, "money.lua")
    script = respell.script(INVOICE, "invoice.lua")
    assert respell("run", script).out == "Write to Fjord Foods: 257.25 EUR\n"
    return respell


def test_a_total_is_wrong_because_one_tool_gave_a_price_as_a_text(invoiced: CommandLine) -> None:
    shown = asked(invoiced, "origin invoice.total", "origin 3", "goto 6")
    assert (
        "[3] amount = 2.25\n      event 6 (tool.invoke json_processor), result.lines[1].qty = 2\n"
        in shown
    )
    assert 'event 6 (tool.invoke json_processor), result.lines[1].price = "1.250,00"' in shown
    assert "sum = sum + line_total(line, order.discount)  → 2.25" in shown
    assert shown.splitlines()[-2].startswith("6+0  invoice.lua:7 in load_order")


def test_the_price_is_followed_through_a_module_to_where_it_was_read(invoiced: CommandLine) -> None:
    (answer,) = [
        json.loads(line)["origin"]
        for line in asked(
            invoiced, "goto 6+14", "origin sum", options=("--json",)
        ).splitlines()[2:]
    ]  # fmt: skip
    price = answer["sources"][1]["sources"][1]
    assert (price["expression"], price["value"]["text"]) == ("price", "1.25")
    assert (price["event"], price["field"]) == (6, "result.lines[1].price")
    texts = [step["value"]["text"] for step in price["steps"]]
    assert texts[:4] == ["1.25", "1.25", '"1.25000"', '"1.250,00"']
    sources = [step["source"] for step in price["steps"]]
    assert sources[:5] == ["invoice.lua", "money.lua", "money.lua", "invoice.lua", "invoice.lua"]


def test_a_wrong_fact_went_through_a_table_a_function_and_state(respell: CommandLine) -> None:
    ran = respell("run", respell.script(RESEARCH, "research.lua"))
    assert ran.out == "Oslo, founded In 1624; capital of Norway\n"
    shown = asked(respell, "origin text", "origin 1", "goto 5")
    assert (
        '[1] summary[1] = "Oslo, founded In 1624"   event 5 (agent.request researcher, text)'
        in shown
    )
    assert '[2] summary[2] = "capital of Norway"   it stands in the script' in shown
    way = [
        "summary[#summary + 1] = ", "return fact and fact.text or default", "fact = kept[key]",
        'kept = State.get("facts") or {}', "State.get of event 8", 'State.set("facts", facts)',
        "facts[question.key] = ", "return (text:gsub(", "text = text:gsub(",
        "text ← clean(reply.text)", "reply = agent:execute({prompt = question.prompt})",
        "event 5 (agent.request researcher, text), artifact researcher_output_5.txt v1",
    ]  # fmt: skip
    at = 0
    for text in way:
        at = shown.index(text, at)
    assert '→ "  In 1624.  "' in shown


def test_an_item_was_overwritten_by_another_worker(respell: CommandLine) -> None:
    ran = respell("run", respell.script(PIPELINE, "pipeline.lua"))
    assert "2: 12.5 (ann)" in ran.out
    shown = asked(respell, "origin results[2].value", "values results[2].value", "origin report[2]")
    assert "event 5 (tool.invoke calculator, result.result)" in shown
    assert "results[job.slot] = {value = value, by = name}  → 12.5" in shown
    assert "results[2].value changed from 6.0 to 12.5 by pipeline.lua:18" in shown
    assert "[2] one.value = 12.5   event 5 (tool.invoke calculator, result.result)" in shown
    assert '[3] one.by = "ann"   it stands in the script at pipeline.lua:24' in shown


def test_sources_are_gone_into_by_number(invoiced: CommandLine) -> None:
    def refused(*commands: str) -> str:
        ended = subprocess.run(
            [RESPELL, "debug", "@last", "--at", "end"], input="\n".join(commands) + "\n",
            env=invoiced.environment, cwd=invoiced.folder, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert ended.returncode == 2
        return ended.stderr

    assert "no origin was asked for yet" in refused("origin 1")
    assert "it has 1 to 4" in refused("origin invoice.total", "origin 5")
    assert "invoice.customer has no source 1; it has none" in refused(
        "origin invoice.customer", "origin 1"
    )
    assert "origin takes an expression" in refused("origin")
    full = asked(invoiced, "origin full invoice.total")
    assert 'plain = value:gsub("[^%d.]", "")  → "1.25000"' in full
