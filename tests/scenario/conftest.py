from pathlib import Path

import pytest
from sample_scenarios import small_city


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of a small city."""
    return small_city(tmp_path)
