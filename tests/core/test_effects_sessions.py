"""Sessions as scripts make, find, change and end them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from performing_effects import Script
from respell import values
from respell.errors import (
    EffectFailed,
    InvalidTransition,
    PermissionDenied,
    SessionNotFound,
    UsageError,
)
from respell.history.record import Part, Record, Status
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


# Creating --------------------------------------------------------------------------------


def test_a_created_session_has_what_was_asked_for(script: Script) -> None:
    parent = script.call("session.create", name="parent")
    made = script.call(
        "session.create",
        name="research",
        description="what we know",
        tags=["a", "b", "a"],
        metadata={"team": "red"},
        parent_session_id=parent,
        max_duration=3600,
        limits={"artifacts": 5, "artifact_bytes": 1000, "cost_usd": 0.5},
    )
    record = script.call("session.get", session=made)
    assert record["id"] == made
    assert (record["name"], record["description"]) == ("research", "what we know")
    assert record["status"] == "active"
    assert record["tags"] == ["a", "b"]
    assert record["metadata"] == record["custom_metadata"] == {"team": "red"}
    assert record["parent_session_id"] == parent
    assert record["limits"] == {
        "max_duration": 3600.0, "artifacts": 5, "artifact_bytes": 1000, "cost_usd": 0.5,
    }  # fmt: skip
    assert record["created_by"] == script.id
    assert record["created_at"].endswith("Z")
    assert not record["running"]
    assert not record["interrupted"]


def test_a_session_without_name_answers_nil_for_it(script: Script) -> None:
    record = script.call("session.get", session=script.call("session.create"))
    assert "name" not in record
    assert "description" not in record


def test_a_named_creator_is_shown_but_does_not_decide_who_acts(
    script: Script, stranger: Script
) -> None:
    made = script.call("session.create", created_by=stranger.id)
    record = script.call("session.get", session=made)
    assert record["created_by"] == stranger.id
    assert record["creator"] == script.id
    with pytest.raises(PermissionDenied):
        stranger.call("session.complete", session=made)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"nmae": "x"}, "there is no option 'nmae'; did you mean name"),
        ({"tag": ["x"]}, "there is no option 'tag'; did you mean tags"),
        ({"limits": {"token": 5}}, "there is no limit 'token'; did you mean tokens"),
        ({"name": 7}, "name must be a string, not 7"),
        ({"name": "x" * 256}, "name may have 255 bytes; this one has 256"),
        ({"tags": "x"}, "tags must be a list of strings, not the string 'x'"),
        ({"tags": ["x", 1]}, r"tags\[2\] must be a string, not 1"),
        ({"tags": ["a\nb"]}, r"tags\[1\] must not have control characters"),
        ({"metadata": ["x"]}, "metadata must be a table with names, not a table"),
        ({"max_duration": 0}, "max_duration must be a number above 0, not 0"),
        ({"max_idle_time": "1h"}, "max_idle_time must be a number above 0, not the string '1h'"),
        ({"limits": {"artifacts": 1.5}}, "artifacts must be an integer, 1 or more, not 1.5"),
        ({"rate": -1}, "rate must be a number above 0"),
        ({"parent": 5}, "session must be an id or a session's record, not a number"),
    ],
)
def test_a_wrong_option_is_named(script: Script, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=rf"^Session\.create: {problem}"):
        script.call("session.create", **options)


def test_options_without_names_are_refused(script: Script) -> None:
    with pytest.raises(UsageError, match=r"table with names \(name = value\), not a list"):
        script.call_with("session.create", ["research"])


def test_a_parent_has_to_be_there(script: Script) -> None:
    with pytest.raises(SessionNotFound, match=r"Session\.create: there is no session 'nobody'"):
        script.call("session.create", parent="nobody")


# Lifecycle -------------------------------------------------------------------------------


def status(script: Script, session: str) -> str:
    return str(script.call("session.get", session=session, field="status"))


def test_a_session_goes_through_its_life(script: Script) -> None:
    made = script.call("session.create")
    script.call("session.suspend_other", session=made)
    assert status(script, made) == "suspended"
    script.call("session.resume", session=made)
    assert status(script, made) == "active"
    script.call("session.complete", session=made)
    assert script.call("session.get", session=made, field="ended_at") is not None
    script.call("session.archive", session=made)
    assert status(script, made) == "archived"


def test_a_failed_session_says_why(script: Script) -> None:
    made = script.call("session.create")
    script.call("session.fail", session=made, reason="no data")
    record = script.call("session.get", session=made)
    assert record["status"] == "failed"
    assert record["error"]["message"] == "no data"


@pytest.mark.parametrize(
    ("before", "verb", "problem"),
    [
        ([], "resume", "is active and can't become active: it can become suspended or"),
        ([], "archive", "is active and can't become archived"),
        (["suspend_other"], "suspend_other", "is suspended and can't become suspended"),
        (["complete"], "resume", "is completed and can't become active: it can become archived"),
        (["complete"], "fail", "is completed and can't become failed"),
        (["complete", "archive"], "complete", "nothing follows this status"),
    ],
)
def test_other_transitions_are_refused_and_change_nothing(
    script: Script, before: list[str], verb: str, problem: str
) -> None:
    made = script.call("session.create")
    for one in before:
        script.call(f"session.{one}", session=made)
    was = status(script, made)
    with pytest.raises(InvalidTransition, match=problem) as refused:
        script.call(f"session.{verb}", session=made)
    assert made in str(refused.value)
    call = f"Session.{verb.removesuffix('_other')}: "
    assert str(refused.value).startswith(call)
    assert status(script, made) == was


def test_the_running_program_does_not_change_its_own_status(script: Script) -> None:
    for verb in ("suspend_other", "complete", "fail", "delete"):
        with pytest.raises(PermissionDenied, match="is the program that calls this"):
            script.call(f"session.{verb}")


def test_a_session_of_another_program_is_left_alone(script: Script, stranger: Script) -> None:
    for verb in ("suspend_other", "complete", "delete", "save", "set_current", "set_tags"):
        with pytest.raises(PermissionDenied, match="it has a program of its own"):
            script.call(f"session.{verb}", session=stranger.id)
    with pytest.raises(EffectFailed, match=f"respell resume {stranger.id[:8]}"):
        script.call("session.resume", session=stranger.id)


def test_a_running_session_is_not_taken_from_its_host(script: Script, store: Store) -> None:
    made = script.call("session.create", name="held")
    store.leases.acquire(store.sessions.get(made).key)
    with pytest.raises(EffectFailed, match=rf"is running .*`respell suspend {made[:8]}`"):
        script.call("session.delete", session=made)


def test_a_session_without_program_takes_no_value_at_resume(script: Script) -> None:
    made = script.call("session.create")
    script.call("session.suspend_other", session=made)
    with pytest.raises(UsageError, match="has no program that could take the value"):
        script.call("session.resume", session=made, value=7)
    assert status(script, made) == "suspended"


def test_a_deleted_session_is_gone(script: Script) -> None:
    made = script.call("session.create")
    script.call("session.delete", session=made)
    with pytest.raises(SessionNotFound, match=f"there is no session '{made}'"):
        script.call("session.get", session=made)


def test_a_deletion_by_a_script_is_in_the_audit_log(script: Script, store: Store) -> None:
    made = script.call("session.create", name="v")
    script.call("session.delete", session=made)
    (_, entry) = store.audit.list(session=made)
    assert (entry.action, entry.target, entry.allowed) == ("session.delete", "v", True)
    assert entry.actor == script.session.id


# Acting as others ------------------------------------------------------------------------


def test_a_loaded_session_without_program_is_acted_as_also_after_a_restart(
    script: Script, stranger: Script, store: Store
) -> None:
    made = stranger.call("session.create")
    with pytest.raises(PermissionDenied, match=r"Session\.load"):
        script.call("session.complete", session=made)
    assert script.call("session.load", session=made) == made
    with Store(store.path) as reopened:
        script.store = reopened
        script.call("session.complete", session=made)
    assert status(stranger, made) == "completed"


def test_resuming_a_session_without_program_is_acting_as_it(
    script: Script, stranger: Script
) -> None:
    made = stranger.call("session.create")
    stranger.call("session.suspend_other", session=made)
    script.call("session.resume", session=made)
    script.call("session.complete", session=made)


def test_loading_a_program_makes_sure_it_is_there_and_no_more(
    script: Script, stranger: Script
) -> None:
    assert script.call("session.load", session=stranger.id) == stranger.id
    with pytest.raises(PermissionDenied):
        script.call("session.save", session=stranger.id)


def test_records_of_all_sessions_can_be_read(script: Script, stranger: Script) -> None:
    record = script.call("session.get", session=stranger.id)
    assert record["name"] == "stranger"
    assert record["interrupted"] is True
    assert "script_hash" not in record


# Tags and metadata -----------------------------------------------------------------------


def test_tags_are_set_added_and_removed(script: Script) -> None:
    made = script.call("session.create", tags=["a"])
    script.call("session.add_tag", session=made, tag="b")
    script.call("session.add_tag", session=made, tag="b")
    assert script.call("session.get", session=made, field="tags") == ["a", "b"]
    assert script.call("session.remove_tag", session=made, tag="a") is True
    assert script.call("session.remove_tag", session=made, tag="a") is False
    script.call("session.set_tags", session=made, tags=["c", "d"])
    assert script.call("session.get", session=made, field="tags") == ["c", "d"]
    with pytest.raises(UsageError, match=r"Session\.addTag: tag must be a string, not nil"):
        script.call("session.add_tag", session=made)


def test_metadata_is_merged_and_names_are_fields(script: Script) -> None:
    made = script.call("session.create", metadata={"a": 1, "b": 2})
    script.call(
        "session.update_metadata", session=made, metadata={"b": 3, "name": "new", "tags": ["t"]}
    )
    record = script.call("session.get", session=made)
    assert record["metadata"] == {"a": 1, "b": 3}
    assert (record["name"], record["tags"]) == ("new", ["t"])
    with pytest.raises(UsageError, match="status is no metadata"):
        script.call("session.update_metadata", session=made, metadata={"status": "failed"})


def test_the_running_session_can_be_tagged(script: Script) -> None:
    script.call("session.add_tag", tag="nightly")
    assert script.call("session.get", field="tags") == ["nightly"]


# Lists -----------------------------------------------------------------------------------


def names(found: list[dict[str, Any]]) -> list[str]:
    return [it["name"] for it in found]


@pytest.fixture
def family(script: Script) -> dict[str, str]:
    """Four created sessions by name."""
    ids = {"root": script.call("session.create", name="root", tags=["x"])}
    for name, tags in (("ann", ["x", "y"]), ("ben", ["y"]), ("cid", [])):
        ids[name] = script.call("session.create", name=name, tags=tags, parent=ids["root"])
    script.call("session.complete", session=ids["cid"])
    return ids


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["cid", "ben", "ann", "root", "script"]),
        ({"status": "completed"}, ["cid"]),
        ({"status": "Active", "tags": ["x"]}, ["ann", "root"]),
        ({"tags": ["x", "y"]}, ["ann"]),
        ({"text": "AN"}, ["ann"]),
        ({"sort": "name", "limit": 2}, ["ann", "ben"]),
        ({"sort": "name", "desc": True, "limit": 2, "offset": 1}, ["root", "cid"]),
        ({"created_after": "2999-01-01"}, []),
        ({"created_after": 0, "limit": 1}, ["cid"]),
        ({"created_before": "2999-01-01T00:00:00Z", "limit": 1.0}, ["cid"]),
        ({"limit": 0}, []),
    ],
)
def test_sessions_are_found_by_filters(
    script: Script, family: dict[str, str], query: dict[str, Any], expected: list[str]
) -> None:
    assert names(script.call("session.list", **query)) == expected


def test_children_and_creations_are_found(script: Script, family: dict[str, str]) -> None:
    children = script.call("session.list", parent=family["root"], sort="name")
    assert names(children) == ["ann", "ben", "cid"]
    created = script.call("session.list", created_by=script.id, sort="name", limit=2, offset=2)
    assert names(created) == ["cid", "root"]
    script.call("session.create", name="named", created_by="lena")
    assert names(script.call("session.list", created_by="lena")) == ["named"]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"stauts": "active"}, "there is no filter 'stauts'; did you mean status"),
        ({"status": "running"}, "status must be one of active, suspended"),
        ({"sort": "size"}, "sort must be one of created_at"),
        ({"limit": -1}, "limit must be an integer, 0 or more, not -1"),
        ({"desc": "yes"}, "desc must be true or false, not the string 'yes'"),
        ({"created_after": "soon"}, "created_after: 'soon' is not a time"),
        ({"created_after": float("inf")}, "created_after must be a time such as"),
    ],
)
def test_a_wrong_filter_is_named(script: Script, query: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=rf"^Session\.list: {problem}"):
        script.call("session.list", **query)


# Timeline, numbers, replay ---------------------------------------------------------------


def append(store: Store, script: Script, *events: tuple[str, dict[str, Any], Any]) -> None:
    """Append whole effects to a script's history."""
    lease = store.leases.acquire(script.session.key)
    writer = store.history.writer(script.session.key, lease)
    records = []
    for i, (name, args, outcome) in enumerate(events, 1):
        record = Record(
            Part.EFFECT, writer.number + i, ordinal=i, name=name, source="script.lua", line=i,
            status=Status.OK, at=i, args=values.encode(args), outcome=values.encode(outcome),
        )  # fmt: skip
        records.append(record)
    writer.append(records)
    store.leases.release(script.session.key, lease)


def test_a_timeline_shows_events_oldest_first(script: Script, store: Store) -> None:
    append(
        store, script,
        ("output.line", {"text": "hi"}, None), ("state.set", {"key": "k", "value": b"\xff"}, None),
        ("clock.time", {}, 17), ("tool.invoke", {"name": "t"}, "x" * 5000),
    )  # fmt: skip
    script.number = 100  # the call comes after all of them
    found = script.call("session.timeline")
    assert [(it["number"], it["kind"], it["name"]) for it in found] == [
        (1, "output", "output.line"), (2, "effect", "state.set"), (3, "effect", "clock.time"),
        (4, "effect", "tool.invoke"),
    ]  # fmt: skip
    assert found[1]["args"]["value"] == b"\xff"
    assert (found[2]["outcome"], found[2]["source"], found[2]["line"]) == (17, "script.lua", 3)
    assert found[3]["outcome"]["size"] == 5000
    chosen = script.call("session.timeline", options={"kind": "effect", "from": 2, "limit": 1})
    assert [it["number"] for it in chosen] == [2]
    assert script.call("session.timeline", options={"correlation_id": "another"}) == []
    with pytest.raises(UsageError, match="there is no option 'form'; did you mean from"):
        script.call("session.timeline", options={"form": 1})


def test_the_timeline_of_a_session_without_program_is_its_part_of_the_creators(
    script: Script, store: Store
) -> None:
    made = script.call("session.create")
    append(
        store, script,
        ("session.create", {}, made), ("clock.time", {}, 17),
        ("artifact.store", {"session": made, "name": "a"}, None),
        ("state.set", {"key": "k", "scope": f"session:{made}"}, None),
        ("state.set", {"key": "k"}, None),
    )  # fmt: skip
    script.number = 100
    found = script.call("session.timeline", session=made)
    assert [it["number"] for it in found] == [1, 3, 4]


def test_events_of_a_foreign_session_are_out_of_reach(script: Script, stranger: Script) -> None:
    with pytest.raises(PermissionDenied, match=r"Session\.getTimeline: this script does not act"):
        script.call("session.timeline", session=stranger.id)


def test_numbers_of_a_session(script: Script) -> None:
    made = script.call("session.create", limits={"artifacts": 5})
    script.call("artifact.store", session=made, name="a", content="12345")
    script.call("state.set", scope=f"session:{made}", key="k", value=1)
    stats = script.call("session.stats", session=made)
    assert stats["session_id"] == made
    assert (stats["artifacts"], stats["artifact_bytes"], stats["state_keys"]) == (1, 5, 1)
    assert stats["limits"] == {"artifacts": 5}


def test_what_has_a_program_can_be_replayed_and_so_can_what_it_created(
    script: Script, store: Store
) -> None:
    made = script.call("session.create")
    assert script.call("session.can_replay") is True
    assert script.call("session.can_replay", session=made) is True
    assert script.call("session.list_replayable") == [made, script.id]
    store.sessions.delete(script.session.key)


def test_what_outlived_its_creator_can_not_be_replayed(
    script: Script, stranger: Script, store: Store
) -> None:
    made = script.call("session.create")
    store.sessions.delete(script.session.key)
    assert stranger.call("session.can_replay", session=made) is False


# Forks -----------------------------------------------------------------------------------


def test_a_fork_knows_its_copies_by_the_ids_of_the_originals(
    script: Script, store: Store, tmp_path: Path
) -> None:
    made = script.call("session.create", name="child", tags=["original"])
    fork = Script(store, tmp_path, name="fork")
    copy = fork.call("session.create", name="child")
    fork.aliases = {script.id: fork.id, made: copy}
    assert fork.call("session.get", session=made)["id"] == made
    assert fork.call("session.get")["id"] == script.id
    fork.call("session.add_tag", session=made, tag="fork")
    assert fork.call("session.get", session=made, field="tags") == ["fork"]
    assert script.call("session.get", session=made, field="tags") == ["original"]
    listed = fork.call("session.list")
    assert sorted(it["id"] for it in listed) == sorted([script.id, made])
    assert {it["name"] for it in listed} == {"fork", "child"}
    assert names(fork.call("session.list", created_by=script.id)) == ["child"]
