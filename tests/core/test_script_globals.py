"""Logger, Utils, State, Session and Artifact as scripts use them: real runs, real workers."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from respell.engine.program import Program
from respell.engine.replay import replay
from respell.engine.run import Run, RunResult, resume, start
from respell.errors import UsageError
from respell.history.events import events
from respell.sessions.record import SessionRecord
from respell.store import Store

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@dataclass
class Ran:
    """What a run left: its session, and what it printed and logged."""

    result: RunResult
    output: list[str] = field(default_factory=list)
    logged: list[tuple[str, str]] = field(default_factory=list)

    @property
    def session(self) -> SessionRecord:
        return self.result.session

    @property
    def error(self) -> str:
        return str((self.session.error or {}).get("message"))


class Bench:
    """A store and a folder to run scripts in."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self.store = store

    def run(self, script: str, *, completes: bool = True, **options: Any) -> Ran:
        """Run a script to its end, and see that re-execution does the same."""
        path = self.folder / "script.lua"
        path.write_text(dedent(script).removeprefix("\n"))
        program = Program.from_file(path)
        ran = self.go(lambda hear: start(
            self.store, program, script=str(path), on_output=hear, **options
        ))  # fmt: skip
        if completes:
            assert ran.result.ended.status == "completed", ran.error
        found = replay(self.store, ran.session)
        assert found.divergence is None
        assert found.output_identical
        return ran

    def resume(self, ran: Ran, **options: Any) -> Ran:
        """Resume a suspended session."""
        return self.go(lambda hear: resume(self.store, ran.session, on_output=hear, **options))

    def go(self, begin: Any) -> Ran:
        output: list[str] = []
        logged: list[tuple[str, str]] = []

        def hear(name: str, text: bytes) -> None:
            if name.startswith("log."):
                logged.append((name, text.decode()))
            else:
                output.append(text.decode().removesuffix("\n"))

        run: Run = begin(hear)
        return Ran(run.go(), output, logged)

    def names(self, ran: Ran) -> list[str]:
        """The names of a session's events that the script caused."""
        found = events(self.store, ran.session.key)
        return [event.name for event in found if event.kind == "effect"]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with Store(tmp_path / "store", durability="process") as store:
        yield Bench(folder, store)


# The release notes' own snippets ---------------------------------------------------------


def test_the_session_snippet_of_the_release_notes_works_as_written(bench: Bench) -> None:
    ran = bench.run("""
        local session = Session.create({
            name = "research_session",
            max_duration = 3600,  -- 1 hour
            tags = {"research", "analysis"}
        })

        -- Suspend and resume sessions
        Session.suspend(session.id)
        -- ... later ...
        Session.resume(session.id)

        -- Save and restore sessions
        Session.save(session.id)
        local restored = Session.load(session.id)

        -- Get current session context
        Session.setCurrent(session.id)
        local current = Session.getCurrent()

        print(restored == session, current == session, current.name, session.status)
        print(table.concat(session.tags, ","))
        """)
    assert ran.output == ["true\ttrue\tresearch_session\tactive", "research,analysis"]


def test_the_artifact_snippet_of_the_release_notes_works_as_written(bench: Bench) -> None:
    (bench.folder / "report.pdf").write_bytes(b"%PDF-1.7 \x00\xff")
    ran = bench.run("""
        local session = Session.create({ name = "market" })
        -- Store artifacts with metadata
        local artifact_id = Artifact.store(session.id, "analysis.json", {
            summary = "Market analysis complete",
            revenue = 1000000,
            growth = 0.15
        }, {
            mime_type = "application/json",
            tags = {"quarterly", "finance"}
        })

        -- Retrieve artifacts
        local artifact = Artifact.get(session.id, artifact_id)
        local content = Artifact.getContent(session.id, artifact_id)

        -- Query artifacts
        local artifacts = Artifact.list(session.id, {
            artifact_type = "UserInput",
            tags = {"finance"}
        })

        -- Store files directly
        local file_id = Artifact.storeFile(session.id, "report.pdf", {
            description = "Q4 financial report"
        })

        print(artifact.metadata.name, artifact.metadata.mime_type, artifact.content)
        print(content.summary, content.revenue, content.growth)
        print(#artifacts, artifacts[1].name, artifacts[1].id == artifact_id)
        local file = Artifact.get(session.id, file_id)
        print(file.metadata.description, file.metadata.mime_type, #file.content)
        """)
    assert ran.output == [
        'analysis.json\tapplication/json\t{"growth":0.15,"revenue":1000000,'
        '"summary":"Market analysis complete"}',
        "Market analysis complete\t1000000\t0.15",
        "1\tanalysis.json\ttrue",
        "Q4 financial report\tapplication/pdf\t11",
    ]


def test_the_policy_snippet_of_the_release_notes_works_as_written(bench: Bench) -> None:
    ran = bench.run("""
        local session = Session.create({
            name = "limited_session",
            max_duration = 600,  -- 10 minutes
            max_idle_time = 120  -- 2 minute idle timeout
        })
        local limits = Session.get(session).limits
        print(limits.max_duration, limits.max_idle_time)
        """)
    assert ran.output == ["600.0\t120.0"]


# Ids that answer fields ------------------------------------------------------------------


def test_an_id_is_a_string_that_answers_fields_and_methods(bench: Bench) -> None:
    ran = bench.run("""
        local s = Session.create{name = "task", description = "d", metadata = {n = 1}}
        print(type(s), #s, s == s.id, ("id: " .. s):sub(1, 4), s:sub(1, 8) == s.id:sub(1, 8))
        print(s.name, s.description, s.status, s.metadata.n, s.parent_session_id)
        print(s.created_at <= s.updated_at, s.unknown_field)
        s:suspend()
        print(s.status)
        s:resume()
        s:addTag("x")
        s:add_tag("y")
        print(#s.tags, s:getTags()[2])
        s:complete()
        s:archive()
        print(s.status, ({[s] = "as a key"})[s])
        """)
    assert ran.output == [
        "string\t36\ttrue\tid: \ttrue",
        "task\td\tactive\t1\tnil",
        "true\tnil",
        "suspended",
        "2\ty",
        "archived\tas a key",
    ]


def test_any_other_string_behaves_as_ever(bench: Bench) -> None:
    ran = bench.run("""
        print(("x").name, ("x").id, ("x").suspend)
        local before = getmetatable("").__index == string
        local s = Session.create{name = "task"}
        print(before, ("x").name, ("x").id, ("x").suspend, ("abc"):upper(), ("abc"):len())
        function string.shout(text) return text:upper() .. "!" end
        print(("hey"):shout(), s:shout() == s:upper() .. "!")
        print(pcall(function() return ("x"):suspend() end))
        local twin = s:sub(1, 10) .. s:sub(11)
        print(twin.name)
        """)
    assert ran.output == [
        "nil\tnil\tnil",
        "true\tnil\tnil\tnil\tABC\t3",
        "HEY!\ttrue",
        "false\tscript.lua:7: attempt to call a nil value (method 'suspend')",
        "task",
    ]


def test_a_field_is_what_it_was_when_it_was_read(bench: Bench) -> None:
    ran = bench.run("""
        local s = Session.create{name = "one"}
        local before = s.name
        Session.updateMetadata(s, {name = "two", extra = true})
        print(before, s.name, s.metadata.extra, Session.get(s).custom_metadata.extra)
        """)
    assert ran.output == ["one\ttwo\ttrue\ttrue"]
    assert bench.names(ran).count("session.get") == 4


def test_a_known_id_answers_every_field_of_its_record(bench: Bench) -> None:
    ran = bench.run("""
        local s = Session.create{
          name = "one", description = "d", tags = {"t"}, max_duration = 3600, max_idle_time = 60,
        }
        print(s.limits.max_duration, s.limits.max_idle_time, s.usage.operations, s.running)
        for _, id in ipairs { s, Session.getCurrent() } do
          for key in pairs(Session.get(id)) do
            if id[key] == nil then print("missing", key) end
          end
        end
        print(s.waiting_for, s.error)
        """)
    assert ran.output == ["3600.0\t60.0\t0\tfalse", "nil\tnil"]


def test_the_running_session_is_the_current_one_until_another_is_chosen(bench: Bench) -> None:
    ran = bench.run("""
        local own = Session.getCurrent()
        print(own.status, own.name)
        State.set("k", "own")
        local s = Session.create{name = "other"}
        Session.setCurrent(s)
        State.set("k", "other")
        local id = Artifact.store(nil, "a.txt", "x")
        print(Session.get_current() == s, State.get("k"), id.session_id == s, #Artifact.list(""))
        Session.setCurrent(nil)
        print(Session.getCurrent() == own, State.get("k"), #Artifact.list())
        print(State.get("session:" .. s, "k"), State.get("session:" .. own, "k"))
        Session.setCurrent(s)
        s:delete()
        print(Session.getCurrent() == own)
        """)
    assert ran.output == [
        "active\tscript", "true\tother\ttrue\t1", "true\town\t0", "other\town", "true",
    ]  # fmt: skip


def test_sessions_are_built_in_a_chain(bench: Bench) -> None:
    ran = bench.run("""
        local s = Session.builder():name("built"):description("d"):tag("a"):tag("b")
          :metadata("k", 1):metadata{l = 2}:maxDuration(60):max_idle_time(5)
          :limits{artifacts = 3}:limit("tokens", 9):parent(Session.getCurrent()):build()
        local r = Session.get(s)
        print(r.name, r.description, table.concat(r.tags), r.metadata.k, r.metadata.l)
        print(r.limits.max_duration, r.limits.max_idle_time, r.limits.artifacts, r.limits.tokens)
        print(r.parent_session_id == Session.getCurrent(), s.name)
        print(select(2, pcall(function() Session.builder():nmae("x") end)):match("no method nmae"))
        """)
    assert ran.output == [
        "built\td\tab\t1\t2", "60.0\t5.0\t3\t9", "true\tbuilt", "no method nmae",
    ]  # fmt: skip


def test_camel_case_and_snake_case_are_the_same_functions(bench: Bench) -> None:
    ran = bench.run("""
        for camel, snake in pairs{
          getCurrent = "get_current", setCurrent = "set_current", getTags = "get_tags",
          updateMetadata = "update_metadata", getTimeline = "get_timeline",
          canReplay = "can_replay", listReplayable = "list_replayable",
        } do
          assert(Session[camel] and Session[camel] == Session[snake], camel)
        end
        assert(Artifact.storeFile == Artifact.store_file)
        assert(Artifact.getContent == Artifact.get_content)
        assert(State.load == State.get and State.save == State.set)
        assert(State.list_keys == State.list)
        assert(Session.getReplayMetadata == Session.get_replay_metadata)
        assert(Replay.createConfig == Replay.create_config)
        print("the same")
        """)
    assert ran.output == ["the same"]


# Errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("Session.create('x')", "Session.create: options must be a table, not a string"),
        ("Session.create{nmae = 'x'}", "Session.create: there is no option 'nmae'; did you mean"),
        ("Session.create{metadata = {f = print}}", "Session.create: a function can't be passed"),
        ("Session.get()", "Session.get: session must be an id or a session's record, not nil"),
        ("Session.get('')", "session must be an id or a session's record, not an empty string"),
        ("Session.get('nobody')", "Session.get: there is no session 'nobody'"),
        ("Session.suspend(nil)", "Session.suspend: session must be an id"),
        ("Session.suspend{promt = 'x'}", "there is no option promt; there are prompt and schema"),
        ("Session.suspend{prompt = 5}", "Session.suspend: prompt must be a string, not a number"),
        ("Session.resume(Session.getCurrent())", "is active and can't become active"),
        ("Session.delete(Session.getCurrent())", "is the program that calls this"),
        ("Session.fail(Session.getCurrent(), {})", "Session.fail: reason must be a string"),
        ("Session.builder().name('x')", "with a colon, as in builder:name(…)"),
        ("Artifact.store(nil, 'a', print)", "content must be a string or a table, not a function"),
        ("Artifact.store(nil, 'a/b', '')", "Artifact.store: name must have no path separator"),
        ("Artifact.store(nil, 'a', 'x', 5)", "Artifact.store: options must be a table"),
        ("Artifact.get(nil, 5)", "id must be what Artifact.store returned, or its text, not a"),
        ("Artifact.storeFile(nil, 'none')", "Artifact.storeFile: none: No such file"),
        ("Artifact.storeFile(nil, '/etc/passwd')", "--allow read=/etc/passwd"),
        ("State.get()", "State.get: key must be a string, not nil"),
        ("State.get({})", "State.get: key must be a string, not a table"),
        ("State.set('k')", "State.set: give a key and a value, or a scope, a key and a value"),
        ("State.set('k', print)", "State.set: a function can't be passed"),
        ("State.get('session:nobody', 'k')", "State.get: there is no session 'nobody'"),
        ("Utils.sleep(-1)", "Utils.sleep: seconds must be a number from 0 to"),
        ("Utils.sleep('1')", "Utils.sleep: seconds must be a number from 0 to"),
        ("Logger.info('x', 5)", "Logger.info: fields must be a table, not a number"),
    ],
)
def test_an_error_is_a_string_that_says_where_and_what(
    bench: Bench, call: str, message: str
) -> None:
    ran = bench.run(f"local ok, message = pcall(function()\n  {call}\nend)\nprint(ok, message)")
    (line,) = ran.output
    assert line.startswith("false\tscript.lua:2: ")
    assert message in line


# State -----------------------------------------------------------------------------------


def test_state_keeps_any_value_by_scope_and_key(bench: Bench) -> None:
    ran = bench.run(r"""
        State.set("config", {list = {1, 2.5, "x"}, bytes = "\xff\0", yes = true})
        local c = State.get("config")
        print(#c.list, math.type(c.list[1]), c.list[2], c.bytes == "\xff\0", c.yes)
        State.set("global", "k", "shared")
        State.save("team:red", 7, "seven")
        print(State.get("k"), State.get("global", "k"), State.load("custom:team:red", "7"))
        State.set("k", false)
        print(State.get("k"), table.concat(State.list(), ","), #State.list_keys("global"))
        print(State.delete("k"), State.delete("k"), State.delete("global", "k"))
        State.set("config", nil)
        State.set("global", "gone", nil)
        print(#State.list(), #State.list("global"))
        """)
    assert ran.output == [
        "3\tinteger\t2.5\ttrue\ttrue",
        "nil\tshared\tseven",
        "false\tconfig,k\t1",
        "true\tfalse\ttrue",
        "0\t0",
    ]


def test_state_of_a_run_is_there_for_the_next_one(bench: Bench) -> None:
    bench.run('State.set("global", "count", 41)')
    ran = bench.run("""
        State.set("global", "count", State.get("global", "count") + 1)
        print(State.get("global", "count"), State.get("count"))
        """)
    assert ran.output == ["42\tnil"]


def test_the_state_of_another_run_is_closed(bench: Bench) -> None:
    first = bench.run('State.set("secret", 1)')
    ran = bench.run(
        f'print(pcall(State.get, "session:{first.session.id}", "secret"))', name="second"
    )
    assert "this script does not act as session" in ran.output[0]


# Sessions --------------------------------------------------------------------------------


def test_what_a_script_created_outlives_it_and_goes_on_in_the_next(bench: Bench) -> None:
    first = bench.run("""
        local s = Session.create{name = "pipeline", tags = {"nightly"}}
        State.set("session:" .. s, "step", 3)
        Artifact.store(s, "result.txt", "half")
        Session.suspend(s)
        """)
    ran = bench.run("""
        local s = Session.list{tags = {"nightly"}, status = "suspended"}[1]
        print(s.name, s.status, s.script)
        print(pcall(State.get, "session:" .. s.id, "step"))
        Session.resume(s)
        print(State.get("session:" .. s.id, "step"), Artifact.list(s)[1].name)
        Session.complete(s)
        print(Session.get(s).status)
        """)
    assert ran.output[0] == "pipeline\tsuspended\tnil"
    assert ran.output[1].startswith("false\t")
    assert "Session.load('" in ran.output[1]
    assert ran.output[2:] == ["3\tresult.txt", "completed"]
    assert first.session.status == "completed"


def test_a_program_that_suspends_itself_goes_on_with_the_value(bench: Bench) -> None:
    ran = bench.run(
        """
        local answer = Session.suspend{
          prompt = "Ship it?", schema = {type = "string", enum = {"yes", "no"}},
        }
        print("answer", answer)
        print("and", Session.suspend(Session.getCurrent()))
        """,
        completes=False,
    )
    assert ran.session.status == "suspended"
    assert ran.session.waiting_for is not None
    assert ran.session.waiting_for["prompt"] == "Ship it?"
    with pytest.raises(UsageError, match="does not fit what the script waits for"):
        bench.resume(ran, value="maybe")
    ran = bench.resume(ran, value="yes")
    assert (ran.session.status, ran.output) == ("suspended", ["answer\tyes"])
    ran = bench.resume(ran, value={"n": 1})
    assert ran.session.status == "completed"
    assert ran.output[0].startswith("and\ttable: ")


def test_completing_the_running_session_ends_the_script_there(bench: Bench) -> None:
    ran = bench.run("""
        print("before")
        pcall(Session.complete, Session.getCurrent())
        print("after")
        """)
    assert ran.output == ["before"]


def test_failing_the_running_session_ends_the_script_with_the_reason(bench: Bench) -> None:
    ran = bench.run(
        'pcall(function() Session.fail(Session.getCurrent(), "no data") end)', completes=False
    )
    assert ran.session.status == "failed"
    assert ran.error == "script.lua:1: no data"


def test_a_timeline_has_all_that_came_before(bench: Bench) -> None:
    ran = bench.run("""
        local s = Session.create{name = "child"}
        print("one")
        s:addTag("t")
        State.set("mine", 1)
        for _, e in ipairs(Session.getTimeline(Session.getCurrent(), {kind = "effect"})) do
          print(e.number, e.name, e.line)
        end
        for _, e in ipairs(s:getTimeline()) do print(e.name, e.correlation_id == s) end
        print(Session.stats(s).state_keys, Session.stats(Session.getCurrent()).state_keys)
        print(Session.canReplay(s), #Session.listReplayable())
        """)
    assert ran.output == [
        "one",
        "2\tsession.create\t1",
        "4\tsession.add_tag\t3",
        "5\tstate.set\t4",
        "6\tsession.save\t5",
        "session.create\ttrue",
        "session.add_tag\ttrue",
        "0\t1",
        "true\t2",
    ]


# Artifacts -------------------------------------------------------------------------------


def test_the_form_of_v0_6_0_is_told_by_its_arguments(bench: Bench) -> None:
    ran = bench.run("""
        local s = Session.create{}
        local a = Artifact.store(s, "tool_result", "one.json", "{}", {
          mime_type = "application/json",
        })
        local b = Artifact.store(s, "AgentOutput", "two.txt", "text")
        local c = Artifact.store(s, "note", "three", {x = 1}, nil)
        local d = Artifact.store(s, "four.txt", "text", nil)
        for _, id in ipairs{a, b, c, d} do
          local m = Artifact.get(s, id).metadata
          print(m.name, m.artifact_type, m.mime_type)
        end
        local f = io.open("file.txt", "w")
        f:write("from a file")
        f:close()
        local e = Artifact.storeFile(s, "./file.txt", "user_input", {owner = "lena"})
        local found = Artifact.get(s, {
          content_hash = e.content_hash, session_id = e.session_id, sequence = e.sequence,
        })
        print(found.metadata.name, found.metadata.custom.owner, found.content)
        """)
    assert ran.output == [
        "one.json\tToolResult\tapplication/json",
        "two.txt\tAgentOutput\ttext/plain",
        "three\tnote\tapplication/json",
        "four.txt\tUserInput\ttext/plain",
        "file.txt\tlena\tfrom a file",
    ]


def test_an_artifacts_id_prints_and_compares_as_its_text(bench: Bench) -> None:
    ran = bench.run("""
        local a = Artifact.store(nil, "a.txt", "x")
        print(a.sequence, #a.content_hash, a.session_id == Session.getCurrent())
        print(tostring(a) == a.id, "is " .. a == "is " .. a.id)
        local listed = Artifact.list()[1]
        print(listed.id == a, listed.content_hash == a.content_hash, listed.metadata.size)
        print(Artifact.getContent(nil, a), Artifact.getContent("", a.id))
        print(Artifact.getContent(nil, listed))
        print(Artifact.verify(nil, a))
        Artifact.delete(nil, a)
        print(pcall(Artifact.delete, nil, a))
        """)
    assert ran.output[:5] == ["1\t64\ttrue", "true\ttrue", "true\ttrue\t1", "x\tx", "x"]
    assert ran.output[5] == "true"
    assert "there is no artifact" in ran.output[6]


def test_versions_of_a_name_know_the_ones_before(bench: Bench) -> None:
    ran = bench.run("""
        for i = 1, 3 do Artifact.store(nil, "draft", "text " .. i) end
        local all = Artifact.versions(nil, "draft")
        print(#all, all[1].previous_hash, all[3].previous_hash == all[2].content_hash)
        local newest = Artifact.query{name = "draft", limit = 1}[1]
        print(Artifact.getContent(nil, all[2]), newest.version)
        """)
    assert ran.output == ["3\tnil\ttrue", "text 2\t3"]


def test_large_content_is_read_again_at_re_execution(bench: Bench) -> None:
    ran = bench.run("""
        local parts = {}
        for i = 1, 400000 do parts[i] = string.format("%07d", i) end
        local text = table.concat(parts)
        local id = Artifact.store(nil, "big.txt", text)
        local back = Artifact.get(nil, id)
        print(#back.content, back.content == text, Artifact.getContent(nil, id) == text)
        Artifact.delete(nil, id)
        """)
    assert ran.output == ["2800000\ttrue\ttrue"]


def test_a_file_is_stored_as_it_was_and_replayed_when_it_is_gone(bench: Bench) -> None:
    data = bytes(range(256)) * 40_000
    (bench.folder / "big.bin").write_bytes(data)
    ran = bench.run("""
        local id = Artifact.storeFile(nil, "big.bin")
        local content = Artifact.getContent(nil, id)
        print(#content, content:byte(-1))
        """)
    assert ran.output == [f"{len(data)}\t255"]
    (bench.folder / "big.bin").unlink()
    assert replay(bench.store, ran.session).identical


def test_a_suspended_session_refuses_artifacts(bench: Bench) -> None:
    ran = bench.run("""
        local s = Session.create{}
        s:suspend()
        print(select(2, pcall(Artifact.store, s, "a", "x")):match("is suspended; only an active"))
        """)
    assert ran.output == ["is suspended; only an active"]


# Logger and Utils ------------------------------------------------------------------------


def test_log_lines_carry_their_fields_in_order(bench: Bench) -> None:
    ran = bench.run("""
        Logger.info("started")
        Logger.warn("slow", {seconds = 2.5, who = "the tool", b = {1, 2}, a = true, empty = ""})
        Logger.error(nil)
        Logger.debug("n", {[1] = "x"})
        """)
    assert ran.output == []
    assert ran.logged == [
        ("log.info", "started"),
        ("log.warn", 'slow a=true b=[1,2] empty="" seconds=2.5 who="the tool"'),
        ("log.error", "nil"),
        ("log.debug", "n 1=x"),
    ]


def test_random_ids_and_the_time_are_recorded(bench: Bench) -> None:
    ran = bench.run("""
        local a, b = Utils.uuid(), Utils.uuid()
        print(a)
        print(a ~= b)
        print(Utils.now())
        """)
    assert UUID.fullmatch(ran.output[0])
    assert ran.output[1] == "true"
    assert TIME.fullmatch(ran.output[2])


def test_sleep_takes_its_time(bench: Bench) -> None:
    ran = bench.run("""
        local before = Utils.now()
        Utils.sleep(0.05)
        print(before < Utils.now())
        """)
    assert ran.output == ["true"]
    found = events(bench.store, ran.session.key)
    (slept,) = [event for event in found if event.name == "timer.sleep"]
    assert slept.args == {"seconds": 0.05}
    assert slept.duration_s is not None
    assert slept.duration_s >= 0.05


def test_a_sleeping_session_is_suspended_at_once(bench: Bench) -> None:
    path = bench.folder / "script.lua"
    path.write_text('print("asleep")\nUtils.sleep(3600)\n')
    asleep = threading.Event()
    run = start(
        bench.store, Program.from_file(path), script=str(path),
        on_output=lambda name, text: asleep.set(),
    )  # fmt: skip
    results: list[RunResult] = []
    thread = threading.Thread(target=lambda: results.append(run.go()))
    thread.start()
    assert asleep.wait(30)
    run.suspend()
    thread.join(30)
    assert results[0].ended.status == "suspended"
    assert bench.store.sessions.get(run.session.key).status == "suspended"


def test_a_timeline_and_a_difference_are_json(bench: Bench) -> None:
    """What was read and run is there by its hash, as text."""
    (bench.folder / "words.txt").write_text("words")
    ran = bench.run("""
        local me = Session.getCurrent()
        local f = io.open("words.txt")
        f:read("a")
        f:close()
        Artifact.storeFile(nil, "words.txt")
        local fork = Session.fork(me, {at = 2})
        local shown = JSON.parse(JSON.stringify(Session.getTimeline(me)))
        print(#shown[1].args.script, #shown[2].outcome.hash)
        print(shown[2].outcome.hash == JSON.parse(JSON.stringify(Session.diff(me, fork)))
          .first_divergence.a.outcome.hash)
        """)
    assert ran.output == ["64\t64", "true"]


def test_suspend_refuses_a_second_argument_that_it_would_not_use(script: Any) -> None:
    script("print(pcall(Session.suspend, Session.getCurrent(), 'value'))")
    assert script.lines[0].startswith("false")
    assert "no second argument; the value is given with Session.resume" in script.lines[0]
