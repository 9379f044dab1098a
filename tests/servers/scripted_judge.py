"""A stand-in for a judge: OpenAI's chat API on loopback, whose answers are a function of what is asked.

In tests: `with ScriptedJudge(grade) as judge: judge.spec, judge.bodies`. It answers the first question about a story with an
assessment and the second with what `grade` gives: a verdict (the id is put in), any other text as it stands, or an HTTP status.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from servers.frame import Request, Response, StandIn

GRADES = ("grammar", "creativity", "consistency", "plot")
ASSESSMENT = "The grammar is right, and the plot is simple."


def graded(*grades: int, age: str = "C") -> dict[str, Any]:
    """A verdict with these grades, or four times the one that is given."""
    return dict(zip(GRADES, grades if len(grades) > 1 else grades * 4, strict=True)) | {"age_group": age}


class ScriptedJudge(StandIn):
    """The server; a context manager.

    Args:
        grade: from the work (what the user's first message holds, parsed) and the seed to a verdict, a text or an HTTP status.
        assess: from the work to the assessment.
        token: which requests must have.
    """

    def __init__(
        self,
        grade: Callable[[dict[str, str], int], Any],
        assess: Callable[[dict[str, str]], str] = lambda work: ASSESSMENT,
        token: str = "",
    ) -> None:
        super().__init__()
        self.grade, self.assess, self.token = grade, assess, token
        self.bodies: list[dict[str, Any]] = []
        """Of all questions but the probe, in order."""
        self.probe: dict[str, Any] = {"content": "Yes."}
        """The message that answers the probe."""

    @property
    def spec(self) -> dict[str, Any]:
        """The options of a provider that asks it."""
        return {"type": "openai", "base_url": self.url, "model": "judge", "first_wait": 0.01, "concurrency": 8}

    async def answer(self, request: Request) -> Response:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": {"message": "invalid token"}}, status=401)
        body = json.loads(await request.content.read())
        if body["model"] != "judge":
            return web.json_response({"error": {"message": f"no model {body['model']}"}}, status=404)
        said: Any = ""
        if len(body["messages"]) > 1:
            self.bodies.append(body)
            work = json.loads(body["messages"][1]["content"])
            said = self.assess(work) if len(body["messages"]) == 2 else self.grade(work, body["seed"])
        if isinstance(said, int):
            return web.json_response({"error": {"message": "scripted failure"}}, status=said)
        if isinstance(said, dict):
            said = json.dumps({"id": re.findall(r'"id" is "(\w+)"', body["messages"][-1]["content"])[-1], **said})
        message = {"role": "assistant", "content": said} | (self.probe if len(body["messages"]) == 1 else {})
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({"model": "judge", "choices": [choice], "usage": usage})
