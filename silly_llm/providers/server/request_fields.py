"""What a chat request carries, the switch for thinking, and what is learned when a server refuses a parameter.

Servers differ in which parameters they take (OpenAI's o-series refuses `max_tokens` and `temperature`, others `seed` or the system
message), and say so only when asked. A refused one is left out or renamed, the request is sent again at once, and the
endpoint's later requests go without it. What the recipe's `extra_body` says is never changed.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.providers.base import Completion
from silly_llm.providers.server.errors import RequestError
from silly_llm.providers.server.http import is_within

THINKING: dict[str, Callable[[bool], dict[str, Any]]] = {
    "deepseek.com moonshot.ai moonshot.cn volces.com z.ai bigmodel.cn": lambda on: {
        "thinking": {"type": "enabled" if on else "disabled"}
    },
    "aliyuncs.com siliconflow.com siliconflow.cn": lambda on: {"enable_thinking": on},
    "openrouter.ai": lambda on: {"reasoning": {"enabled": on}},
    "openai.com azure.com googleapis.com mistral.ai x.ai groq.com": lambda on: {
        "reasoning_effort": "medium" if on else "none"
    },
}
"""The form of the switch by the host's domain."""
SWITCHES = frozenset({"thinking", "enable_thinking", "reasoning_effort", "reasoning", "chat_template_kwargs"})
MAY_BE_REFUSED = frozenset({"max_tokens", "temperature", "top_p", "seed", *SWITCHES})
REFUSES = re.compile(
    r"unsupported|not (?:supported|permitted|allowed|accepted|recognized|available|implemented|enabled)"
    r"|(?:does|do|is)(?:n['’]t| not) (?:support|accept|allow|recognize|take|a valid)|unknown|unrecogni[sz]ed|unexpected|extraneous"
    r"|extra (?:inputs|fields|field|forbidden|argument|parameter)|extra_forbidden|cannot find field|no such|deprecated"
    r"|only (?:the default|\S+ is allowed)|不支持|cannot both|invalid (?:field|parameter|argument)|use ['\"`]?max_completion_tokens",
    re.IGNORECASE,
)
"""How servers say that they do not take a parameter at all, rather than its value."""
LISTS_OTHERS = re.compile(
    r"expected one of|(?:valid|supported|allowed|known|permitted|available) (?:fields|parameters|keys|arguments|inputs)|did you mean",
    re.IGNORECASE,
)
"""What follows names parameters that it does take."""
NO_SYSTEM = re.compile(
    r"\bsystem\b.{0,60}(?:not|n['’]t|un)|(?:not|n['’]t|un)\w*.{0,60}\bsystem\b|roles? must alternate|only (?:the )?['\"]?user",
    re.IGNORECASE | re.DOTALL,
)


@functools.lru_cache(maxsize=64)
def thinking_fields(url: str, thinking: bool | None) -> dict[str, Any]:
    """The fields that switch thinking on or off at an address; none if the recipe does not say."""
    if thinking is None:
        return {}
    for domains, switch in THINKING.items():
        if is_within(url, *domains.split()):
            return switch(thinking)
    # For servers that run a chat template (vLLM, SGLang, llama.cpp …); Ollama reads the effort.
    template = {"chat_template_kwargs": {"enable_thinking": thinking, "thinking": thinking}}
    return template if thinking else {**template, "reasoning_effort": "none"}


SAID = {
    "max_tokens": "`max_tokens` is sent as `max_completion_tokens`",
    "system": "the system message goes into the user's",
}
"""What a notice says of those that are not just left out."""


@dataclass
class Learned:
    """What the server at one address has refused."""

    where: str
    """How messages name it."""
    refused: set[str] = field(default_factory=set)
    """Names of fields that are left out, but for those of `SAID`."""

    async def ask(
        self,
        fields: Mapping[str, Any],
        fixed: Mapping[str, Any],
        send: Callable[[dict[str, Any]], Awaitable[Completion]],
    ) -> Completion:
        """Send `fields` as far as the server takes them, and `fixed` as it is; again, if it refuses what may be left out. Raises `RequestError`."""
        sent = self.applied(fields)
        while True:
            body = {key: value for key, value in {**sent, **fixed}.items() if value is not None}
            try:
                completion = await send(body)
            except RequestError as error:
                self.learn(error, {key for key in body if key not in fixed}, sent.get("messages") or ())
                before, sent = sent, self.applied(fields)
                if sent == before:
                    raise
                continue
            if left_out := sorted(self.refused - SAID.keys()):
                completion = replace(completion, extra={**completion.extra, "left_out": left_out})
            return completion

    def applied(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """`fields` as the server takes them."""
        sent = {key: value for key, value in fields.items() if key not in self.refused}
        if "max_tokens" in self.refused and "max_tokens" in fields:
            sent["max_completion_tokens"] = fields["max_tokens"]
        if "system" in self.refused and "messages" in sent:
            sent["messages"] = without_system(sent["messages"])
        return sent

    def learn(self, error: RequestError, sent: set[str], messages: Any) -> None:
        """Understand a refusal, and say so once."""
        refuses_system = NO_SYSTEM.search(error.detail) and any(message["role"] == "system" for message in messages)
        refused = refused_fields(error, sent & MAY_BE_REFUSED) if error.status in (400, 422) else set()
        if not refused and refuses_system and error.status in (400, 422, 500):
            refused = {"system"}
        if news := sorted(refused - self.refused):
            self.refused |= refused
            said = ", ".join(SAID.get(name, f"`{name}` is left out") for name in news)
            print(f"{self.where}: from now on {said} ({error})", file=sys.stderr)


def refused_fields(error: RequestError, sent: set[str]) -> set[str]:
    """Which of the fields that were sent a server refuses, by the parameter that it names or by its text."""
    text = LISTS_OTHERS.split(error.detail, maxsplit=1)[0]
    named = sent & {part for param in error.params for part in re.split(r"[.\[\]/]+", param)}
    apart = bool(named)
    named = named or {name for name in sent if re.search(rf"(?<![\w.]){name}(?!\w)", text)}
    if not REFUSES.search(error.detail):
        return named & SWITCHES  # a value of theirs that a server does not know
    return {min(named, key=text.find)} if named and not apart else named  # the text may speak of others besides


def without_system(messages: Any) -> list[dict[str, str]]:
    """The messages, what the system says put before what the user says first."""
    said = [message["content"] for message in messages if message["role"] == "system"]
    rest = [dict(message) for message in messages if message["role"] != "system"]
    first = next((message for message in rest if message["role"] == "user"), None)
    if first is not None:
        first["content"] = "\n\n".join([*said, first["content"]])
    return rest


def compile_chat_template(text: str | None) -> Any:
    """The template of a prompt from messages, for base models: sandboxed Jinja; by default their texts, a blank line behind each.

    Raises `RecipeError` if it is not Jinja.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    plain = "{{ messages | map(attribute='content') | join('\\n\\n') }}\n\n"
    try:
        return ImmutableSandboxedEnvironment(keep_trailing_newline=True).from_string(text or plain)
    except TemplateError as error:
        raise RecipeError(f"chat_template: {error}") from None
