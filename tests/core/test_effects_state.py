"""State: what a script keeps by scope and key, and who can see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from performing_effects import Script
from respell.errors import PermissionDenied, SessionNotFound, UsageError
from respell.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store", durability="process") as opened:
        yield opened


@pytest.fixture
def script(store: Store, tmp_path: Path) -> Script:
    return Script(store, tmp_path)


@pytest.fixture
def stranger(store: Store, tmp_path: Path) -> Script:
    return Script(store, tmp_path, name="stranger")


def test_a_value_comes_back_as_it_was_set(script: Script) -> None:
    value = {"n": 1, "f": 1.0, "list": [1, "two", False], "bytes": b"\xff", "nested": {"a": {}}}
    script.call("state.set", key="config", value=value)
    assert script.call("state.get", key="config") == value


def test_what_was_never_set_is_nil(script: Script) -> None:
    assert script.call("state.get", key="nothing") is None


def test_setting_nil_deletes(script: Script) -> None:
    script.call("state.set", key="k", value=1)
    script.call("state.set", key="k")
    assert script.call("state.list") == []


def test_delete_says_whether_there_was_anything(script: Script) -> None:
    script.call("state.set", key="k", value=1)
    assert script.call("state.delete", key="k") is True
    assert script.call("state.delete", key="k") is False


def test_without_a_scope_it_is_the_running_sessions_own(script: Script, store: Store) -> None:
    script.call("state.set", key="k", value="mine")
    assert store.state.list(f"session:{script.id}") == ["k"]
    assert script.call("state.get", scope=f"session:{script.id}", key="k") == "mine"


def test_keys_are_listed_by_their_bytes_and_per_scope(script: Script) -> None:
    for key in ("b", "a", "B", "ä"):
        script.call("state.set", scope="global", key=key, value=True)
    script.call("state.set", key="elsewhere", value=True)
    assert script.call("state.list", scope="global") == ["B", "a", "b", "ä"]


@pytest.mark.parametrize("scope", ["global", "agent:a", "workflow:w", "custom:c", "notes"])
def test_every_session_shares_the_scopes_that_belong_to_none(
    script: Script, stranger: Script, scope: str
) -> None:
    script.call("state.set", scope=scope, key="k", value=7)
    assert stranger.call("state.get", scope=scope, key="k") == 7


def test_an_unknown_prefix_is_a_custom_scope_of_that_name(script: Script) -> None:
    script.call("state.set", scope="team:red", key="k", value=7)
    assert script.call("state.get", scope="custom:team:red", key="k") == 7


def test_no_scope_of_a_script_reaches_what_the_engine_keeps(script: Script, store: Store) -> None:
    other = script.call("session.create", name="other")
    script.call("session.load", session=other)
    script.call("state.set", scope=f"respell:loaded:{script.id}", key="k", value=True)
    assert store.state.list(f"respell:loaded:{script.id}") == []
    assert store.state.list(f"custom:respell:loaded:{script.id}") == ["k"]


@pytest.mark.parametrize("scope", ["session", "session:", "agent", "agent:", "custom:"])
def test_a_scope_that_lacks_its_name_is_refused(script: Script, scope: str) -> None:
    with pytest.raises(UsageError, match=r"needs a name after a colon.*global, session:ID"):
        script.call("state.get", scope=scope, key="k")


def test_a_created_session_has_a_scope_of_its_own(script: Script) -> None:
    other = script.call("session.create", name="other")
    script.call("state.set", scope=f"session:{other}", key="k", value="theirs")
    assert script.call("state.get", key="k") is None
    assert script.call("state.get", scope=f"session:{other}", key="k") == "theirs"


def test_the_state_of_a_foreign_session_is_out_of_reach(script: Script, stranger: Script) -> None:
    stranger.call("state.set", key="secret", value=1)
    for name in ("state.get", "state.set", "state.delete"):
        with pytest.raises(PermissionDenied, match="acts as its own session, those it created"):
            script.call(name, scope=f"session:{stranger.id}", key="secret")
    with pytest.raises(PermissionDenied, match=r"State\.list"):
        script.call("state.list", scope=f"session:{stranger.id}")


def test_loading_a_session_without_program_opens_its_state(
    script: Script, stranger: Script
) -> None:
    made = stranger.call("session.create", name="handed over")
    stranger.call("state.set", scope=f"session:{made}", key="k", value=1)
    with pytest.raises(PermissionDenied, match=rf"Session\.load\('{made}'\)"):
        script.call("state.get", scope=f"session:{made}", key="k")
    script.call("session.load", session=made)
    assert script.call("state.get", scope=f"session:{made}", key="k") == 1


def test_a_scope_of_no_session_is_named(script: Script) -> None:
    with pytest.raises(SessionNotFound, match=r"State\.get: there is no session 'nobody'"):
        script.call("state.get", scope="session:nobody", key="k")


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (None, "key must be a string, not nil"),
        ("", "key must not be empty"),
        (True, "key must be a string, not boolean"),
        ({}, "key must be a string, not table"),
        (b"\xff", "key must be UTF-8"),
        ("ä" * 513, "may have 1024 bytes; this one has 1026"),
    ],
    ids=["nil", "empty", "boolean", "table", "bytes", "long"],
)
def test_a_key_that_is_none_is_refused(script: Script, key: object, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        script.call("state.set", key=key, value=1)


def test_deleting_a_session_deletes_its_state(script: Script, store: Store) -> None:
    made = script.call("session.create")
    script.call("state.set", scope=f"session:{made}", key="k", value=1)
    script.call("session.delete", session=made)
    assert store.state.list(f"session:{made}") == []


def test_in_a_fork_the_originals_id_means_the_forks_own_state(
    script: Script, store: Store, tmp_path: Path
) -> None:
    script.call("state.set", key="k", value="original")
    fork = Script(store, tmp_path, name="fork")
    fork.aliases = {script.id: fork.id}
    fork.call("state.set", scope=f"session:{script.id}", key="k", value="fork")
    assert fork.call("state.get", key="k") == "fork"
    assert script.call("state.get", key="k") == "original"


@pytest.mark.parametrize(
    ("scope", "meant"),
    [("custm:x", "custom:x"), ("sesion:x", "session:x"), ("Agent:x", "agent:x")],
)
def test_a_misspelt_family_of_scopes_is_refused(script: Script, scope: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean {meant}"):
        script.call("state.set", scope=scope, key="k", value=1)
    with pytest.raises(UsageError, match="Scopes are global, session:ID"):
        script.call("state.list", scope=scope)


def test_any_other_text_is_a_scope_of_ones_own(script: Script, store: Store) -> None:
    for scope in ("myscope", "Global", "config:app", "user:1"):
        script.call("state.set", scope=scope, key="k", value=scope)
        assert script.call("state.get", scope=f"custom:{scope}", key="k") == scope
