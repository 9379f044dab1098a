"""A scripted LLM that tests of a module share."""

from __future__ import annotations

import pytest

from servers.scripted_llm import ScriptedLLM


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ScriptedLLM(tmp_path_factory.mktemp("server"), log_bodies=True) as running:
        yield running


@pytest.fixture
def well(server):
    """The shared server, behaving well again afterwards."""
    before = server.behave()
    yield server
    server.behave(**before)
