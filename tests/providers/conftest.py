"""A scripted LLM that tests of a module share."""

from servers.conftest import server, well  # noqa: F401
