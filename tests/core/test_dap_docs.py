"""docs/dap.md and the VS Code extension say what the adapter does: no more, and no less."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dap_types

from respell.debug.dap.beginning import ATTACH, LAUNCH
from respell.debug.dap.console import COMMANDS
from respell.debug.dap.messages import Code
from respell.debug.dap.requests import REQUESTS, capabilities

REPOSITORY = Path(__file__).parents[2]
DOCS = (REPOSITORY / "docs" / "dap.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the tables below a heading."""
    section = re.split(r"^## ", DOCS.split(f"\n## {heading}\n", 1)[1], flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in lines
        if "---" not in line
    ]


def code(text: str) -> list[str]:
    """Return what is in backticks."""
    return re.findall(r"`([^`]+)`", text)


def name_of(one: Any) -> str:
    return str(one if isinstance(one, str) else one.get("filter") or one["attributeName"])


def test_every_field_of_launch_is_explained() -> None:
    explained = [names[0] for row in rows("`launch` and `attach`") if (names := code(row[0]))]
    heads = ("launch", "attach")
    assert [one for one in explained if one not in heads] == [*LAUNCH, "hold"]
    assert set(ATTACH) - set(LAUNCH) == {"hold"}


def test_every_request_of_our_own_is_explained() -> None:
    explained = [name for row in rows("Requests of our own")[1:] for name in code(row[0])]
    assert sorted(explained) == sorted(name for name in REQUESTS if "/" in name)


def test_every_command_of_the_console_is_explained() -> None:
    explained = {code(row[0])[0]: row[1] for row in rows("The console")[1:]}
    assert explained == {f":{one.name} {one.takes}".strip(): one.help for one in COMMANDS}


def test_the_table_of_capabilities_is_what_initialize_answers() -> None:
    answered = capabilities()
    table = rows("Capabilities")[1:]
    true = {code(row[0])[0]: row[1] for row in table[:-1]}
    assert set(true) == {key for key, value in answered.items() if value is not False}
    assert set(code(table[-1][0])) == {key for key, value in answered.items() if value is False}
    for key, shown in true.items():
        value = answered[key]
        if value is not True:
            names = [
                one if isinstance(one, str) else one.get("filter", one.get("attributeName"))
                for one in value
            ]
            assert code(shown) == names


def test_capabilities_are_of_the_protocol_and_most_of_them_are_there() -> None:
    answered = capabilities()
    keys = set(dap_types.Capabilities.model_fields)
    assert set(answered) <= keys
    assert sum(value is not False for value in answered.values()) >= 33
    for key, value in answered.items():
        match = re.fullmatch(r"supports(\w+)Request", key)
        if match is not None and value is True:
            name = match[1][0].lower() + match[1][1:]
            assert name in REQUESTS, key


def test_all_requests_are_of_the_protocol_or_named_as_ours() -> None:
    for name in REQUESTS:
        assert "/" in name or hasattr(dap_types, f"{name[0].upper()}{name[1:]}Request"), name


def test_every_id_of_an_error_is_explained() -> None:
    assert [int(row[0]) for row in rows("Errors")[1:]] == [int(one) for one in Code]


def test_the_extension_for_vs_code_offers_what_the_adapter_takes() -> None:
    folder = REPOSITORY / "examples" / "vscode"
    extension: dict[str, Any] = json.loads((folder / "package.json").read_text())
    (debugger,) = extension["contributes"]["debuggers"]
    assert [debugger["runtime"], *debugger["args"]] == ["respell", "dap"]
    assert extension["contributes"]["breakpoints"] == [{"language": "lua"}]
    for request in ("launch", "attach"):
        offered = debugger["configurationAttributes"][request]["properties"]
        # `noDebug` is VS Code's own: Run Without Debugging.
        takes = LAUNCH if request == "launch" else ATTACH
        assert set(offered) == set(takes) - {"noDebug"}
    for page in ("vscode.md", "neovim.md"):
        text = (REPOSITORY / "docs" / page).read_text()
        for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL):
            for one in json.loads(block)["configurations"]:
                assert set(one) <= {*LAUNCH, "type", "request", "name"}


def test_the_extension_is_packed_as_vs_code_installs_it(tmp_path: Path) -> None:
    folder = REPOSITORY / "examples" / "vscode"
    said = subprocess.run(
        [sys.executable, folder / "pack.py"], cwd=tmp_path, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    about = json.loads((folder / "package.json").read_text())
    made = tmp_path / f"{about['name']}-{about['version']}.vsix"
    assert said.stdout == f"{made}\n"
    assert made.name in (REPOSITORY / "docs" / "vscode.md").read_text()
    with zipfile.ZipFile(made) as packed:
        assert json.loads(packed.read("extension/package.json")) == about
        manifest = ElementTree.fromstring(packed.read("extension.vsixmanifest"))
        ElementTree.fromstring(packed.read("[Content_Types].xml"))
    space = {"v": "http://schemas.microsoft.com/developer/vsx-schema/2011"}
    identity = manifest.find(".//v:Identity", space)
    asset = manifest.find(".//v:Asset", space)
    assert identity is not None
    assert asset is not None
    assert [identity.get(key) for key in ("Id", "Version", "Publisher")] == [
        about["name"], about["version"], about["publisher"],
    ]  # fmt: skip
    assert asset.get("Path") == "extension/package.json"
