"""What stories about the command line and the terminal UI start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import CommandLine


@pytest.fixture
def respell(tmp_path: Path) -> CommandLine:
    """The `respell` command in an empty folder, with a store that is not there yet."""
    return CommandLine(tmp_path)
