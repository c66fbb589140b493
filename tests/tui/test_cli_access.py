"""`respell grants`, `grant`, `revoke` and `respell artifacts grant`, `revoke`, `acl`."""

from __future__ import annotations

import pytest

from command_line import CommandLine, session_of

READ = """
    local id = Session.suspend()
    print(pcall(Artifact.getContent, nil, id))
    print(pcall(State.get, "session:" .. id:match("^[^/]+"), "city"))
"""


@pytest.fixture
def owner(respell: CommandLine) -> str:
    script = respell.script("Artifact.store(nil, 'plan.txt', 'to Oslo') State.set('city', 'Oslo')")
    return session_of(respell("run", script, "--name", "owner"))


@pytest.fixture
def reader(respell: CommandLine) -> str:
    return session_of(respell("run", respell.script(READ, "reader.lua"), code=3))


def test_what_is_granted_in_a_terminal_is_read_by_a_script(
    respell: CommandLine, owner: str, reader: str
) -> None:
    plan = respell("artifacts", "list", owner, "--json").json[0]["id"]
    told = respell("artifacts", "grant", "owner/plan.txt", "--to", reader, "--expires", "3600").err
    assert told == f"session {reader[:8]} may read artifact {plan[:8]}{plan[36:]}\n"
    told = respell("grant", "owner", "--state", "--to", reader, "--level", "write").err
    assert told == f"session {reader[:8]} may read and write the state of session {owner[:8]}\n"
    respell("grant", "owner", "--events", "artifact.*", "--to", reader)
    resumed = respell("resume", reader, "--value", f'"{plan}"')
    assert resumed.out == "true\tto Oslo\ntrue\tOslo\n"
    shown = respell("grants", reader, "--json").json
    assert [(it["owner"], it["kind"], it["target"], it["level"]) for it in shown] == [
        (owner, "artifact", plan, "read"), (owner, "state", f"session:{owner}", "write"),
        (owner, "events", "artifact.*", "read"),
    ]  # fmt: skip
    assert {it["granted_by"] for it in shown} == {"cli"}
    acl = respell("artifacts", "acl", "owner/plan.txt", "--json").json
    assert [(it["session_id"], it["owner"]) for it in acl] == [(owner, True), (reader, False)]
    assert "owner" in respell("artifacts", "acl", "owner", "plan.txt").out
    actions = [it["action"] for it in respell("audit", owner, "--json").json]
    assert actions[-5:] == [
        "artifact.grant", "state.grant", "event.grant", "artifact.get_content", "state.get",
    ]  # fmt: skip


def test_what_is_revoked_is_refused_again(respell: CommandLine, owner: str, reader: str) -> None:
    plan = respell("artifacts", "list", owner, "--json").json[0]["id"]
    respell("artifacts", "grant", plan, "--to", reader)
    respell("grant", owner, "--state", "--to", reader)
    respell("artifacts", "revoke", plan, "--from", reader)
    respell("revoke", owner, "--state", "--from", reader)
    again = respell("revoke", owner, "--state", "--from", reader, code=1)
    assert "was not granted the state" in again.err
    assert "nothing was granted" in respell("grants").err
    resumed = respell("resume", reader, "--value", f'"{plan}"').out
    assert [line.partition("\t")[0] for line in resumed.splitlines()] == ["false", "false"]
    refused = respell("audit", owner, "--refused", "--json").json
    assert [(it["action"], it["actor"]) for it in refused] == [
        ("artifact.get_content", reader), ("state.get", reader),
    ]  # fmt: skip


def test_a_deleted_session_goes_when_its_last_grant_is_revoked(
    respell: CommandLine, owner: str, reader: str
) -> None:
    plan = respell("artifacts", "list", owner, "--json").json[0]["id"]
    respell("artifacts", "grant", plan, "--to", reader)
    respell("grant", owner, "--state", "--to", reader)
    deleted = respell("delete", owner, "--yes").err
    assert "can still be read by 2 grants" in deleted
    respell("show", owner, code=2)
    assert len(respell("grants", "--json").json) == 2
    respell("artifacts", "revoke", plan, "--from", reader)
    respell("revoke", owner, "--state", "--from", reader)
    assert respell("grants", "--json").json == []
    assert respell("check", "--json").json["ok"]
    respell("artifacts", "revoke", plan, "--from", reader, code=2)


def test_what_can_not_be_granted_is_refused(respell: CommandLine, owner: str, reader: str) -> None:
    respell("grant", owner, "--state", "--to", owner, code=2)
    wrong = respell("grant", owner, "--events", "a*b", "--to", reader, code=2)
    assert "--events" in wrong.err
    late = respell("grant", owner, "--state", "--to", reader, "--expires", "2020-01-01T00:00:00Z",
                   code=2)  # fmt: skip
    assert "has passed already" in late.err
    when = respell("grant", owner, "--state", "--to", reader, "--expires", "soon", code=2)
    assert "or give seconds from now" in when.err
