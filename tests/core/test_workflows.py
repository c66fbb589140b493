"""Workflows of all four kinds: their steps, results, errors, callbacks and hooks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.store import Store

DOCS = (Path(__file__).parents[2] / "docs" / "workflows.md").read_text()
SHOWN = re.findall(r"^```lua\n(.*?)^```\n\n```text\n(.*?)^```", DOCS, flags=re.M | re.S)


@pytest.fixture
def shows(script: Any, store: Store) -> Any:
    """Run a script to its end, live and replayed as identical, and return its lines."""

    def run(text: str) -> list[str]:
        first = len(script.lines)
        done = script(text)
        assert done.session.status == "completed", done.session.error
        result = respell.replay(done.session, store=store)
        assert result.identical, result.divergence
        lines: list[str] = script.lines[first:]
        return lines

    return run


def test_every_example_of_the_docs_shows_its_output() -> None:
    assert len(SHOWN) == len(re.findall(r"^```lua$", DOCS, flags=re.M)) == 5


@pytest.mark.parametrize(("text", "output"), SHOWN)
def test_an_example_of_the_docs_prints_what_is_shown(shows: Any, text: str, output: str) -> None:
    assert "".join(f"{line}\n" for line in shows(text)) == output


def test_each_call_of_a_workflow_is_in_the_docs(shows: Any) -> None:
    (names,) = shows("""
        local w = Workflow.sequential{steps = {print}}
        local names = {}
        for name in pairs(getmetatable(w).__index) do names[#names + 1] = name end
        print(table.concat(names, ' '))
    """)
    camel = [it for it in names.split() if "_" not in it]
    assert len(camel) == 11
    assert [it for it in camel if f"w:{it}(" not in DOCS] == []


# Steps ----------------------------------------------------------------------------------------


def test_a_step_is_a_tool_an_agent_a_function_or_a_workflow(shows: Any) -> None:
    assert shows("""
        local echo = Agent.create{name = 'echo', model = 'mock/echo'}
        local inner = Workflow.sequential{name = 'inner', steps = {
          function(_, context) return context.input .. ' (inner)' end,
        }}
        local w = Workflow.sequential{name = 'all', steps = {
          {name = 'tool', type = 'tool', tool = 'base64_encoder',
           input = {operation = 'encode', input = '{{input:word}}'}},
          {name = 'by name', type = 'agent', agent = 'echo', input = 'got {{step:tool:output}}'},
          {name = 'itself', agent = echo},
          {name = 'custom', type = 'custom', parameters = {n = 1}, execute = function(context)
            return {success = true, output = context.previous.text .. context.parameters.n}
          end},
          {name = 'nested', workflow = inner, input = '{{step:custom:output}}'},
          {name = 'defined', workflow = {type = 'loop', iterator = {range = {['end'] = 2}},
            body = {function(_, context) return context.value + 10 end}}},
          inner,
        }}
        local r = w:execute{word = 'hi'}
        print(r.success, r.error)
        for _, step in ipairs(r.steps) do print(step.name, step.type, step.output) end
        print(r.data.final_output, r.steps_executed, r.steps[1].result.success)
    """) == [
        "true\tnil",
        "tool\ttool\taGk=",
        "by name\tagent\tgot aGk=",
        "itself\tagent\tgot aGk=",
        "custom\tfunction\tgot aGk=1",
        "nested\tworkflow\tgot aGk=1 (inner)",
        "defined\tworkflow\t11",
        "inner\tworkflow\t11 (inner)",
        "11 (inner)\t7\ttrue",
    ]


def test_step_execution_is_real(shows: Any) -> None:
    """v0.6.0's step executor answered calculator with 42 whatever it was asked."""
    assert shows("""
        local w = Workflow.sequential{name = 'calc', steps = {
          {name = 'c', type = 'tool', tool = 'calculator', input = {input = '6 * 9'}},
        }}
        print(w:execute().output)
    """) == ["54.0"]


def test_placeholders_take_values_from_steps_loops_input_and_data(shows: Any) -> None:
    assert shows("""
        local seen
        Tool.register('see', {}, function(params) seen = params return params end)
        local w = Workflow.sequential{steps = {
          {name = 'table', fn = function(_, context)
            context.data.unit = 'kg'
            return {prices = {1.5, 2}, name = 'x'}
          end},
          {name = 'see', tool = 'see', input = {
            list = '{{step:table:output.prices}}', second = '{{ step:table:output.prices.2 }}',
            text = 'a {{step:table:output.name}} of {{input:kind}} in {{data:unit}}',
            whole = '{{step:table}}', all = '{{input}}', other = '{{name}} {{#if}}',
          }},
        }}
        w:execute{kind = 'wood'}
        print(JSON.stringify(seen))
        local bad = Workflow.sequential{name = 'bad', steps = {
          {name = 'a', tool = 'see', input = {x = '{{step:nowhere:output}}'}},
        }}
        print(bad:execute().error)
        local loop = Workflow.sequential{steps = {{tool = 'see', input = {x = '{{loop:value}}'}}}}
        print(loop:execute().error)
    """) == [
        '{"all":{"kind":"wood"},"list":[1.5,2],"other":"{{name}} {{#if}}","second":2,'
        '"text":"a x of wood in kg","whole":{"name":"x","prices":[1.5,2]}}',
        'step a: {{step:nowhere:output}}: no step named "nowhere" is done yet',
        "step step_1: {{loop:value}} is only known inside of a loop",
    ]


def test_a_step_that_fails_may_be_healed_or_left_out(shows: Any) -> None:
    assert shows("""
        local w = Workflow.sequential{steps = {
          {name = 'read', tool = 'file_operations', input = {operation = 'read', path = 'none'},
           on_error = function(error) return {success = true, output = '{"total": 0}'} end},
          {name = 'total', tool = 'json_processor',
           input = {operation = 'query', input = '{{step:read:output}}', query = '.total'}},
          {name = 'extra', required = false, fn = function() error('never mind', 0) end},
          {name = 'soft', required = false, fn = function()
            return {success = false, error = 'soft'}
          end},
        }}
        local r = w:execute()
        print(r.success, r.steps[1].handled, r.steps[2].output)
        print(r.steps[3].error, r.steps[4].error, r.steps_failed, r.output)
    """) == ["true\ttrue\t0", "never mind\tsoft\t2\t0"]


@pytest.mark.parametrize(
    ("strategy", "outcome"),
    [
        ("nil", "false\tstep b: no\t2"),
        ("'fail_fast'", "false\tstep b: no\t2"),
        ("'stop'", "false\tstep b: no\t2"),
        ("'continue'", "false\tstep b: no\t3"),
        ("{type = 'retry', max_attempts = 2, backoff_ms = 0}", "false\tstep b: no\t2"),
        (
            "{type = 'retry', max_attempts = 2, backoff_ms = 0, on_exhausted = 'continue'}",
            "false\tstep b: no\t3",
        ),
        ("{type = 'retry', max_attempts = 3, backoff_ms = 0}", "true\tnil\t3"),
    ],
)
def test_error_strategies(shows: Any, strategy: str, outcome: str) -> None:
    (line,) = shows(f"""
        local tries = 0
        local r = Workflow.sequential{{error_strategy = {strategy}, steps = {{
          function() return 1 end,
          {{name = 'b', fn = function()
            tries = tries + 1
            if tries < 3 then error('no', 0) end
          end}},
          function() return 3 end,
        }}}}:execute()
        print(r.success, r.error, #r.steps)
    """)
    assert line == outcome


# The kinds ------------------------------------------------------------------------------------


def test_a_branch_is_chosen_by_any_kind_of_condition(shows: Any) -> None:
    assert shows("""
        local conditions = {
          'always', 'never', 'input > 3', 'input > 30', 'step:before:yes', true, false,
          function(context) return context.outputs.before == 'yes' end,
          {type = 'and', conditions = {'always', 'input == 5'}},
          {type = 'or', conditions = {'never', {type = 'not', condition = 'always'}}},
          {type = 'step_output_equals', step = 'before', expected = 'yes'},
          {type = 'shared_data_equals', key = 'colour', expected = 'red'},
          {type = 'custom', expression = 'data.colour == "blue"'},
          {tool = 'json_processor',
           input = {operation = 'query', input = '{"a": 2}', query = '.a > 1'}},
          {type = 'tool', tool = 'data_validation', input = {input = 'x', rules = {rules = {
            {type = 'email'}}}}},
        }
        local branches = {}
        for i, condition in ipairs(conditions) do
          local function step() return i end
          branches[i] = {name = tostring(i), condition = condition, steps = {step}}
        end
        local inner = {type = 'conditional', execute_all_matching = true, branches = branches}
        local w = Workflow.sequential{steps = {
          {name = 'before', fn = function(_, context) context.data.colour = 'red' return 'yes' end},
          {name = 'choose', workflow = inner, input = 5},
        }}
        print(table.concat(w:execute().data.choose.data.branches, ' '))
    """) == ["1 3 6 9 12 14"]


def test_conditions_see_the_steps_of_their_own_run(shows: Any) -> None:
    assert shows("""
        local w = Workflow.conditional{execute_all_matching = true, branches = {
          {name = 'one', condition = 'always',
           steps = {{name = 'a', fn = function() return 'yes' end}}},
          {name = 'two', condition = 'step:a:yes', steps = {function() return 2 end}},
          {name = 'three', condition = {type = 'step_result_equals', step = 'a', expected = 'no'},
           steps = {function() return 3 end}},
        }}
        local r = w:execute()
        print(table.concat(r.data.branches, ' '), r.data.matched_branches, r.output)
        local none = Workflow.conditional{branches = {{condition = 'never', steps = {print}}},
          default_branch = {function() return 'default' end}}
        print(none:execute().output, none:execute().data.branches[1])
        local strict = Workflow.conditional{branches = {{condition = 'never', steps = {print}}},
          default_branch = {print}, execute_default_on_no_match = false}
        print(strict:execute().success, strict:execute().output)
    """) == ["one two\t2\t2", "default\tdefault", "true\tnil"]


def test_a_loop_goes_over_ranges_lists_and_while_conditions(shows: Any) -> None:
    assert shows("""
        local function go(iterator, more)
          local definition = {iterator = iterator, body = {
            {name = 'v', fn = function(_, context) return context.value end},
          }}
          for key, value in pairs(more or {}) do definition[key] = value end
          local r = Workflow.loop(definition):execute{list = {'p', 'q'}, n = 3}
          print(table.concat(r.data.outputs, ' '), r.data.completed_iterations, r.break_reason)
        end
        go{range = {start = 1, ['end'] = 4}}
        go{range = {start = 5, ['end'] = -1, step = -2}}
        go{range = {['end'] = 2}}
        go{range = {['end'] = 0}}
        go{collection = {'a', 'b'}}
        go{collection = '{{input:list}}'}
        go{collection = function(context) return context.input.list end}
        go{while_condition = 'index < input.n'}
        go{while_condition = 'always', max_iterations = 2}
        go({while_condition = function() return true end}, {max_iterations = 4})
        go({range = {['end'] = 9}}, {break_conditions = {'never', 'value == 1'}})
        go({range = {['end'] = 9}}, {break_condition = function(c) return c.outputs.v == 2 end})
    """) == [
        "1 2 3\t3\tcompleted", "5 3 1\t3\tcompleted", "0 1\t2\tcompleted", "\t0\tcompleted",
        "a b\t2\tcompleted", "p q\t2\tcompleted", "p q\t2\tcompleted",
        "1 2 3\t3\tcondition", "1 2\t2\tmax_iterations", "1 2 3 4\t4\tmax_iterations",
        "0 1\t2\tbreak_condition_2", "0 1 2\t3\tbreak_condition_1",
    ]  # fmt: skip


def test_a_while_loop_without_bound_ends_after_a_hundred_rounds(shows: Any) -> None:
    assert shows("""
        local w = Workflow.loop{iterator = {while_condition = 'always'}, body = {function() end}}
        local r = w:execute()
        print(r.data.total_iterations, r.break_reason)
    """) == ["100\tmax_iterations"]


def test_a_loop_in_a_loop_knows_both(shows: Any) -> None:
    assert shows("""
        local w = Workflow.loop{iterator = {collection = {{1, 2}, {3}}}, body = {
          {name = 'row', type = 'loop', iterator = {collection = '{{loop:current_item}}'}, body = {
            {name = 'double', tool = 'calculator', input = {input = '{{loop:current_item}} * 2'}},
          }},
        }}
        for _, iteration in ipairs(w:execute().iterations) do
          print(iteration.index, table.concat(iteration.steps[1].result.data.outputs, ' '))
        end
    """) == ["1\t2.0 4.0", "2\t6.0"]


def test_a_loop_goes_on_after_a_failure_if_it_is_to(shows: Any) -> None:
    assert shows("""
        local function go(strategy)
          local function number(_, c) return assert(tonumber(c.value), 'no number') end
          local r = Workflow.loop{error_strategy = strategy, body = {{name = 'n', fn = number}},
            iterator = {collection = {'1', 'x', '3'}}}:execute()
          local data = r.data
          print(r.success, r.error, data.completed_iterations, #r.iterations, r.break_reason)
        end
        go('continue') go('fail')
    """) == [
        "false\titeration 2: step n: main.lua:3: no number\t2\t3\tcompleted",
        "false\titeration 2: step n: main.lua:3: no number\t1\t2\terror",
    ]


def test_results_are_aggregated_as_asked(shows: Any) -> None:
    assert shows("""
        for _, how in ipairs{'collect_all', 'collect_outputs', 'last_only', 'none'} do
          local r = Workflow.loop{aggregation_strategy = how, iterator = {range = {['end'] = 3}},
            body = {{name = 'v', fn = function(_, c) return c.value end}}}:execute()
          print(how, #r.results, type(r.results[1]), #r.iterations)
        end
    """) == [
        "collect_all\t3\ttable\t3", "collect_outputs\t3\tnumber\t3", "last_only\t1\ttable\t3",
        "none\t0\tnil\t3",
    ]  # fmt: skip


def test_never_more_branches_run_than_allowed(shows: Any) -> None:
    (line,) = shows("""
        local running, most = 0, 0
        local branches = {}
        for i = 1, 7 do
          branches[i] = {name = 'b' .. i, steps = {function()
            running = running + 1
            most = math.max(most, running)
            Utils.sleep(0.01)
            running = running - 1
            return i
          end}}
        end
        local r = Workflow.parallel{branches = branches, max_concurrency = 3}:execute()
        print(most, r.data.successful_branches, r.data.b7, r.output.b3)
    """)
    assert line == "3\t7\t7\t3"


def test_a_branch_that_is_not_required_may_fail(shows: Any) -> None:
    assert shows("""
        local function no() error('no', 0) end
        local w = Workflow.parallel{fail_fast = true, branches = {
          {name = 'optional', required = false, steps = {no}},
          {name = 'needed', steps = {function() Utils.sleep(0.01) return 'yes' end}},
        }}
        local r = w:execute()
        print(r.success, r.data.failed_branches, r.data.needed)
        local all = Workflow.parallel{branches = {no, function() Utils.sleep(0.01) return 1 end}}
        r = all:execute()
        print(r.success, r.error, r.branches[2].success)
    """) == ["true\t1\tyes", "false\tbranch branch_1: step step_1: no\ttrue"]


def test_workflows_in_the_branches_of_workflows_run_side_by_side(shows: Any) -> None:
    assert shows("""
        local function leaf(name, seconds)
          return {type = 'parallel', name = name, branches = {
            function() Utils.sleep(seconds) print(name .. ' 1') return 1 end,
            {name = 'loop', steps = {{type = 'loop', iterator = {range = {['end'] = 2}}, body = {
              function() Utils.sleep(seconds / 4) end,
            }}}},
          }}
        end
        local w = Workflow.parallel{branches = {
          {name = 'slow', steps = {leaf('slow', 1.5)}},
          {name = 'quick', steps = {leaf('quick', 0.04), function() print('quick is over') end}},
        }}
        local r = w:execute()
        print(r.success, r.data.slow.success, r.branches[2].steps[1].result.branches[2].success)
    """) == ["quick 1", "quick is over", "slow 1", "true\ttrue\ttrue"]


# Callbacks, state, lists ----------------------------------------------------------------------


def test_callbacks_are_called(shows: Any) -> None:
    """v0.6.0 acknowledged them and dropped them."""
    assert shows("""
        local w = Workflow.sequential{name = 'w', steps = {function(_, c)
          if c.input.fail then error('as asked', 0) end
          return 'fine'
        end}, on_start = function(input) print('on_start', input.fail) end}
        local made = w:onBeforeExecute(function(input) print('before', input.fail) end)
        print(made.workflow_id, made.hook_type)
        w:onAfterExecute(function(result) print('after', result.success) end)
        w:onError(function(error, info) print('error', error, info.workflow) end)
        w:execute{} w:execute{fail = true}
        local metrics = w:getMetrics().execution
        print(metrics.total_executions, metrics.successful_executions, metrics.failed_executions)
        print(metrics.average_duration_ms > 0, #metrics.last_execution_time)
    """) == [
        "workflow-1\ton_start",
        "on_start\tnil", "before\tnil", "after\ttrue",
        "on_start\ttrue", "before\ttrue", "error\tstep step_1: as asked\tw", "after\tfalse",
        "2\t1\t1", "true\t27",
    ]  # fmt: skip


def test_the_default_error_handler_hears_of_what_nothing_else_does(shows: Any) -> None:
    assert shows("""
        Workflow.setDefaultErrorHandler(function(error, info) print(info.workflow, error) end)
        local function no() error('no', 0) end
        Workflow.sequential{name = 'first', steps = {no}}:execute()
        local second = Workflow.sequential{name = 'second', steps = {no}, on_error = function() end}
        second:execute()
        Workflow.set_default_error_handler(nil)
        Workflow.sequential{name = 'third', steps = {no}}:execute()
    """) == ["first\tstep step_1: no"]


def test_branches_and_rounds_are_told_of(shows: Any) -> None:
    assert shows("""
        Workflow.parallel{branches = {{name = 'b', steps = {function() return 1 end}}},
          on_branch_complete = function(name, branch) print(name, branch.output) end}:execute()
        Workflow.loop{
          iterator = {range = {['end'] = 2}}, body = {function(_, c) return c.value end},
          on_iteration = function(index, it) print(index, it.output) end,
        }:execute()
    """) == ["b\t1", "1\t0", "2\t1"]


def test_a_workflow_has_state_of_its_own(shows: Any) -> None:
    assert shows("""
        local w = Workflow.sequential{name = 'counter', steps = {print}}
        print(w:setState('n', 3), w:getState('n'), State.get('workflow:counter', 'n'))
        w:set_state{a = 1, b = {2}}
        print(JSON.stringify(w:get_state()))
        print(table.concat(w:debug().runtime.state_keys, ' '))
    """) == ["true\t3\t3", '{"a":1,"b":[2],"n":3}', "a b n"]


def test_a_workflow_publishes_events(shows: Any) -> None:
    """v0.6.0 looked for an Event.emit that there was not, and said it had."""
    assert shows("""
        local heard = Event.subscribe('workflow.*')
        local w = Workflow.sequential{name = 'w', steps = {print}}
        print(w:emit('workflow.ready', {n = 1}).success)
        local event = Event.receive(heard, 2000)
        print(event.event_type, event.data.workflow_name, event.data.data.n)
        print(pcall(w.emit, w))
    """) == [
        "true", "workflow.ready\tw\t1",
        "false\tmain.lua:7: workflow:emit: the event's type must be a string, not nil",
    ]  # fmt: skip


def test_workflows_are_listed_found_and_removed(shows: Any) -> None:
    assert shows("""
        print(table.concat(Workflow.types(), ' '))
        local function seven() return 7 end
        local id = Workflow.register('sequential', {name = 'a', steps = {seven}})
        local b = Workflow.parallel{name = 'b', description = 'beside', branches = {print}}
        print(id, Workflow.get(id):execute().output, Workflow.get('b') == b, Workflow.get('c'))
        for _, it in ipairs(Workflow.list()) do print(it.id, it.name, it.type, it.description) end
        local strategy = b:getInfo().error_strategy
        print(Workflow.remove('a'), Workflow.remove('a'), #Workflow.list(), strategy)
        Workflow.clear()
        print(#Workflow.list(), b.name, b.type, b.id, tostring(b))
    """) == [
        "sequential conditional loop parallel",
        "workflow-1\t7\ttrue\tnil",
        "workflow-1\ta\tsequential\tnil", "workflow-2\tb\tparallel\tbeside",
        "true\tfalse\t1\tcontinue",
        "0\tb\tparallel\tworkflow-2\tWorkflow: b (parallel)",
    ]  # fmt: skip


def test_validating_says_what_is_not_there(shows: Any) -> None:
    assert shows("""
        local w = Workflow.conditional{branches = {{name = 'x', condition = 'always', steps = {
          {name = 'a', tool = 'no_such_tool'}, {name = 'b', agent = 'nobody'},
          {name = 'c', type = 'custom', ['function'] = 'no_function'},
          {name = 'd', workflow = 'none'},
          {name = 'e', workflow = {type = 'sequential', steps = {{name = 'f', tool = 'neither'}}}},
          {name = 'g', tool = 'calculator'},
        }}}}
        local found = w:validate()
        print(found.valid, table.concat(found.errors, '; '))
        print(found.warnings[1])
        print(Workflow.sequential{steps = {print}}:validate().valid)
    """) == [
        'false\tstep a: there is no tool "no_such_tool"; step b: there is no agent named "nobody"; '
        'step c: there is no global function named "no_function"; step d: there is no workflow '
        'named "none"; step f: there is no tool "neither"',
        "there is no default_branch for where no condition holds",
        "true",
    ]


def test_with_debug_each_step_is_in_the_log(shows: Any) -> None:
    assert shows("""
        local w = Workflow.sequential{name = 'w', steps = {{name = 'a', fn = function() end}}}
        Workflow.enableDebug(true)
        print(Workflow.isDebugEnabled())
        w:execute()
        Workflow.enableDebug(false)
        w:execute()
    """) == ["true", "workflow w: step a (function)"]


def test_what_is_done_twice_is_counted_anew(shows: Any) -> None:
    assert shows("""
        local w = Workflow.loop{iterator = {range = {['end'] = 2}}, body = {function() end}}
        print(w:execute().data.total_iterations, w:execute().data.total_iterations)
    """) == ["2\t2"]


# Mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("sequential(5)", "Workflow.sequential: a table is expected, got number"),
        ("sequential{}", "Workflow.sequential: steps must be a list of at least one step"),
        (
            "sequential{steps = {5}}",
            "step 1 must be a function, a workflow or a table, not a number",
        ),
        ("sequential{step = {print}}", "unknown option step; there are steps, name, description"),
        ("sequential{steps = {{name = 'x'}}}", "step 1 must be a function, a workflow, or a table"),
        ("sequential{steps = {{type = 'tol'}}}", "step 1 has the type tol; there are tool, agent"),
        ("sequential{steps = {{tool = 5}}}", "step 1 must name its tool"),
        ("sequential{steps = {{fn = print, timout = 1}}}", "step 1 has no option timout"),
        (
            "sequential{steps = {{fn = print, timeout_ms = -1}}}",
            "step 1: timeout_ms must be a number of milliseconds above 0, not -1",
        ),
        ("sequential{timeout_ms = 'x', steps = {print}}", "timeout_ms must be a number of"),
        ("sequential{error_strategy = 'giveup', steps = {print}}", 'not "giveup"'),
        (
            "sequential{error_strategy = {type = 'retry', max = 3}, steps = {print}}",
            "error_strategy has no option max",
        ),
        (
            "sequential{steps = {{fn = print, retry_attempts = 1.5}}}",
            "must be an integer from 0 to",
        ),
        ("sequential{on_start = 5, steps = {print}}", "on_start must be a function, not a number"),
        ("sequential{name = '', steps = {print}}", "name must be a string that is not empty"),
        ("sequential{aggregation_strategy = 'x', steps = {print}}", "aggregation_strategy must be"),
        ("conditional{branches = {{steps = {print}}}}", "branches[1] must have a condition"),
        (
            "conditional{branches = {{condition = 'a b', steps = {print}}}}",
            'branches[1].condition: the condition "a b" is no Lua expression',
        ),
        (
            "conditional{branches = {{condition = {type = 'xor'}, steps = {print}}}}",
            "branches[1].condition has the type xor; there are always, never",
        ),
        (
            "conditional{branches = {{condition = {type = 'and'}, steps = {print}}}}",
            "branches[1].condition of type and needs conditions",
        ),
        ("loop{body = {print}}", "iterator must be a table with range, collection or while"),
        ("loop{iterator = {}, body = {print}}", "iterator must have range, collection or while"),
        ("loop{iterator = {range = {['end'] = 1, step = 0}}, body = {print}}", "must not be 0"),
        ("loop{iterator = {collection = 5}, body = {print}}", "must be a list, not a number"),
        ("loop{iterator = {range = {['end'] = 1}}}", "body must be a list of at least one step"),
        ("parallel{branches = {}}", "branches must be a list of at least one"),
        ("parallel{branches = {print}, max_concurrency = 0}", "max_concurrency must be an integer"),
        ("register('round', {})", "there is no type round; there are sequential, conditional"),
    ],
)
def test_a_mistake_in_a_definition_is_told_where_it_is_made(
    script: Any, definition: str, message: str
) -> None:
    script(f"print(pcall(function()\n  Workflow.{definition}\nend))")
    (line,) = script.lines
    assert line.startswith("false\tmain.lua:2: Workflow."), line
    assert message in line


def test_methods_want_a_workflow(script: Any) -> None:
    script("print(pcall(Workflow.sequential{steps = {print}}.execute, {}))")
    assert script.lines == [
        "false\tmain.lua:1: workflow:execute: call it with a colon on a workflow, as in "
        "workflow:execute(…)"
    ]


# Hooks ----------------------------------------------------------------------------------------


def test_hooks_surround_workflows_and_their_stages(shows: Any) -> None:
    assert shows("""
        for _, point in ipairs{'BeforeWorkflowStart', 'BeforeWorkflowStage', 'AfterWorkflowStage',
            'WorkflowStageTransition', 'AfterWorkflowComplete', 'WorkflowError'} do
          Hook.register(point, function(context)
            local d = context.data
            local what = d.stage_name or d.from_stage or d.error or d.input
            print(point, context.component_id.name, what)
          end)
        end
        local w = Workflow.sequential{name = 'w', steps = {
          {name = 'a', fn = function() return 1 end},
          {name = 'b', fn = function(_, c)
            if c.input == 'bad' then error('no', 0) end
            return 2
          end},
        }}
        print(w:execute('good').output)
        print(w:execute('bad').error)
    """) == [
        "BeforeWorkflowStart\tw\tgood",
        "BeforeWorkflowStage\tw\ta", "AfterWorkflowStage\tw\tnil",
        "WorkflowStageTransition\tw\ta",
        "BeforeWorkflowStage\tw\tb", "AfterWorkflowStage\tw\tnil",
        "AfterWorkflowComplete\tw\tnil", "2",
        "BeforeWorkflowStart\tw\tbad",
        "BeforeWorkflowStage\tw\ta", "AfterWorkflowStage\tw\tnil",
        "WorkflowStageTransition\tw\ta",
        "BeforeWorkflowStage\tw\tb", "AfterWorkflowStage\tw\tno",
        "WorkflowError\tw\tstep b: no", "step b: no",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("point", "result", "outcome"),
    [
        (
            "BeforeWorkflowStage",
            "'not this one'",
            "step t: main.lua:4: cancelled by h: not this one",
        ),
        ("BeforeWorkflowStage", "{type = 'replace', data = 'instead'}", "instead"),
        (
            "BeforeWorkflowStage",
            "{type = 'modified', data = {input = {operation = 'uppercase', input = 'other'}}}",
            "OTHER",
        ),
        (
            "AfterWorkflowStage",
            "{type = 'modified', data = {success = true, output = 'changed'}}",
            "changed",
        ),
        (
            "AfterWorkflowStage",
            "{type = 'modified', data = {success = false, error = 'spoilt'}}",
            "step t: spoilt",
        ),
        (
            "BeforeWorkflowStart",
            "{type = 'modified', data = {input = 'else'}}",
            "ELSE",
        ),
        ("BeforeWorkflowStart", "{type = 'cancel', reason = 'closed'}", "cancelled by h: closed"),
        ("AfterWorkflowComplete", "{type = 'replace', data = {output = 'all new'}}", "all new"),
    ],
)
def test_what_hooks_of_workflows_return_counts(
    shows: Any, point: str, result: str, outcome: str
) -> None:
    (line,) = shows(f"""
        local w = Workflow.sequential{{name = 'w', steps = {{{{
          name = 't', tool = 'text_manipulator',
          input = {{operation = 'uppercase', input = '{{{{input}}}}'}},
        }}}}}}
        Hook.register('{point}', function() return {result} end, {{name = 'h'}})
        local ok, r = pcall(w.execute, w, 'word')
        print(ok and (r.output or r.error) or r)
    """)
    assert re.sub(r"main\.lua:\d+", "main.lua:4", line).endswith(outcome)


def test_a_hook_at_the_error_may_have_it_done_again(shows: Any) -> None:
    assert shows("""
        local tries = 0
        local w = Workflow.sequential{name = 'w', steps = {function()
          tries = tries + 1
          if tries < 3 then error('not yet', 0) end
          return tries
        end}}
        Hook.register('WorkflowError', function()
          return {type = 'retry', max_attempts = 5, delay_ms = 1}
        end)
        print(w:execute().output)
    """) == ["3"]
