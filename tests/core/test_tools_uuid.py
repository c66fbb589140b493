"""uuid_generator: versions, forms, ids, and what is a UUID."""

from __future__ import annotations

import json
import re
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import respell
from respell.effect import Kind
from respell.errors import EffectFailed
from respell.store import Store
from respell.tools import ToolRegistry
from workbench import tool_context

TOOLS = ToolRegistry()
HEX = "[0-9a-f]"
UUID = f"{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}}"


def call(**params: Any) -> dict[str, Any]:
    return TOOLS.invoke("uuid_generator", params, tool_context(Path("/")))


def test_a_random_uuid_by_default() -> None:
    answer = call()
    made = uuid.UUID(answer["result"]["uuid"])
    assert made.version == 4
    assert answer["result"] == {"uuid": str(made), "version": "v4", "format": "hyphenated"}
    assert json.loads(answer["text"]) == {
        "operation": "generate",
        "success": True,
        "message": "UUID generated successfully",
        "result": answer["result"],
    }
    assert call()["result"]["uuid"] != str(made)


@pytest.mark.parametrize(
    ("form", "pattern", "named"),
    [
        ("standard", UUID, "hyphenated"),
        ("hyphenated", UUID, "hyphenated"),
        ("simple", f"{HEX}{{32}}", "simple"),
        ("urn", f"urn:uuid:{UUID}", "urn"),
        ("braced", rf"\{{{UUID}\}}", "braced"),
    ],
)
def test_forms(form: str, pattern: str, named: str) -> None:
    result = call(format=form)["result"]
    assert re.fullmatch(pattern, result["uuid"])
    assert result["format"] == named


@pytest.mark.parametrize("version", ["v1", "1", 1, 1.0])
def test_by_time_is_really_by_time_and_names_no_machine(version: Any) -> None:
    result = call(version=version)["result"]
    made = uuid.UUID(result["uuid"])
    assert (made.version, result["version"]) == (1, "v1")
    seconds = (made.time - 0x01B21DD213814000) / 1e7  # counted from 1582
    assert abs(seconds - time.time()) < 60
    assert made.node != uuid.getnode()
    assert made.node >> 40 & 1, "the address says that it is no network card's"
    assert uuid.UUID(call(version="v1")["result"]["uuid"]).node != made.node


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        (None, uuid.uuid5(uuid.NAMESPACE_DNS, "n")),
        ("dns", uuid.uuid5(uuid.NAMESPACE_DNS, "n")),
        ("url", uuid.uuid5(uuid.NAMESPACE_URL, "n")),
        ("oid", uuid.uuid5(uuid.NAMESPACE_OID, "n")),
        ("x500", uuid.uuid5(uuid.NAMESPACE_X500, "n")),
        ("agent", uuid.uuid5(uuid.UUID("6ba13d5a-3f5d-4a5b-9f7e-3d5a2f4d3a2b"), "n")),
        ("tool", uuid.uuid5(uuid.UUID("7cb24e6b-4f6e-5b6c-af8f-4e6b3f5e4b3c"), "n")),
        ("workflow", uuid.uuid5(uuid.UUID("8dc35f7c-5f7f-6c7d-bf9f-5f7c4f6f5c4d"), "n")),
        ("00000000000000000000000000000001", uuid.uuid5(uuid.UUID(int=1), "n")),
    ],
)
def test_by_name(namespace: str | None, expected: uuid.UUID) -> None:
    params = {"version": "v5", "name": "n"} | ({"namespace": namespace} if namespace else {})
    assert call(**params)["result"]["uuid"] == str(expected)


def test_component_ids() -> None:
    result = call(operation="component_id", prefix="agent")["result"]
    assert re.fullmatch(f"agent_{UUID}", result["id"])
    assert (result["prefix"], result["short"]) == ("agent", False)
    short = call(operation="component_id", short=True)["result"]["id"]
    assert re.fullmatch(f"component_{HEX}{{8}}", short)


def test_deterministic_ids() -> None:
    result = call(operation="deterministic", name="my-agent")["result"]
    namespace = uuid.UUID("6ba13d5a-3f5d-4a5b-9f7e-3d5a2f4d3a2b")
    assert result == {
        "id": str(uuid.uuid5(namespace, "my-agent")),
        "namespace": "agent",
        "name": "my-agent",
    }
    other = call(operation="deterministic", name="my-agent", namespace="tool")["result"]
    assert other["id"] != result["id"]


def test_custom_ids() -> None:
    assert re.fullmatch(UUID, call(operation="custom")["result"]["id"])
    params = {"prefix": "p", "timestamp": True, "short": True, "suffix": "s"}
    result = call(operation="custom", **params)["result"]
    found = re.fullmatch(rf"p_(\d+)_{HEX}{{8}}_s", result["id"])
    assert found
    assert abs(int(found[1]) - time.time()) < 60
    assert (result["timestamp"], result["short"]) == (True, True)


@pytest.mark.parametrize(
    ("text", "version", "variant"),
    [
        ("6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "v1", "RFC4122"),
        ("6ba7b8109dad11d180b400c04fd430c8", "v1", "RFC4122"),
        ("urn:uuid:f47ac10b-58cc-4372-a567-0e02b2c3d479", "v4", "RFC4122"),
        ("{f47ac10b-58cc-4372-a567-0e02b2c3d479}", "v4", "RFC4122"),
        ("00000000-0000-0000-0000-000000000000", None, "NCS"),
        ("00000000-0000-0000-c000-000000000046", None, "Microsoft"),
        ("00000000-0000-0000-e000-000000000000", None, "Future"),
    ],
)
def test_what_is_a_uuid(text: str, version: str | None, variant: str) -> None:
    answer = call(operation="validate", uuid=text)
    expected = {"valid": True, "uuid": str(uuid.UUID(text)), "version": version, "variant": variant}
    assert answer["result"] == expected
    assert json.loads(answer["text"]) == expected, "validate has no envelope"


@pytest.mark.parametrize(
    "text",
    ["", "no", "f47ac10b-58cc-4372-a567-0e02b2c3d47", "0x47ac10b58cc4372a5670e02b2c3d479",
     "f_7ac10b58cc4372a5670e02b2c3d479", "f47ac10b-58cc-4372-a567-0e02b2c3d479\n", "-" * 32,
     "f47ac10b58cc-4372-a567-0e02b2c3d479", "{f47ac10b58cc4372a5670e02b2c3d479"],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    answer = call(operation="validate", uuid=text)
    assert answer["success"] is True
    assert answer["result"] == {"valid": False, "error": "Invalid UUID format"}


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"operation": "make"}, "no operation 'make'.*generate, component_id, deterministic"),
        ({"version": "v3"}, "no version 'v3'.*v1, v4, v5"),
        ({"version": {}}, "no version"),
        ({"format": "urm"}, "did you mean urn"),
        ({"version": "v5"}, "parameter name is missing; version v5 needs it"),
        ({"version": "v5", "name": "n", "namespace": "nope"}, "namespace is 'nope'; allowed are a"),
        ({"operation": "deterministic"}, "parameter name is missing; deterministic"),
        ({"operation": "deterministic", "name": "n", "namespace": "dns"}, "agent, tool, workflow"),
        ({"operation": "validate"}, "parameter uuid is missing"),
        ({"operation": "custom", "prefix": "p" * 256}, "prefix has 256 bytes; at most 255"),
        ({"short": 1}, "must be a boolean"),
    ],
)
def test_what_is_wrong(params: dict[str, Any], says: str) -> None:
    with pytest.raises(EffectFailed, match=says):
        call(**params)


@given(st.uuids(), st.sampled_from(["hyphenated", "simple", "urn", "braced"]))
def test_every_form_is_recognised(made: uuid.UUID, form: str) -> None:
    from respell.tools.builtin.uuid_generator import _FORMATS

    assert call(operation="validate", uuid=_FORMATS[form](made))["result"]["uuid"] == str(made)


def test_a_script_gets_the_same_uuid_at_every_replay(script: Any, store: Store) -> None:
    done = script("""
        print(Tool.invoke("uuid_generator", {}).result.uuid)
        print(Tool.uuid_generator:execute{operation = "component_id", short = true}.result.id)
    """)
    assert re.fullmatch(UUID, script.lines[0])
    assert respell.replay(done.session, store=store).identical
    assert TOOLS.kind_of("uuid_generator", {}) is Kind.READ
