"""Whose things are whose: isolation by default, grants, and the log of who was let in or refused.

Each script here is a program's session of its own; `call` performs an effect as its host does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from performing_effects import Script
from respell.errors import (
    ArtifactNotFound,
    EffectFailed,
    PermissionDenied,
    SessionNotFound,
    UsageError,
)
from respell.sessions.record import SessionRecord
from respell.store import AuditEntry, Store
from respell.times import SECOND

NOON = 1_800_000_000 * SECOND


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(tmp_path / "store", durability="process", clock=clock) as opened:
        yield opened


@pytest.fixture
def ada(store: Store, tmp_path: Path) -> Script:
    """The owner."""
    return Script(store, tmp_path, name="ada")


@pytest.fixture
def bob(store: Store, tmp_path: Path) -> Script:
    """Somebody else's program."""
    return Script(store, tmp_path, name="bob")


@pytest.fixture
def eve(store: Store, tmp_path: Path) -> Script:
    """A third."""
    return Script(store, tmp_path, name="eve")


def stored(script: Script, name: str = "plan.txt", content: Any = "secret", **args: Any) -> str:
    return str(script.call("artifact.store", name=name, content=content, **args)["id"])


def read(script: Script, artifact: str) -> Any:
    return script.call("artifact.get_content", id=artifact).get("content")


def grant(
    script: Script, artifact: str, to: Script | str, level: str = "read", **more: Any
) -> None:
    to = to if isinstance(to, str) else to.id
    script.call("artifact.grant", id=artifact, to=to, level=level, **more)


def log(store: Store, **filters: Any) -> list[tuple[str, bool]]:
    return [(one.action, one.allowed) for one in store.audit.list(**filters)]


def refused(
    script: Script, name: str, /, match: str | None = None, **args: Any
) -> PermissionDenied:
    with pytest.raises(PermissionDenied, match=match) as caught:
        script.call(name, **args)
    return caught.value


# Owner and others ------------------------------------------------------------------------


def test_the_owner_may_do_all_and_nobody_else_anything(ada: Script, bob: Script) -> None:
    artifact = stored(ada)
    assert read(ada, artifact) == "secret"
    for name, args in (
        ("artifact.get", {"id": artifact}),
        ("artifact.get_content", {"id": artifact}),
        ("artifact.verify", {"id": artifact}),
        ("artifact.delete", {"id": artifact}),
        ("artifact.acl", {"id": artifact}),
        ("artifact.audit", {"id": artifact}),
        ("artifact.grant", {"id": artifact, "to": bob.id}),
        ("artifact.revoke", {"id": artifact, "to": bob.id}),
        ("artifact.derive", {"id": artifact, "name": "b", "content": "x"}),
    ):
        error = refused(bob, name, "it was not granted", **args)
        assert (error.about, error.actor, error.target) == (ada.id, bob.id, artifact)
    assert read(ada, artifact) == "secret"


def test_what_is_there_can_not_be_told_from_what_is_not(ada: Script, bob: Script) -> None:
    artifact = stored(ada)
    absent = f"{ada.id}/77/00000000"
    there, gone = (str(refused(bob, "artifact.get", id=it)) for it in (artifact, absent))
    assert there.replace(artifact, "ID") == gone.replace(absent, "ID")


@pytest.mark.parametrize(
    "kind", ["AgentOutput", "ToolResult", "UserInput", "SystemGenerated", "invoice"]
)
def test_artifacts_of_all_types_are_kept_apart_and_granted(
    ada: Script, bob: Script, kind: str
) -> None:
    artifact = stored(ada, content={"n": 1}, type=kind)
    refused(bob, "artifact.get", id=artifact)
    grant(ada, artifact, bob)
    assert bob.call("artifact.get_content", id=artifact) == {"value": {"n": 1}}


def test_sessions_of_one_script_are_strangers_to_each_other(ada: Script) -> None:
    one, other = ada.call("session.create"), ada.call("session.create")
    artifact = stored(ada, session=one)
    refused(ada, "artifact.get", f"belongs to session {one}, not to {other}", session=other,
            id=artifact)  # fmt: skip
    ada.call("artifact.grant", session=one, id=artifact, to=other, level="read")
    assert ada.call("artifact.get_content", session=other, id=artifact)["content"] == "secret"


# Levels ----------------------------------------------------------------------------------


def test_to_read_is_to_get_list_verify_and_derive(ada: Script, bob: Script) -> None:
    stored(ada, "other.txt")
    artifact = stored(ada)
    grant(ada, artifact, bob)
    assert bob.call("artifact.get", id=artifact)["metadata"]["name"] == "plan.txt"
    assert bob.call("artifact.verify", id=artifact) == {"intact": True}
    for found in (
        bob.call("artifact.list", session=ada.id),
        bob.call("artifact.versions", session=ada.id, name="plan.txt"),
        bob.call("artifact.query", filter={"session_id": ada.id}),
        bob.call("artifact.query", filter={"name": "plan.txt"}),
    ):
        assert [it["id"]["id"] for it in found] == [artifact]
    assert bob.call("artifact.versions", session=ada.id, name="other.txt") == []
    made = bob.call("artifact.derive", id=artifact, name="mine.txt", content="more")
    assert made["session_id"] == bob.id
    assert bob.call("artifact.get", id=made["id"])["metadata"]["parent_artifact"] == artifact
    refused(bob, "artifact.delete", "it was granted read, and this takes admin", id=artifact)
    refused(bob, "artifact.store", session=ada.id, name="plan.txt", content="x")


def test_a_granted_artifact_may_be_named_with_its_owner_or_with_who_asks(
    ada: Script, bob: Script
) -> None:
    artifact = stored(ada)
    grant(ada, artifact, bob)
    for session in (None, bob.id, ada.id):
        args = {} if session is None else {"session": session}
        assert bob.call("artifact.get_content", id=artifact, **args)["content"] == "secret"


def test_to_write_is_to_store_the_next_version(ada: Script, bob: Script, eve: Script) -> None:
    first = stored(ada)
    grant(ada, first, bob, "write", expires_at="2027-02-01T00:00:00Z")
    second = stored(bob, content="by bob", session=ada.id)
    found = ada.call("artifact.get", id=second)["metadata"]
    assert (found["version"], found["created_by"], found.get("event")) == (2, bob.id, None)
    third = stored(bob, content="again", session=ada.id)
    assert read(bob, second) == "by bob"
    assert [it["version"] for it in bob.call("artifact.versions", session=ada.id, name="plan.txt")
            ] == [1, 2, 3]  # fmt: skip
    (_, entry) = ada.call("artifact.acl", id=third)
    assert (entry["session_id"], entry["level"]) == (bob.id, "write")
    assert entry["expires_at"] == "2027-02-01T00:00:00.000000Z"
    for name in ("other.txt", "new.txt"):
        refused(bob, "artifact.store", session=ada.id, name=name, content="x")
    refused(bob, "artifact.delete", id=second)
    refused(eve, "artifact.get", id=second)


def test_what_is_written_by_a_grant_counts_for_the_owner(ada: Script, bob: Script) -> None:
    owner = ada.call("session.create", limits={"artifacts": 2})
    artifact = stored(ada, session=owner)
    ada.call("artifact.grant", session=owner, id=artifact, to=bob.id, level="write")
    stored(bob, session=owner)
    with pytest.raises(EffectFailed, match="the limit artifacts"):
        stored(bob, session=owner)
    ada.call("session.complete", session=owner)
    with pytest.raises(EffectFailed, match="only an active session"):
        stored(bob, session=owner)


def test_to_administer_is_to_delete_and_to_grant(ada: Script, bob: Script, eve: Script) -> None:
    artifact = stored(ada)
    grant(ada, artifact, bob, "write")
    refused(bob, "artifact.grant", "it was granted write, and this takes admin", id=artifact,
            to=eve.id, level="read")  # fmt: skip
    grant(ada, artifact, bob, "admin")
    grant(bob, artifact, eve)
    assert read(eve, artifact) == "secret"
    assert [(it["session_id"], it["level"], it["owner"], it.get("granted_by"))
            for it in bob.call("artifact.acl", id=artifact)] == [
        (ada.id, "admin", True, None),
        (bob.id, "admin", False, ada.id),
        (eve.id, "read", False, bob.id),
    ]  # fmt: skip
    assert bob.call("artifact.revoke", id=artifact, to=eve.id) is True
    refused(eve, "artifact.get", id=artifact)
    bob.call("artifact.delete", id=artifact)
    with pytest.raises(ArtifactNotFound):
        read(ada, artifact)


def test_grants_go_with_their_artifact(ada: Script, bob: Script, store: Store) -> None:
    artifact = stored(ada)
    grant(ada, artifact, bob)
    ada.call("artifact.delete", id=artifact)
    assert store.grants.list() == []
    refused(bob, "artifact.get", id=artifact)


def test_a_new_version_is_another_artifact(ada: Script, bob: Script) -> None:
    grant(ada, stored(ada), bob)
    second = stored(ada, content="newer secret")
    refused(bob, "artifact.get", id=second)


# Granting and revoking -------------------------------------------------------------------


def test_nobody_grants_to_itself(ada: Script, bob: Script) -> None:
    artifact = stored(ada)
    refused(ada, "artifact.grant", "owns it", id=artifact, to=ada.id, level="read")
    grant(ada, artifact, bob, "admin", expires_at=NOON / SECOND + 60)
    refused(bob, "artifact.grant", "to itself", id=artifact, to=bob.id, level="admin")


def test_the_owner_can_not_be_revoked(ada: Script, bob: Script) -> None:
    artifact = stored(ada)
    grant(ada, artifact, bob, "admin")
    for script in (ada, bob):
        refused(script, "artifact.revoke", "can't be revoked", id=artifact, to=ada.id)
    assert read(ada, artifact) == "secret"


def test_an_admin_for_a_time_grants_for_no_longer(ada: Script, bob: Script, eve: Script) -> None:
    artifact = stored(ada)
    soon = NOON / SECOND + 60
    grant(ada, artifact, bob, "admin", expires_at=soon)
    for later in ({}, {"expires_at": soon + 1}):
        refused(bob, "artifact.grant", "can't be granted for longer", id=artifact, to=eve.id,
                **later)  # fmt: skip
    grant(bob, artifact, eve, expires_at=soon)
    assert read(eve, artifact) == "secret"


def test_a_grant_is_replaced_by_the_next_and_revoked_once(ada: Script, bob: Script) -> None:
    artifact = stored(ada)
    grant(ada, artifact, bob, "admin")
    grant(ada, artifact, bob, "read")
    refused(bob, "artifact.delete", id=artifact)
    assert ada.call("artifact.revoke", id=artifact, to=bob.id) is True
    assert ada.call("artifact.revoke", id=artifact, to=bob.id) is False


def test_a_grant_ends_at_its_time(ada: Script, bob: Script, clock: Clock) -> None:
    artifact = stored(ada)
    grant(ada, artifact, bob, expires_at=NOON / SECOND + 60)
    clock.now += 60 * SECOND - 1
    assert read(bob, artifact) == "secret"
    clock.now += 1
    refused(
        bob, "artifact.get", "what was granted ended at 2027-01-15T08:01:00.000000Z", id=artifact
    )
    for found in (
        bob.call("artifact.query"),
        [
            it
            for it in ada.call("artifact.acl", id=artifact)
            if not it["owner"] and not it["expired"]
        ],
    ):
        assert found == []
    refused(bob, "artifact.list", session=ada.id)


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ({"level": "own"}, "level must be one of read, write, admin, not 'own'"),
        ({"to": None}, "to_session is missing"),
        ({"to": 12}, "session must be an id"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "has passed already"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": True}, "expires_at must be a time"),
    ],
)
def test_what_is_no_grant_is_refused_by_name(
    ada: Script, bob: Script, store: Store, args: dict[str, Any], problem: str
) -> None:
    artifact = stored(ada)
    with pytest.raises(UsageError, match=problem):
        ada.call("artifact.grant", **{"id": artifact, "to": bob.id, "level": "read", **args})
    with pytest.raises(SessionNotFound):
        grant(ada, artifact, "00000000-0000-4000-8000-000000000000")
    assert store.grants.list() == []


# State -----------------------------------------------------------------------------------


def test_the_state_of_a_session_is_granted_as_a_whole(
    ada: Script, bob: Script, eve: Script, store: Store
) -> None:
    scope = f"session:{ada.id}"
    ada.call("state.set", key="city", value="Oslo")
    for name, args in (("state.get", {"key": "city"}), ("state.list", {})):
        refused(bob, name, "it was not granted", scope=scope, **args)
    ada.call("state.grant", to=bob.id, level="read")
    assert bob.call("state.get", scope=scope, key="city") == "Oslo"
    assert bob.call("state.list", scope=scope) == ["city"]
    for name in ("state.set", "state.delete"):
        refused(bob, name, "it was granted read, and this takes write", scope=scope, key="city")
    ada.call("state.grant", to=bob.id, level="write")
    bob.call("state.set", scope=scope, key="city", value="Rome")
    assert ada.call("state.get", key="city") == "Rome"
    refused(bob, "state.grant", scope=scope, to=eve.id, level="read")
    refused(ada, "state.grant", "owns it", to=ada.id, level="read")
    assert [it["session_id"] for it in ada.call("state.acl")] == [ada.id, bob.id]
    assert ada.call("state.revoke", to=bob.id) is True
    refused(bob, "state.get", scope=scope, key="city")
    assert log(store, session=ada.id) == [
        ("state.grant", True), ("state.get", True), ("state.list", True), ("state.grant", True),
        ("state.set", True), ("state.revoke", True),
    ]  # fmt: skip


@pytest.mark.parametrize("scope", ["global", "custom:notes", "agent:a", "notes", "session:", 1])
def test_what_all_share_is_not_granted(ada: Script, bob: Script, scope: Any) -> None:
    with pytest.raises(UsageError, match="only the scope of a session"):
        ada.call("state.grant", scope=scope, to=bob.id, level="read")


# The log ---------------------------------------------------------------------------------


def test_grants_and_what_is_done_by_them_are_in_the_log(
    ada: Script, bob: Script, store: Store
) -> None:
    artifact = stored(ada)
    grant(ada, artifact, bob, "admin", expires_at=NOON / SECOND + 60)
    read(bob, artifact)
    bob.call("artifact.list", session=ada.id)
    stored(bob, session=ada.id)
    bob.call("artifact.delete", id=artifact)
    entries = [(it.action, it.actor, it.session, it.target, it.allowed, it.reason)
               for it in store.audit.list()]  # fmt: skip
    written = f"{ada.id}/2/{artifact[-8:]}"
    assert entries == [
        ("artifact.grant", ada.id, ada.id, artifact, True,
         f"admin to {bob.id} until 2027-01-15T08:01:00.000000Z"),
        ("artifact.get_content", bob.id, ada.id, artifact, True, f"admin was granted by {ada.id}"),
        ("artifact.list", bob.id, ada.id, "artifacts 1", True, f"admin was granted by {ada.id}"),
        ("artifact.store", bob.id, ada.id, written, True, f"admin was granted by {ada.id}"),
        ("artifact.delete", bob.id, ada.id, artifact, True, f"admin was granted by {ada.id}"),
    ]  # fmt: skip
    assert [it["action"] for it in ada.call("artifact.audit", id=artifact)] == [
        "artifact.grant", "artifact.get_content", "artifact.delete",
    ]  # fmt: skip


def test_what_was_rolled_back_was_never_done_by_a_grant(
    ada: Script, bob: Script, store: Store
) -> None:
    artifact = stored(ada)
    grant(ada, artifact, bob, "write")
    before = len(store.audit.list())
    with pytest.raises(UsageError):
        bob.call("artifact.store", session=ada.id, name="plan.txt", content="x",
                 options={"tags": "no list"})  # fmt: skip
    assert len(store.audit.list()) == before


# Deleting --------------------------------------------------------------------------------


def test_what_was_granted_stays_while_the_grant_counts(
    ada: Script, bob: Script, store: Store, clock: Clock
) -> None:
    owner = ada.call("session.create")
    artifact, other = stored(ada, session=owner), stored(ada, "other.txt", session=owner)
    ada.call("state.set", scope=f"session:{owner}", key="k", value=1)
    ada.call("artifact.grant", session=owner, id=artifact, to=bob.id, level="admin",
             expires_at=NOON / SECOND + 60)  # fmt: skip
    ada.call("state.grant", scope=f"session:{owner}", to=bob.id, level="write",
             expires_at=NOON / SECOND + 30)  # fmt: skip
    ada.call("session.delete", session=owner)
    with pytest.raises(SessionNotFound):
        ada.call("artifact.get", session=owner, id=artifact)
    assert read(bob, artifact) == "secret"
    for found in (
        bob.call("artifact.list", session=owner),
        bob.call("artifact.query"),
        bob.call("artifact.versions", session=owner, name="plan.txt"),
    ):
        assert [it["id"]["id"] for it in found] == [artifact]
    assert bob.call("state.get", scope=f"session:{owner}", key="k") == 1
    refused(bob, "artifact.get", id=other)
    for name, args in (
        ("artifact.delete", {"id": artifact}),
        ("state.set", {"scope": f"session:{owner}", "key": "k", "value": 2}),
        ("artifact.grant", {"id": artifact, "to": ada.id, "expires_at": NOON / SECOND + 60}),
    ):
        with pytest.raises(EffectFailed, match="was deleted; what it granted can be read"):
            bob.call(name, **args)
    assert store.sessions.purge() == []
    clock.now += 60 * SECOND
    with pytest.raises(SessionNotFound):
        read(bob, artifact)
    assert store.sessions.purge() == [owner]
    assert store.grants.list() == []
    assert store.state.list(f"session:{owner}") == []


def test_nothing_is_kept_for_who_is_gone(ada: Script, bob: Script, store: Store) -> None:
    owner, reader = ada.call("session.create"), ada.call("session.create")
    artifact = stored(ada, session=owner)
    ada.call("artifact.grant", session=owner, id=artifact, to=reader, level="read")
    ada.call("session.delete", session=owner)
    assert store.sessions.hidden(owner) is not None
    ada.call("session.delete", session=reader)
    assert store.sessions.hidden(owner) is None
    assert store.grants.list() == []
    with pytest.raises(SessionNotFound):
        bob.call("artifact.get", id=artifact)


def test_who_may_only_hear_keeps_nothing(ada: Script, bob: Script, store: Store) -> None:
    from respell.sessions.granting import events_thing, give

    owner = store.sessions.insert(SessionRecord(name="teller"))
    give(store, events_thing(owner, "*", "test"), bob.session, "read", by=owner.id, call="test")
    store.sessions.delete(owner.key)
    assert store.sessions.hidden(owner.id) is None


# Security --------------------------------------------------------------------------------

_INJECTIONS = [
    "'; DROP TABLE artifacts; --", "$(touch pwned)", "`id`", "x\" OR \"1\"=\"1",
    "{{7*7}}", "%n%n", "a; rm -rf ~",
]  # fmt: skip


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a/b", "a\\..\\b/", "x\0y", "a\nb", ""])
def test_names_that_lead_elsewhere_are_refused(ada: Script, name: str) -> None:
    with pytest.raises(UsageError):
        stored(ada, name)


@pytest.mark.parametrize("text", _INJECTIONS)
def test_commands_in_names_and_metadata_are_just_text(
    ada: Script, bob: Script, text: str, store: Store
) -> None:
    artifact = stored(ada, text, text, options={
        "description": text, "tags": [text], "note": text, "mime_type": "text/plain",
    })  # fmt: skip
    grant(ada, artifact, bob)
    found = bob.call("artifact.get", id=artifact)
    metadata = found["metadata"]
    assert (found["content"], metadata["name"], metadata["description"]) == (text, text, text)
    assert (metadata["tags"], metadata["custom"]) == ([text], {"note": text})
    for filters in ({"name": text}, {"tags": [text]}, {"text": text}):
        assert len(ada.call("artifact.query", filter=filters)) == 1
    bad = f"{ada.id}/{text}/00000000"
    with pytest.raises(ArtifactNotFound):
        bob.call("artifact.get", id=bad)
    with pytest.raises(SessionNotFound):
        ada.call("artifact.grant", id=artifact, to=text, level="read")
    assert store._database.value("PRAGMA integrity_check") == "ok"


def test_a_hundred_ids_are_a_hundred(ada: Script) -> None:
    ids = {stored(ada, f"{n % 5}.txt", f"{n % 3}") for n in range(100)}
    ids |= {ada.call("session.create") for _ in range(100)}
    assert len(ids) == 200


def test_nothing_leaks_into_other_sessions(ada: Script, bob: Script, store: Store) -> None:
    mark = "the-owners-secret"
    stored(ada, f"{mark}.txt", mark, options={"tags": [mark], "description": mark, "x": mark})
    ada.call("state.set", key=mark, value=mark)
    seen = [
        bob.call("artifact.query"),
        bob.call("artifact.query", filter={"text": mark}),
        bob.call("artifact.query", filter={"tags": [mark]}),
        bob.call("artifact.list"),
        bob.call("artifact.versions", name=f"{mark}.txt"),
        bob.call("state.list"),
        bob.call("state.list", scope="global"),
        bob.call("session.list"),
    ]
    for name, args in (
        ("artifact.list", {"session": ada.id}),
        ("artifact.versions", {"session": ada.id, "name": f"{mark}.txt"}),
        ("artifact.query", {"filter": {"session_id": ada.id}}),
        ("state.list", {"scope": f"session:{ada.id}"}),
        ("session.timeline", {"session": ada.id}),
        ("session.stats", {"session": ada.id}),
        ("session.export", {"session": ada.id, "path": "x"}),
        ("session.set_current", {"session": ada.id}),
    ):
        seen.append(str(refused(bob, name, **args)))
    assert not [it for it in seen if mark in str(it).replace(f"'{mark}.txt'", "")]
    names: list[AuditEntry] = store.audit.list()
    assert not [it for it in names if mark in it.reason]


# Forks -----------------------------------------------------------------------------------


def test_grants_are_durable(
    ada: Script, bob: Script, store: Store, tmp_path: Path, clock: Clock
) -> None:
    """As rs-llmspell v0.6.0's were not: after a restart it refused everybody."""
    artifact = stored(ada)
    grant(ada, artifact, bob)
    ada.call("state.set", key="k", value=1)
    ada.call("state.grant", to=bob.id, level="read")
    store.close()
    with Store(tmp_path / "store", durability="process", clock=clock) as again:
        for script in (ada, bob):
            script.store = again
        assert read(bob, artifact) == "secret"
        assert read(ada, artifact) == "secret"
        assert bob.call("state.get", scope=f"session:{ada.id}", key="k") == 1
        assert [it["session_id"] for it in ada.call("artifact.acl", id=artifact)] == [
            ada.id, bob.id,
        ]  # fmt: skip
