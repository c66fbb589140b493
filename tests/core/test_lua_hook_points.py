"""The points that hooks written in Lua can be at: each is fired by what it is named after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import respell
from core.lua_harness import new_lua
from respell.hooks.points import NEVER_FIRED, POINTS
from respell.store import Store

LUA = Path(respell.__file__).parent / "lua"

ONLY_IN_THE_HOST = {
    "BeforeEffect", "AfterEffect", "EffectError", "SystemStartup",
    "SystemShutdown", "ConfigurationChange", "PerformanceThresholdExceeded",
}  # fmt: skip
"""Points that nothing fires in the script's process."""


def lua_table() -> tuple[dict[str, str], dict[str, str]]:
    """Return the points of the Lua side and where they stand, and their spellings."""
    lua = new_lua()
    install = lua.execute(b"""
        return function(source)
          local raw = { type = type, error = error, ipairs = ipairs }
          raw.string, raw.table = string, table
          local engine = { raw = raw, where = function() return "" end }
          load(source)()(engine)
          return engine.hook_point
        end
    """)
    point = install((LUA / "hook_points.lua").read_bytes())
    places, spellings = {}, {}
    for one in POINTS.values():
        for name in one.names():
            try:
                found = point(name.encode())
            except Exception:  # noqa: BLE001 - Lua's own: nothing fires it
                continue
            spellings[name] = found[0].decode()
            places[found[0].decode()] = found[1].decode()
    return places, spellings


def test_both_languages_have_the_same_points_in_the_same_places() -> None:
    places, spellings = lua_table()
    expected = {name: it.when for name, it in POINTS.items() if name not in ONLY_IN_THE_HOST}
    assert places == expected
    assert spellings == {
        spelling: it.name
        for it in POINTS.values()
        if it.name not in ONLY_IN_THE_HOST
        for spelling in it.names()
    }


@pytest.mark.parametrize("point", sorted({*NEVER_FIRED, *ONLY_IN_THE_HOST, "BeforeBreakfast"}))
def test_a_point_that_nothing_fires_is_refused_by_name(script: Any, point: str) -> None:
    script(f"print(pcall(Hook.register, '{point}', print))")
    (line,) = script.lines
    assert line.startswith(f'false\tmain.lua:1: hook point "{point}" is not fired by anything here')
    assert "BeforeToolExecution" in line


def fired(script: Any, store: Store, points: str, text: str) -> list[str]:
    """Run a script with a hook at each of these points; return what they were told."""
    names = ", ".join(f"'{one}'" for one in points.split())
    done = script(
        f"""
        for _, point in ipairs{{{names}}} do
          Hook.register(point, function(c)
            print(c.point, c.component_id.type, c.component, JSON.stringify(c.data or 'nil'))
          end)
        end
        {text}
        """
    )
    assert done.session.status == "completed", done.session.error
    replayed = respell.replay(done.session, store=store)
    assert replayed.identical, replayed.divergence
    return [line for line in script.lines if "\t" in line]


def points_of(lines: list[str]) -> list[str]:
    return [line.split("\t")[0] for line in lines]


def test_points_around_calls_of_tools(script: Any, store: Store) -> None:
    lines = fired(
        script, store,
        "ToolValidation BeforeToolExecution AfterToolExecution ToolError",
        "Tool.invoke('calculator', {input = '1 + 2'})\n"
        "pcall(Tool.invoke, 'calculator', {operation = 'none'})\n"
        "pcall(Tool.invoke, 'calculator', {inptu = '1'})\n"
        "pcall(Tool.invoke, 'nowhere', {})",
    )  # fmt: skip
    assert points_of(lines) == [
        "ToolValidation", "BeforeToolExecution", "AfterToolExecution",
        "ToolValidation", "BeforeToolExecution", "ToolError",
    ]  # fmt: skip
    assert lines[0] == 'ToolValidation\ttool\tcalculator\t{"input":"1 + 2"}'


def test_points_around_the_lookup_of_tools(script: Any, store: Store) -> None:
    lines = fired(
        script, store, "BeforeToolDiscovery AfterToolDiscovery",
        "Tool.list() Tool.get('calculator') Tool.exists('x') Tool.categories()\n"
        "Tool.discover{category = 'utility'}",
    )  # fmt: skip
    assert points_of(lines) == ["BeforeToolDiscovery", "AfterToolDiscovery"] * 5
    assert lines[2] == (
        'BeforeToolDiscovery\ttool\tcalculator\t{"name":"calculator","operation":"get"}'
    )


def test_what_is_found_of_tools_can_be_changed(script: Any, store: Store) -> None:
    script("""
        Hook.register('AfterToolDiscovery', function(c)
          if c.metadata.operation == 'tool.list' then return {type = 'modified', data = {}} end
        end)
        print(#Tool.list(), Tool.get('calculator').name)
    """)
    assert script.lines == ["0\tcalculator"]


def test_points_around_agents(script: Any, store: Store) -> None:
    lines = fired(
        script, store,
        "BeforeAgentInit AfterAgentInit BeforeAgentExecution AfterAgentExecution AgentError "
        "BeforeAgentShutdown AfterAgentShutdown",
        """
        local joe = Agent.create{model = 'mock/echo', name = 'joe'}
        joe:execute('hello')
        joe:invoke{text = 'hello'}
        joe:stream('hello', function() end)
        joe:destroy()
        local bad = Agent.create{model = 'mock/echo', name = 'bad', options = {fail = 'refused'}}
        pcall(bad.execute, bad, 'hello')
        """,
    )  # fmt: skip
    init = ["BeforeAgentInit", "AfterAgentInit"]
    run = ["BeforeAgentExecution", "AfterAgentExecution"]
    assert points_of(lines)[:10] == [*init, *run * 3, "BeforeAgentShutdown", "AfterAgentShutdown"]
    assert points_of(lines)[10:] == [*init, "BeforeAgentExecution", "AgentError"]
    assert lines[2] == 'BeforeAgentExecution\tagent\tjoe\t{"prompt":"hello"}'


def test_an_agent_can_be_redirected_to_another(script: Any, store: Store) -> None:
    done = script("""
        local joe = Agent.create{model = 'mock/echo', name = 'joe'}
        Agent.create{model = 'mock/echo', name = 'ann'}
        Hook.register('BeforeAgentExecution', function(c)
          if c.component == 'joe' then return {type = 'redirect', target = c.data.prompt} end
        end)
        Hook.register('AfterAgentExecution', function(c)
          c.data.text = c.data.text .. ', said ' .. c.data.metadata.agent
          return {type = 'modified', data = c.data}
        end)
        print(joe:execute('ann').text)
        print(pcall(joe.execute, joe, 'bob'))
    """)
    assert script.lines[0] == "ann, said ann"
    assert 'a hook redirects to the agent "bob", and there is none' in script.lines[1]
    assert respell.replay(done.session, store=store).identical


def test_points_around_state(script: Any, store: Store) -> None:
    lines = fired(
        script, store, "BeforeStateRead AfterStateRead BeforeStateWrite AfterStateWrite",
        "State.set('k', 1) State.get('k') State.delete('global', 'k') State.list()",
    )  # fmt: skip
    read, write = ["BeforeStateRead", "AfterStateRead"], ["BeforeStateWrite", "AfterStateWrite"]
    assert points_of(lines) == [*write, *read, *write, *read]
    assert lines[0] == 'BeforeStateWrite\tstate\tk\t{"key":"k","value":1}'
    assert lines[3] == "AfterStateRead\tstate\tk\t1"
    assert lines[4] == 'BeforeStateWrite\tstate\tk\t{"key":"k","scope":"global"}'


def test_state_is_read_and_written_as_hooks_say(script: Any, store: Store) -> None:
    done = script("""
        Hook.register('BeforeStateWrite', function(c)
          if c.data.value == nil then return 'nothing is deleted here' end
          return {type = 'modified', data = {key = c.data.key, value = c.data.value * 2}}
        end)
        Hook.register('AfterStateRead', function(c)
          return {type = 'modified', data = (c.data or 0) + 1}
        end)
        State.set('k', 5)
        print(State.get('k'), State.get('none'), pcall(State.delete, 'k'))
    """)
    assert script.lines[0].startswith("11\t1\tfalse\tmain.lua:")
    assert respell.replay(done.session, store=store).identical


def test_points_around_artifacts(script: Any, store: Store) -> None:
    lines = fired(
        script, store,
        "artifact:before_create artifact:after_create artifact:accessed artifact:before_delete "
        "artifact:after_delete",
        """
        local id = Artifact.store(nil, 'a.txt', 'text')
        Artifact.derive(nil, id, 'b.txt', 'more')
        Artifact.get(nil, id) Artifact.getContent(nil, id) Artifact.delete(nil, id)
        """,
    )  # fmt: skip
    made = ["artifact:before_create", "artifact:after_create"]
    gone = ["artifact:before_delete", "artifact:after_delete"]
    assert points_of(lines) == [*made, *made, *["artifact:accessed"] * 2, *gone]


def test_content_is_stored_and_handed_out_as_hooks_say(script: Any, store: Store) -> None:
    script("""
        Hook.register('artifact:before_create', function(c)
          c.data.content = c.data.content:upper()
          return {type = 'modified', data = c.data}
        end)
        Hook.register('artifact:accessed', function(c)
          c.data.content = c.data.content .. '!'
          return {type = 'modified', data = c.data}
        end)
        local id = Artifact.store(nil, 'a.txt', 'text')
        print(Artifact.get(nil, id).content, Artifact.getContent(nil, id), id.sequence > 0)
    """)
    assert script.lines == ["TEXT!\tTEXT!\ttrue"]


@pytest.mark.parametrize(
    ("point", "asked", "wanted"),
    [
        ("artifact:before_create", "Artifact.store(nil, 'b', 'x')", "the id of an artifact"),
        ("artifact:after_create", "Artifact.store(nil, 'b', 'x')", "the id of an artifact"),
        ("artifact:accessed", "Artifact.get(nil, id)", "a table with id and content"),
        ("artifact:accessed", "Artifact.getContent(nil, id)", "a table with content or value"),
        ("AfterToolDiscovery", "Tool.get('calculator')", "the description of a tool, or nil"),
        (
            "BeforeAgentInit", "Agent.create{model = 'mock/echo'}",
            "what an agent is made of, with name and model",
        ),
    ],
)  # fmt: skip
def test_what_hooks_make_of_an_outcome_has_to_be_one(
    script: Any, store: Store, point: str, asked: str, wanted: str
) -> None:
    script(f"""
        local id = Artifact.store(nil, 'a', 'x')
        local hook = Hook.register('{point}', function() return {{type = 'replace', data = 5}} end)
        print(pcall(function() return {asked} end))
    """)
    call = asked.partition("(")[0].partition("{")[0]
    found = f"main.lua:4: {call}: hooks made its outcome a number; it must be {wanted}"
    assert script.lines == [f"false\t{found}"]


def test_points_of_sessions_without_program(script: Any, store: Store) -> None:
    lines = fired(
        script, store,
        "session:start session:suspend session:resume session:end session:save session:archive "
        "session:delete",
        """
        local s = Session.create{name = 'x', tags = {'t'}}
        s:suspend() s:resume() s:save() Session.fail(s, 'because') s:archive() s:delete()
        """,
    )  # fmt: skip
    assert points_of(lines) == [
        "SessionStart", "SessionCheckpoint", "SessionRestore", "SessionSave", "SessionEnd",
        "SessionArchive", "SessionDelete", "SessionEnd",
    ]  # fmt: skip
    assert lines[0] == 'SessionStart\tsession\tx\t{"name":"x","tags":["t"]}'
    assert '"reason":"because"' in lines[4]
    assert '"session_status":"active"' in lines[4]


def test_no_hook_fires_for_an_operation_that_is_going_to_be_refused(
    script: Any, store: Store
) -> None:
    """In v0.6.0 they fired before the transition was looked at."""
    lines = fired(
        script, store, "session:start session:suspend session:resume session:archive session:save",
        """
        pcall(Session.create, {nmae = 'x'})
        pcall(Session.archive, Session.getCurrent())
        pcall(Session.suspend, '00000000-0000-4000-8000-000000000000')
        pcall(Session.save, 'nothing like an id')
        """,
    )  # fmt: skip
    assert lines == []


def test_what_hooks_say_of_sessions_is_done(script: Any, store: Store) -> None:
    done = script("""
        Hook.register('SessionStart', function(c)
          c.data.tags = {'tagged by a hook'}
          return {type = 'modified', data = c.data}
        end)
        Hook.register('SessionEnd', function(c)
          if c.metadata.operation == 'session.complete' then
            return {type = 'redirect', target = 'fail'}
          end
        end)
        Hook.register('SessionCheckpoint', function() return 'stay' end)
        local s = Session.create{name = 'x'}
        print(s.tags[1], pcall(Session.suspend, s))
        Session.complete(s)
        print(s.status)
    """)
    assert script.lines[0].startswith("tagged by a hook\tfalse\tmain.lua:")
    assert script.lines[1] == "failed"
    assert respell.replay(done.session, store=store).identical


def test_the_running_program_is_suspended_and_resumed_around_its_hooks(
    script: Any, store: Store
) -> None:
    waiting = script("""
        Hook.register('SessionCheckpoint', function(c)
          return {type = 'modified', data = {prompt = c.data.prompt .. '?'}}
        end)
        Hook.register('SessionRestore', function(c)
          print('restored', c.data.value, c.data.session_status)
          return {type = 'modified', data = {value = c.data.value .. '!'}}
        end)
        Hook.register('SessionEnd', function(c) print('over', c.data.session_status) end)
        print(Session.suspend{prompt = 'your name'})
    """)
    assert waiting.session.waiting_for["prompt"] == "your name?"
    done = script.resume(waiting.session, value="Ann")
    assert script.lines == ["restored\tAnn\tactive", "Ann!", "over\tcompleted"]
    assert respell.replay(done.session, store=store).identical


@pytest.mark.parametrize(
    ("text", "status", "told"),
    [
        ("", "completed", "completed\tnil"),
        ("Session.complete(Session.getCurrent())", "completed", "active\tnil"),
        ("Session.fail(Session.getCurrent(), 'why')", "failed", "active\twhy"),
        ("os.exit(0)", "completed", "completed\tnil"),
        ("error('broken', 0)", "failed", "failed\tbroken"),
    ],
)
def test_hooks_hear_of_every_end_of_the_script(
    script: Any, store: Store, text: str, status: str, told: str
) -> None:
    done = script(
        "Hook.register('session:end', function(c) print(c.data.session_status, c.data.reason)"
        f" end)\n{text}"
    )
    assert done.session.status == status
    assert script.lines == [told]
    assert respell.replay(done.session, store=store).identical


def test_a_cancelled_end_of_the_program_raises_where_it_was_asked_for(
    script: Any, store: Store
) -> None:
    done = script("""
        Hook.register('SessionEnd', function() return 'not yet' end, {name = 'never'})
        print(pcall(Session.complete, Session.getCurrent()))
        print('still here')
    """)
    assert script.lines[0].endswith("cancelled by never: not yet")
    assert script.lines[1] == "still here"
    assert done.session.status == "completed"  # its own end can't be cancelled
    assert script.lines[2].startswith("hook never failed: a hook can't return cancel")


def test_a_refused_effect_is_a_violation_and_a_limit_is_told(script: Any, store: Store) -> None:
    lines = fired(
        script, store, "SecurityViolation ResourceLimitExceeded",
        """
        pcall(io.open, '/etc/passwd')
        pcall(Tool.invoke, 'file_operations', {operation = 'read', path = '/etc/shadow'})
        local s = Session.create{limits = {operations = 1}}
        Session.addTag(s, 'a') pcall(Session.addTag, s, 'b')
        """,
    )  # fmt: skip
    assert [line.split("\t")[:3] for line in lines] == [
        ["SecurityViolation", "system", "file.open"],
        ["SecurityViolation", "system", "tool.invoke"],
        ["ResourceLimitExceeded", "system", "session.add_tag"],
    ]  # fmt: skip


def test_points_of_the_script_itself_are_triggered_by_it(script: Any, store: Store) -> None:
    done = script("""
        print(Hook.trigger('custom:review', {score = 1}).score)
        Hook.register('custom:review', function(c)
          if c.data.score < 0 then return 'too low' end
          c.data.score = c.data.score + 1
          return {type = 'modified', data = c.data}
        end, {name = 'review'})
        print(Hook.trigger('custom:review', {score = 1}).score)
        print(pcall(Hook.trigger, 'custom:review', {score = -1}))
        print(pcall(Hook.trigger, 'BeforeToolExecution', {}))
    """)
    assert script.lines[:2] == ["1", "2"]
    assert script.lines[2].endswith("cancelled by review: too low")
    assert "the point must be custom:NAME" in script.lines[3]
    assert respell.replay(done.session, store=store).identical
