from pathlib import Path

import pytest


@pytest.fixture
def shared_data() -> Path:
    """The published data sets, which lie beside the project and are never part of it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the published data sets are not at {folder}")
    return folder
