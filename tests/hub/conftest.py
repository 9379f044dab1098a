"""Folders that can be published."""

import pytest
from folders import save_stories, save_tiny_model


@pytest.fixture
def stories(tmp_path):
    return save_stories(tmp_path / "stories", tmp_path)


@pytest.fixture
def model(tmp_path):
    return save_tiny_model(tmp_path / "model", tmp_path)
