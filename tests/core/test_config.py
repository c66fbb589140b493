"""Settings: where they come from, which of them wins, and what each of them does."""

from __future__ import annotations

import os
import re
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

import respell
from respell import config as configuration
from respell.config import Config, default, describe, load, set_value
from respell.engine import run as running
from respell.engine.program import Program
from respell.errors import ConfigError, LimitReached, PermissionDenied
from respell.policies.limits import LEAST_MEMORY_BYTES, LIMITS, RATE
from respell.store import Store
from stories import counting_server

DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"
CORE = Path(respell.__file__).parent


class Places:
    """A person's home, a project in it, and what `load` finds there.

    Attributes:
        home: The home folder.
        user: The user's own file.
        project: The project's folder, and the working directory.
    """

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.user = self.home / ".config" / "respell" / "respell.toml"
        self.project = self.home / "project"
        self.user.parent.mkdir(parents=True)
        self.project.mkdir()

    def of_user(self, text: str) -> None:
        """Write the user's file."""
        self.user.write_text(text)

    def of_project(self, text: str) -> Path:
        """Write the project's file."""
        path = self.project / "respell.toml"
        path.write_text(text)
        return path

    def load(self, **environ: str) -> Config:
        """Return what holds in the project's folder."""
        return load(environ=environ, cwd=self.project)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    made = Places(tmp_path)
    for name in [name for name in os.environ if name.startswith("RESPELL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(made.home / ".config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(made.home / "data"))
    monkeypatch.chdir(made.project)
    return made


# Where settings come from ------------------------------------------------------------------


def test_without_any_file_the_defaults_hold(places: Places) -> None:
    found = places.load()
    assert found.session == default().session
    assert found.session.enabled is True
    assert found.session.max_active_sessions == 100
    assert found.session.limits.given() == {}
    assert found.artifacts.collect_max_bytes == 10 * 1024 * 1024
    assert found.artifacts.collect_tags == ("auto-collected",)
    assert found.store_folder() == places.home / "data" / "respell"
    assert str(found.origin("session.enabled")) == "default"


def test_the_file_of_the_release_notes_counts_as_it_is(places: Places) -> None:
    places.of_project(
        "[session]\nenabled = true\nstorage_path = './sessions'\n"
        "max_active_sessions = 100\nartifact_compression = true\n"
    )
    found = places.load()
    assert found.warnings == ()
    assert found.store_folder() == places.project / "sessions"


def test_what_is_nearer_wins_and_says_where_it_stands(places: Places) -> None:
    places.of_user("# mine\n[session]\nmax_active_sessions = 5\nartifact_compression = false\n")
    project = places.of_project("[session]\nartifact_compression = true\n")
    found = places.load(RESPELL_SESSION_LIMITS_TOKENS="70")
    assert found.session.max_active_sessions == 5
    assert str(found.origin("session.max_active_sessions")) == f"{places.user}:3"
    assert found.session.artifact_compression is True
    assert str(found.origin("session.artifact_compression")) == f"{project}:2"
    assert found.session.limits.tokens == 70
    assert str(found.origin("session.limits.tokens")) == "RESPELL_SESSION_LIMITS_TOKENS"


def test_a_projects_file_is_found_from_a_folder_below(places: Places) -> None:
    path = places.of_project("[session.limits]\noperations = 7\n")
    below = places.project / "a" / "b"
    below.mkdir(parents=True)
    found = load(environ={}, cwd=below)
    assert found.session.limits.operations == 7
    assert path in [place.path for place in found.places if place.exists]


def test_a_file_that_was_chosen_is_the_only_one_and_counts_in_full(places: Places) -> None:
    places.of_user("[session.limits]\noperations = 7\n")
    places.of_project("[session.limits]\ntokens = 7\n")
    chosen = places.home / "other.toml"
    chosen.write_text("[security]\nallow = ['process']\n")
    for found in (places.load(RESPELL_CONFIG=str(chosen)), load(chosen, {}, places.project)):
        assert found.session.limits.given() == {}
        assert found.security.allow == ("process",)
        assert [place.role for place in found.places] == ["chosen"]


def test_no_file_at_all_can_be_chosen(places: Places) -> None:
    places.of_user("[session.limits]\noperations = 7\n")
    assert places.load(RESPELL_CONFIG=os.devnull).session.limits.operations is None


def test_a_chosen_file_that_is_not_there_is_an_error(places: Places) -> None:
    with pytest.raises(ConfigError, match=r"can't read .*nowhere\.toml: No such file"):
        places.load(RESPELL_CONFIG="nowhere.toml")
    with pytest.raises(ConfigError, match="is no file"):
        places.load(RESPELL_CONFIG=str(places.project))


def test_relative_paths_start_at_the_file_that_has_them(places: Places) -> None:
    places.of_user(
        "[session]\nstorage_path = 'store'\n[security]\nallow = ['read=data', 'env=A*']\n"
    )
    found = places.load(RESPELL_SECURITY_DENY="write=notes")
    assert found.store_folder() == places.user.parent / "store"
    assert found.security.allow == (f"read={places.user.parent}/data", "env=A*")
    assert found.security.deny == (f"write={places.project}/notes",)


def test_a_limit_can_be_taken_back(places: Places) -> None:
    places.of_user("[session.limits]\noperations = 7\ntokens = 7\n")
    found = places.load(RESPELL_SESSION_LIMITS_OPERATIONS="none")
    assert found.session.limits.given() == {"tokens": 7}


def test_the_store_has_a_variable_of_its_own(places: Places) -> None:
    assert places.load(RESPELL_STORE="here").store_folder() == places.project / "here"
    both = places.load(RESPELL_STORE="here", RESPELL_SESSION_STORAGE_PATH="there")
    assert both.store_folder() == places.project / "here"
    assert places.load(RESPELL_STORE="").store_folder() == places.home / "data" / "respell"


def test_a_configuration_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        default().session.enabled = False  # type: ignore[misc]


def test_values_are_found_by_their_key(places: Places) -> None:
    found = places.load(RESPELL_SESSION_LIMITS_TOKENS="70")
    assert found.get("session.limits.tokens") == 70
    assert found.get("session.retention") == {
        "archive_after_days": None, "delete_after_days": None,
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"did you mean session\.limits\.tokens\?"):
        found.get("session.tokens")


# Mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = = 1", r":1:5: it is no TOML: Invalid value"),
        ("\n\na = 'x", r":3:7: it is no TOML: "),
        ("a = 1\na = 2", r":2:6: it is no TOML: "),
        ("[session]\nenabeld = true", r":2: there is no setting 'session\.enabeld'; did you mean "
                                      r"session\.enabled\?"),
        ("[sesion]\nenabled = true", r":1: there is no table \[sesion\]; did you mean session\?"),
        ("[session]\noperations = 5", r"did you mean session\.limits\.operations\?"),
        ("session = 5", r":1: session must be a table, \[session\], not 5"),
        ("vars = 5", r":1: vars must be a table, not 5"),
        ("[session]\nenabled = 'yes'", r":2: session\.enabled must be true or false, not 'yes'"),
        ("[session]\n\nmax_active_sessions = 0",
         r":3: session\.max_active_sessions must be an integer, 1 or more, not 0"),
        ("session.max_active_sessions = 1.5", r":1: .* must be an integer, 1 or more, not 1\.5"),
        ("session.max_active_sessions = true", r":1: .* must be an integer, 1 or more, not true"),
        ("session = { limits = { tokens = -1 } }",
         r":1: session\.limits\.tokens must be an integer, 1 or more, or \"none\", not -1"),
        ("[session.limits]\nmax_duration = nan", r":2: .* must be a number, 0\.001 or more"),
        ("[session.limits]\nmax_duration = inf", r":2: .* must be a number, 0\.001 or more"),
        ("[session.limits]\nmemory_bytes = 5", r":2: .* 2097152 or more"),
        ("session.max_active_sessions = 99999999999999999999", r":1: .* must be an integer"),
        ("[session]\ndurability = 'ful'", r':2: session\.durability must be "full" or "process"'),
        ("[session]\nstorage_path = \"a\\u0000b\"", r":2: session\.storage_path must be a path"),
        ("[artifacts]\ncollect_sampling = 2", r":2: .* must be a number from 0 to 1, not 2"),
        ("[artifacts]\ncollect_tags = ['a', 1]", r":2: .* must be a list of texts, not \['a', 1\]"),
        ("[security]\nallow = ['netwrk']", r":2: security\.allow netwrk: there is no kind"),
        ("[security]\n# open\nallow = [\n 'read=']", r":3: security\.allow read=: a pattern"),
        ("[security]\nsessions = {}", r":2: security\.sessions must be .*, not a table"),
        ("[tools.http_request]\ntimeout_s = 7200", r":2: .* from 0\.001 to 3600, not 7200"),
        ("[vars]\nx.y = 99999999999999999999", r":2: vars\.x\.y must be an integer of 64 bits"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_what_is_allowed(
    places: Places, text: str, problem: str
) -> None:
    path = places.of_project(text)
    with pytest.raises(ConfigError, match=problem) as caught:
        places.load()
    assert str(caught.value).startswith(str(path))
    assert caught.value.exit_code == 2


def test_all_mistakes_are_told_at_once(places: Places) -> None:
    path = places.of_project("[session]\nenabeld = true\n[security]\nallow = ['x']\n")
    with pytest.raises(ConfigError, match="the configuration has 3 mistakes") as caught:
        places.load(RESPELL_SECURITY_ASK="maybe")
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        "RESPELL_SECURITY_ASK", f"{path}:2", f"{path}:4",
    ]  # fmt: skip


def test_lines_are_right_whatever_stands_between(places: Places) -> None:
    path = places.of_project(
        '# [security]\n[vars]\ntext = """\n[session]\nenabled = 5\n"""\n'
        "list = [ # ]\n  [1, 2],\n  { a = '[' },\n]\n'quo]ted' = 1\n"
        '[ "security" ] # the next\nask = 5\n'
    )
    with pytest.raises(ConfigError) as caught:
        places.load()
    assert caught.value.problems == (
        f"{path}:13: security.ask must be true or false, not 5",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"a = '\xff'", ":1: it is not UTF-8 text"),
        (b"a = " + b"[\n" * 60_000, "nested too deep"),
        (b"[vars]\na = " + b"{b=" * 40 + b"1" + b"}" * 40, "vars.a is nested deeper"),
        (b"#\n" * (1 << 17), "larger than 128 KiB"),
        (b"a." * 50_000 + b"b = 1", ":1: the line is longer than 2000 bytes"),
        ((b"a." * 900 + b"b = 1\n") * 2, ":2:1806: it is no TOML: "),
    ],
)
def test_a_hostile_file_is_an_error_and_no_more(places: Places, data: bytes, problem: str) -> None:
    (places.project / "respell.toml").write_bytes(data)
    with pytest.raises(ConfigError, match=re.escape(problem)):
        places.load()


def test_a_misspelt_variable_is_an_error_and_others_are_not_ours(places: Places) -> None:
    with pytest.raises(ConfigError, match=r"did you mean RESPELL_SESSION_MAX_ACTIVE_SESSIONS\?"):
        places.load(RESPELL_SESSION_MAX_ACTIV_SESSIONS="5")
    assert places.load(RESPELL_DEBUG="1", RESPELLING="x", SESSION_X="y").session.enabled


def test_a_variable_says_what_it_takes(places: Places) -> None:
    with pytest.raises(ConfigError, match=r"^RESPELL_SESSION_ENABLED: .* true or false, not 'x'"):
        places.load(RESPELL_SESSION_ENABLED="x")
    found = places.load(
        RESPELL_SESSION_ENABLED="off", RESPELL_ARTIFACTS_COLLECT_TAGS="a, b",
        RESPELL_ARTIFACTS_COLLECT_SAMPLING="0.5",
    )  # fmt: skip
    assert found.session.enabled is False
    assert found.artifacts.collect_tags == ("a", "b")
    assert found.artifacts.collect_sampling == 0.5


# Files of others ---------------------------------------------------------------------------


def test_a_projects_file_can_make_things_stricter(places: Places) -> None:
    places.of_user("[security]\ndeny = ['process']\n[session.limits]\noperations = 50\n")
    places.of_project(
        "[session]\nmax_active_sessions = 3\n[session.limits]\noperations = 7\ntokens = 9\n"
        "[security]\ndeny = ['network']\nsessions = 'own'\nask = false\n"
        "[tools]\ndisabled = ['http_request']\n"
    )
    found = places.load()
    assert found.session.max_active_sessions == 3
    assert found.session.limits.given() == {"operations": 7, "tokens": 9}
    assert found.security.deny == ("process", "network")
    assert (found.security.sessions, found.security.ask) == ("own", False)
    assert found.tools.disabled == ("http_request",)
    assert found.warnings == ()


def test_a_projects_file_can_not_make_things_wider(places: Places) -> None:
    places.of_user(
        "[security]\nsessions = 'own'\nask = false\ndeny = ['process']\n"
        "[session]\nmax_active_sessions = 2\n[session.limits]\noperations = 50\n"
    )
    path = places.of_project(
        "[security]\nallow = ['process']\nsessions = 'created'\naudit = false\nask = true\n"
        "trusted = ['.']\ndeny = []\n[session]\nmax_active_sessions = 500\n"
        "storage_path = '../elsewhere'\ndurability = 'process'\n"
        "[session.limits]\noperations = 'none'\n[session.retention]\ndelete_after_days = 0.001\n"
        "[storage]\ngc_grace_hours = 0\n[tools.http_request]\ntimeout_s = 3600\n"
    )
    found = places.load()
    assert found.security.allow == ()
    assert found.security.deny == ("process",)
    assert (found.security.sessions, found.security.audit, found.security.ask) == (
        "own", True, False,
    )  # fmt: skip
    assert found.security.trusted == ()
    assert found.session.max_active_sessions == 2
    assert found.session.limits.operations == 50
    assert found.session.storage_path == ""
    assert found.session.durability == "full"
    assert found.session.retention.delete_after_days is None
    assert found.storage.gc_grace_hours == 24
    told = " ".join(found.warnings)
    for key in ("security.allow", "security.sessions", "security.audit", "security.ask",
                "session.storage_path", "session.durability", "storage.gc_grace_hours",
                "session.retention.delete_after_days", "session.max_active_sessions",
                "session.limits.operations", "security.trusted"):  # fmt: skip
        assert f": {key} does not count: " in told
    assert str(path) in told
    assert str(places.user) in told


def test_a_symlink_does_not_lead_out_of_the_project(places: Places) -> None:
    (places.project / "link").symlink_to(places.home)
    places.of_project("[session]\nstorage_path = 'link/store'\n")
    found = places.load()
    assert found.session.storage_path == ""
    assert "outside of the project" in found.warnings[0]


def test_a_projects_own_store_is_kept_as_the_project_says(places: Places) -> None:
    places.of_project(
        "[session]\nstorage_path = 'sessions'\ndurability = 'process'\n"
        "[session.retention]\ndelete_after_days = 3\n"
    )
    found = places.load()
    assert found.session.durability == "process"
    assert found.session.retention.delete_after_days == 3
    assert found.project_of_store() == str(places.project)


def test_another_store_is_not_kept_as_the_project_says(places: Places) -> None:
    places.of_project(
        "[session]\nstorage_path = 'sessions'\n[session.retention]\ndelete_after_days = 3\n"
    )
    mine = str(places.home / "mine")
    by_option = load(environ={}, cwd=places.project, store=mine)
    for found in (places.load(RESPELL_STORE=mine), by_option):
        assert found.store_folder() == Path(mine)
        assert found.session.retention.delete_after_days is None
        assert found.project_of_store() is None
    assert str(by_option.origin("session.storage_path")) == "--store"


def test_a_trusted_projects_file_counts_in_full(places: Places) -> None:
    places.of_user("[security]\ntrusted = ['~/project']\n")
    places.of_project("[security]\nallow = ['process=git']\n[session]\nstorage_path = '../s'\n")
    found = places.load()
    assert found.security.allow == ("process=git",)
    assert found.store_folder() == places.project / "../s"
    assert found.warnings == ()
    assert found.project_of_store() is None
    other = places.home / "project2"
    other.mkdir()
    (other / "respell.toml").write_text("[security]\nallow = ['process=git']\n")
    assert load(environ={}, cwd=other).security.allow == ()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_does_not_count(places: Places) -> None:
    path = places.of_project("[session.limits]\noperations = 7\n")
    os.chown(path, 12345, -1)
    found = places.load()
    assert found.session.limits.operations is None
    assert "belongs to another user" in found.warnings[0]


# Writing -----------------------------------------------------------------------------------


def test_a_value_is_written_and_all_else_stays(places: Places) -> None:
    places.of_user(
        "# mine\n\n[session]\nenabled = true   # on\nmax_active_sessions = 5\n\n"
        "[artifacts] # what is kept\ncollect_min_bytes = 1\n"
    )
    places.user.chmod(0o600)
    set_value(places.user, "session.enabled", False)
    set_value(places.user, "session.limits.max_duration", 60)
    set_value(places.user, "security.allow", ["read=/etc"])
    set_value(places.user, "session.limits.tokens", None)
    text = places.user.read_text()
    assert "# mine\n\n[session]\nenabled = false   # on\nmax_active_sessions = 5\n" in text
    assert "[artifacts] # what is kept\ncollect_min_bytes = 1\n" in text
    assert places.user.stat().st_mode & 0o777 == 0o600
    found = places.load()
    assert found.session.enabled is False
    assert found.session.limits.given() == {"max_duration": 60.0}
    assert found.security.allow == ("read=/etc",)
    assert list(places.user.parent.iterdir()) == [places.user]


def test_a_file_that_is_not_there_yet_is_made(places: Places) -> None:
    set_value(places.home / "new" / "respell.toml", "tools.http_request.timeout_s", 5)
    found = load(places.home / "new" / "respell.toml", {})
    assert found.tools.http_request.timeout_s == 5


@pytest.mark.parametrize("text", ["session.enabled = true\n", "session = {enabled = true}\n"])
def test_a_value_is_written_into_tables_of_any_form(places: Places, text: str) -> None:
    places.of_user(text)
    set_value(places.user, "session.max_active_sessions", 7)
    set_value(places.user, "session.limits.tokens", 8)
    found = places.load().session
    assert (found.enabled, found.max_active_sessions, found.limits.tokens) == (True, 7, 8)


def test_what_would_be_a_mistake_is_not_written(places: Places) -> None:
    places.of_user("[session]\nenabled = true\n")
    before = places.user.read_text()
    with pytest.raises(ConfigError, match="must be true or false"):
        set_value(places.user, "session.enabled", "x")
    with pytest.raises(ConfigError, match=r"did you mean session\.enabled"):
        set_value(places.user, "session.enabld", True)
    with pytest.raises(ConfigError, match="can't write"):
        set_value(Path("/proc/respell.toml"), "session.enabled", True)
    assert places.user.read_text() == before
    places.of_user("[session]\nenabld = true\n")
    with pytest.raises(ConfigError, match=r":2: there is no setting"):
        set_value(places.user, "session.enabled", True)


# What scripts may know ---------------------------------------------------------------------


def test_a_script_reads_settings_and_its_users_own_values(places: Places, script: Any) -> None:
    places.of_user(
        "[session.limits]\noperations = 500\n[vars]\ncity = 'Oslo'\nday = 2026-11-22\n"
        "list = [1, 2.5, true]\nnested.deep = 'x'\n"
    )
    config = places.load()
    told = script(
        "print(Config.get('session.limits.operations'), Config.get('session.durability'))\n"
        "print(Config.get('vars.city'), Config.get('vars.day'), #Config.get('vars.list'))\n"
        "print(Config.get('vars').nested.deep, Config.get('session').limits.operations)\n"
        "print(Config.get('vars.nothing'), Config.get('no.such.thing'))\n"
        "print(pcall(Config.get, 5))\nprint(pcall(Config.get, ''))\nprint(pcall(Config.get))",
        config=config,
    )
    assert told.session.status == "completed"
    assert script.lines[:4] == [
        "500\tfull", "Oslo\t2026-11-22\t3", "x\t500", "nil\tnil",
    ]  # fmt: skip
    assert all("Config.get: path must be a string" in line for line in script.lines[4:])


def test_a_script_never_gets_a_secret(places: Places, script: Any) -> None:
    places.of_user(
        "[vars]\napi_key = 'abc'\nplain = 'sk-abcdefghijklmnopqrstuvwx'\n"
        "url = 'https://me:hunter2@example.com/'\nrandom = 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF'\n"
        "list = ['ghp_abcdefghijklmnopqrstuvwxyz0123', 'fine']\n"
        "db = {password = 'x', host = 'h'}\ncity = 'Oslo'\n"
    )
    script(
        "for _, name in ipairs{'api_key', 'plain', 'url', 'random', 'db.password'} do\n"
        "  assert(Config.get('vars.' .. name) == nil, name)\nend\n"
        "local all = Config.get('vars')\nassert(all.api_key == nil and all.plain == nil)\n"
        "print(#all.list, all.list[1], all.db.host, all.db.password, all.city)",
        config=places.load(),
    )
    assert script.lines == ["1\tfine\th\tnil\tOslo"]


def test_a_script_reads_the_same_when_it_is_executed_again(
    places: Places, script: Any, store: Store
) -> None:
    text = "local was = Config.get('session.max_active_sessions')\nSession.suspend()\nprint(was)"
    begun = script(text, config=places.load(RESPELL_SESSION_MAX_ACTIVE_SESSIONS="7"))
    script.resume(begun.session, config=default())
    assert script.lines == ["7"]
    assert respell.replay(begun.session, store=store).identical


# What settings do --------------------------------------------------------------------------


def test_without_sessions_scripts_still_run(places: Places, script: Any, store: Store) -> None:
    off = places.load(RESPELL_SESSION_ENABLED="false")
    text = "print(Session, Artifact, rawget(_G, 'Session'), State ~= nil)\nState.set('k', 1)\n"
    done = script(text, config=off)
    assert script.lines == ["nil\tnil\tnil\ttrue"]
    assert done.session.status == "completed"
    assert respell.replay(done.session, store=store).identical


def test_a_session_begun_without_globals_never_gets_them(
    places: Places, script: Any, store: Store
) -> None:
    off = places.load(RESPELL_SESSION_ENABLED="false")
    begun = script("Utils.sleep(0)\nprint(Session)", config=off)
    made = respell.fork(begun.session, store=store, at=2)
    script.resume(made, config=default())
    assert script.lines == ["nil", "nil"]


def test_limits_of_the_configuration_hold_unless_others_are_given(
    places: Places, script: Any, store: Store
) -> None:
    config = places.load(
        RESPELL_SESSION_LIMITS_OPERATIONS="3", RESPELL_SESSION_LIMITS_ARTIFACTS="1"
    )
    text = "for i = 1, 5 do State.set('k', i) end"
    stopped = script(text, config=config)
    assert stopped.ended.limit == "operations"
    assert stopped.session.limits == {"operations": 3, "artifacts": 1}
    given = script(text, config=config, limits={"operations": 50})
    assert given.session.status == "completed"
    assert given.session.limits == {"operations": 50, "artifacts": 1}


def test_sessions_that_scripts_create_get_the_same_limits(places: Places, script: Any) -> None:
    config = places.load(RESPELL_SESSION_LIMITS_ARTIFACTS="1")
    script(
        "local s = Session.create{name = 's'}\nArtifact.store(s, 'a', 'x')\n"
        "print((pcall(Artifact.store, s, 'b', 'x')))\n"
        "local more = Session.create{limits = {artifacts = 2}}\nArtifact.store(more, 'a', 'x')\n"
        "print((pcall(Artifact.store, more, 'b', 'x')))",
        config=config,
    )
    assert script.lines == ["false", "true"]


def test_permissions_of_the_configuration_hold_unless_others_are_given(
    places: Places, script: Any
) -> None:
    places.of_user("[security]\nallow = ['read=/etc/hostname', 'process']\ndeny = ['env']\n")
    config = places.load()
    text = "print(io.open('/etc/hostname') ~= nil, (pcall(os.getenv, 'HOME')), "
    text += "(pcall(os.execute, 'true')))"
    script(text, config=config)
    script(text, config=config, allow=["env"])
    script(text, config=config, deny=["process"])
    assert script.lines == ["true\tfalse\ttrue", "true\ttrue\ttrue", "true\tfalse\tfalse"]


def test_permissions_are_those_the_session_was_begun_with(places: Places, script: Any) -> None:
    places.of_user("[security]\nallow = ['read=/etc/hostname']\n")
    begun = script(
        "Session.suspend()\nprint(io.open('/etc/hostname') ~= nil)", config=places.load()
    )
    script.resume(begun.session, config=default())
    assert script.lines == ["true"]


def test_a_script_can_not_write_what_settings_are_read_from(places: Places, script: Any) -> None:
    chosen = Path.cwd() / "mine.toml"
    chosen.write_text("")
    script(
        "print(pcall(io.open, 'mine.toml', 'w'))\nprint(pcall(io.open, 'respell.toml', 'w'))",
        config=load(chosen, {}),
    )
    assert [line.startswith("false\t") for line in script.lines] == [True, True]
    assert chosen.read_text() == ""


def test_no_more_sessions_run_than_may(
    places: Places, store: Store, tmp_path: Path, script: Any
) -> None:
    config = places.load(RESPELL_SESSION_MAX_ACTIVE_SESSIONS="1")
    path = tmp_path / "one.lua"
    path.write_text("Session.suspend()")
    waiting = script("Session.suspend()", config=config).session
    holding = running.start(store, Program.from_file(path), script=str(path), config=config)
    before = store.sessions.count()
    with pytest.raises(LimitReached, match="no more than 1 may") as caught:
        running.start(store, Program.from_file(path), script=str(path), config=config)
    assert caught.value.exit_code == 5
    assert caught.value.limit == "max_active_sessions"
    assert store.sessions.count() == before
    with pytest.raises(LimitReached, match="RESPELL_SESSION_MAX_ACTIVE_SESSIONS"):
        running.resume(store, waiting, config=config)
    assert store.sessions.get(waiting.key).status == "suspended"
    assert holding.go().session.status == "suspended"
    assert script.resume(waiting, config=config).session.status == "completed"


def test_the_audit_log_tells_what_was_refused(script: Any, store: Store) -> None:
    done = script(
        "pcall(io.open, '/etc/passwd')\npcall(Tool.invoke, 'file_operations', "
        "{operation = 'read', path = '/etc/shadow'})\npcall(os.execute, 'true')"
    )
    entries = store.audit.list(session=done.session.id, refused=True)
    assert [(it.action, it.target, it.actor) for it in entries] == [
        ("file.open", "read=/etc/passwd", done.session.id),
        ("tool.invoke", "read=/etc/shadow", done.session.id),
        ("process.execute", "process=true", done.session.id),
    ]
    assert "To allow it" in entries[0].reason


def test_the_audit_log_takes_paths_of_any_bytes_and_any_length(script: Any, store: Store) -> None:
    done = script(
        "pcall(io.open, '/etc/\\xff\\xfe')\npcall(io.open, '/etc/' .. ('x'):rep(3000))\n"
        "pcall(State.get, 'session:' .. ('x'):rep(3000), 'k')\nprint('on')"
    )
    assert script.lines == ["on"]
    entries = store.audit.list(session=done.session.id, refused=True)
    assert entries[0].target == "read=/etc/\\xff\\xfe"
    assert all(len(it.target) <= 1000 and len(it.reason) <= 1000 for it in entries)


def test_a_script_in_a_loop_does_not_fill_the_audit_log(script: Any, store: Store) -> None:
    script("for i = 1, 1200 do pcall(io.open, '/etc/passwd') end")
    entries = store.audit.list(refused=True, limit=5_000)
    assert len(entries) == 1001
    assert "what follows is not noted" in entries[-1].reason


def test_the_audit_log_can_be_left_off(places: Places, tmp_path: Path) -> None:
    config = places.load(RESPELL_SECURITY_AUDIT="off", RESPELL_SESSION_DURABILITY="process")
    path = tmp_path / "one.lua"
    path.write_text("pcall(io.open, '/etc/passwd')")
    with respell.open(tmp_path / "quiet", config=config) as store:
        respell.run(path, store=store, config=config)
        assert store.audit.list() == []


def test_content_is_stored_as_it_is_where_nothing_is_compressed(
    places: Places, tmp_path: Path
) -> None:
    plain = places.load(RESPELL_SESSION_ARTIFACT_COMPRESSION="no")
    for config, compressed in ((plain, False), (default(), True)):
        with respell.open(tmp_path / f"store-{compressed}", config=config) as store:
            address = store.blobs.put(b"a" * 20_000)
            assert store.blobs.info(address).is_compressed is compressed
            assert store.durability == "full"


def test_the_store_is_where_the_configuration_says(places: Places) -> None:
    with respell.open(config=places.load(RESPELL_STORE="mine")) as store:
        assert store.path == places.project / "mine"


def test_a_script_acts_as_what_it_loads_unless_that_is_forbidden(
    places: Places, script: Any, store: Store
) -> None:
    made = script("print(Session.create{name = 'plain'})").session
    ident = script.lines.pop()
    text = f"local id = Session.load('{ident}')\nprint((pcall(Session.addTag, id, 't')))"
    free = script(text).session
    strict = places.load(RESPELL_SECURITY_SESSIONS="own")
    bound = script(text + "\nprint(pcall(Session.resume, id))", config=strict).session
    assert script.lines[:2] == ["true", "false"]
    assert '[security] sessions = "own" is set' in script.lines[2]
    acted = [it for it in store.audit.list(session=ident) if it.action == "session.act_as"]
    assert [(it.actor, it.allowed) for it in acted] == [(free.id, True), (bound.id, False)]
    refused = store.audit.list(session=ident, refused=True)
    assert {it.action for it in refused} >= {"session.add_tag", "session.resume"}
    again = script("Session.suspend()\n" + text, config=strict).session
    script.lines.clear()
    script.resume(again, config=default())  # it stays as it was begun
    assert script.lines == ["false"]
    assert made.status == "completed"


def test_tools_can_be_switched_off(places: Places, script: Any, store: Store) -> None:
    config = places.load(RESPELL_TOOLS_DISABLED="hash_calculator")
    done = script(
        "print(Tool.exists('hash_calculator'), Tool.get('hash_calculator'))\n"
        "for _, t in ipairs(Tool.list()) do assert(t.name ~= 'hash_calculator') end\n"
        "print(pcall(Tool.invoke, 'hash_calculator', {operation = 'hash', input = 'abc'}))",
        config=config,
    )
    assert script.lines[0] == "false\tnil"
    assert "is switched off: tools.disabled names it (RESPELL_TOOLS_DISABLED)" in script.lines[1]
    assert store.audit.list(session=done.session.id, refused=True)


def test_tools_use_no_more_than_the_configuration_lets_them(places: Places, script: Any) -> None:
    config = places.load(
        RESPELL_TOOLS_PROCESS_EXECUTOR_TIMEOUT_S="0.2",
        RESPELL_TOOLS_PROCESS_EXECUTOR_MAX_OUTPUT_BYTES="3",
        RESPELL_TOOLS_HTTP_REQUEST_MAX_BODY_BYTES="1",
    )
    script(
        "local run = function(p, a) return Tool.invoke('process_executor', "
        "{executable = p, arguments = a}).result end\n"
        "print(run('sleep', {'30'}).timed_out)\n"
        "local told = run('echo', {'hello'})\nprint(told.stdout, told.stdout_truncated)",
        config=config,
        allow=["process"],
    )
    assert script.lines == ["true", "hel\ttrue"]
    with counting_server() as server:
        script(f"print(pcall(Tool.invoke, 'http_request', {{input = '{server.url}/double/4'}}))",
               config=config)  # fmt: skip
    assert "max_body_bytes allows up to 1" in script.lines[-1]


def test_a_session_of_a_store_that_came_with_a_project_does_not_reach_out_of_it(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    places.of_project("[session]\nstorage_path = 'sessions'\ndurability = 'process'\n")
    config = places.load()
    path = places.project / "planted.lua"
    path.write_text("Session.suspend()")
    with respell.open(config=config) as store:
        fair = respell.run(path, store=store).session
        open_ = respell.run(path, store=store, allow=["process"]).session
        monkeypatch.chdir(places.home)
        wide = respell.run(path, store=store).session
        assert respell.resume(fair, store=store, config=config).session.status == "completed"
        for session, more in ((open_, "allow process"), (wide, f"work in {places.home}")):
            with pytest.raises(PermissionDenied, match=re.escape(more)):
                respell.resume(session, store=store, config=config)
            assert store.sessions.get(session.key).status == "suspended"
            mine = load(environ={}, cwd=places.project, store=store.path)
            assert respell.resume(session, store=store, config=mine).session.status == "completed"


# All of them -------------------------------------------------------------------------------


def test_limits_are_those_that_sessions_have() -> None:
    names = [it.key.removeprefix("session.limits.") for it in describe() if ".limits." in it.key]
    assert names == [*LIMITS, RATE]
    by_key = {it.key: it for it in describe()}
    assert by_key["session.limits.memory_bytes"].least == LEAST_MEMORY_BYTES


def test_no_two_settings_share_a_variable() -> None:
    names = [name for setting in describe() for name in setting.environment]
    assert len(names) == len(set(names))


def test_defaults_pass_their_own_checks() -> None:
    for setting in describe():
        assert setting.check(setting.default) == setting.default
        assert default().get(setting.key) == setting.default


def test_every_setting_is_documented() -> None:
    text = DOCS.read_text()
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \|(.*)\|$", text, flags=re.MULTILINE))
    keys = {setting.key for setting in describe()}
    assert {key for key in rows if "." in key} == keys
    for setting in describe():
        assert f"`{shown(setting.default)}`" in rows[setting.key], setting.key
        assert f"`{setting.environment[0]}`" in rows[setting.key], setting.key


def shown(value: Any) -> str:
    """Return a default as respell.toml would have it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(list(value)).replace("'", '"')
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if value < 1e6 else str(value)


READERS: dict[str, str] = {
    "debug.keep_lines": "../../tui/respell_tui/commands/debugging.py",
    "ui.theme": "../../tui/respell_tui/app.py",
    "ui.icons": "../../tui/respell_tui/app.py",
    "session.enabled": "engine/run.py",
    "session.storage_path": "config.py",
    "session.max_active_sessions": "engine/run.py",
    "session.artifact_compression": "config.py",
    "session.durability": "config.py",
    "session.limits": "engine/run.py",
    "policies.composition": "policies/deciding.py",
    "policies.threshold": "policies/deciding.py",
    "policies.on_limit": "policies/deciding.py",
    "policies.on_rate": "policies/deciding.py",
    "policies.rate": "policies/deciding.py",
    "policies.alerts": "policies/deciding.py",
    "policies.warn_before": "policies/deciding.py",
    "session.retention.archive_after_days": "sessions/retention.py",
    "session.retention.delete_after_days": "sessions/retention.py",
    "artifacts.collect_tool_results": "engine/run.py",
    "artifacts.collect_agent_outputs": "engine/run.py",
    "artifacts.collect_min_bytes": "engine/run.py",
    "artifacts.collect_max_bytes": "engine/run.py",
    "artifacts.collect_sampling": "engine/run.py",
    "artifacts.collect_tags": "engine/run.py",
    "storage.gc_grace_hours": "../../tui/respell_tui/commands/care.py",
    "security.allow": "config.py",
    "security.deny": "config.py",
    "security.sessions": "config.py",
    "security.audit": "config.py",
    "security.ask": "../../tui/respell_tui/permission.py",
    "security.trusted": "config.py",
    "analytics.privacy": "../../tui/respell_tui/commands/stats.py",
    "hooks.timeout_seconds": "engine/host.py",
    "hooks.python": "engine/run.py",
    "hooks.logging.enabled": "hooks/builtin/__init__.py",
    "hooks.logging.level": "hooks/builtin/logging.py",
    "hooks.logging.include_data": "hooks/builtin/logging.py",
    "hooks.logging.file": "hooks/builtin/logging.py",
    "hooks.metrics.enabled": "hooks/builtin/__init__.py",
    "hooks.security.enabled": "hooks/builtin/__init__.py",
    "hooks.security.max_param_bytes": "hooks/builtin/security.py",
    "hooks.security.sensitive_names": "hooks/builtin/security.py",
    "hooks.security.block": "hooks/builtin/security.py",
    "hooks.caching.enabled": "hooks/builtin/__init__.py",
    "hooks.caching.agents": "hooks/builtin/caching.py",
    "hooks.caching.tools": "hooks/builtin/caching.py",
    "hooks.caching.ttl_seconds": "hooks/builtin/caching.py",
    "hooks.caching.max_entries": "engine/host.py",
    "hooks.rate_limit.enabled": "hooks/builtin/__init__.py",
    "hooks.rate_limit.per_second": "hooks/builtin/rate_limit.py",
    "hooks.rate_limit.burst": "hooks/builtin/rate_limit.py",
    "hooks.rate_limit.scope": "hooks/builtin/rate_limit.py",
    "hooks.rate_limit.action": "hooks/builtin/rate_limit.py",
    "hooks.retry.enabled": "hooks/builtin/__init__.py",
    "hooks.retry.tools": "hooks/builtin/retry.py",
    "hooks.retry.max_attempts": "hooks/builtin/retry.py",
    "hooks.retry.delay_s": "hooks/builtin/retry.py",
    "hooks.retry.factor": "hooks/builtin/retry.py",
    "hooks.retry.max_delay_s": "hooks/builtin/retry.py",
    "hooks.retry.jitter": "hooks/builtin/retry.py",
    "hooks.cost_tracking.enabled": "hooks/builtin/__init__.py",
    "hooks.cost_tracking.warn_usd": "hooks/builtin/cost_tracking.py",
    "hooks.cost_tracking.alert_usd": "hooks/builtin/cost_tracking.py",
    "hooks.cost_tracking.block_usd": "hooks/builtin/cost_tracking.py",
    "hooks.debugging.enabled": "hooks/builtin/__init__.py",
    "hooks.debugging.max_traces": "hooks/builtin/debugging.py",
    "tools.disabled": "engine/effects/tools.py",
    "tools.process_executor.timeout_s": "tools/builtin/process_executor.py",
    "tools.process_executor.max_output_bytes": "tools/builtin/process_executor.py",
    "tools.http_request.timeout_s": "tools/builtin/http_request.py",
    "tools.http_request.max_body_bytes": "tools/builtin/http_request.py",
}
"""Which file reads which setting."""


@pytest.mark.parametrize("setting", describe(), ids=lambda setting: str(setting.key))
def test_every_setting_is_read_by_something(setting: configuration.Setting) -> None:
    key = setting.key
    if key.startswith("session.limits."):
        key = "session.limits"
    text = (CORE / READERS[key]).read_text()
    assert re.search(rf"\.{key.rpartition('.')[2]}\b", text)
