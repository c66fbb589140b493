"""Where the store is when nobody says."""

from __future__ import annotations

import os
from pathlib import Path


def default_folder() -> Path:
    """Return the folder of `RESPELL_STORE`, else the platform's data folder for respell."""
    chosen = os.environ.get("RESPELL_STORE")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_data_path

    return user_data_path("respell", appauthor=False)
