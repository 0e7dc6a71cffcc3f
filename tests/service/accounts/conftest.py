"""These tests share a database, which is emptied before each."""

import pytest


@pytest.fixture
def database_url(recycled_url: str) -> str:
    """The URL of a migrated database without a row."""
    return recycled_url
