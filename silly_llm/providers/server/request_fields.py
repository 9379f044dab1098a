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
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from silly_llm.core.errors import RecipeError
from silly_llm.providers.base import ChatRequest, Completion
from silly_llm.providers.server.errors import RequestError

if TYPE_CHECKING:
    pass

THINKING: dict[str, Callable[[bool], dict[str, Any]]] = {
    "type": lambda on: {"thinking": {"type": "enabled" if on else "disabled"}},
    "enable": lambda on: {"enable_thinking": on},
    "effort": lambda on: {"reasoning_effort": "medium" if on else "none"},
    "reasoning": lambda on: {"reasoning": {"enabled": on}},
    "template": lambda on: {
        "chat_template_kwargs": {"enable_thinking": on, "thinking": on},
        **({} if on else {"reasoning_effort": "none"}),
    },
}
"""The forms of the switch. `template` is for what runs a chat template (vLLM, SGLang, llama.cpp …); Ollama heeds its effort."""
FORMS = {
    "deepseek.com": "type",
    "moonshot.ai": "type",
    "moonshot.cn": "type",
    "volces.com": "type",
    "z.ai": "type",
    "bigmodel.cn": "type",
    "aliyuncs.com": "enable",
    "siliconflow.com": "enable",
    "siliconflow.cn": "enable",
    "openrouter.ai": "reasoning",
    "openai.com": "effort",
    "azure.com": "effort",
    "googleapis.com": "effort",
    "mistral.ai": "effort",
    "x.ai": "effort",
    "groq.com": "effort",
}
"""By the host's domain; any other: `template`."""
SWITCHES = frozenset({"thinking", "enable_thinking", "reasoning_effort", "reasoning", "chat_template_kwargs"})
MAY_BE_REFUSED = frozenset({"max_tokens", "temperature", "top_p", "seed", *SWITCHES})
REFUSES = re.compile(
    r"unsupported|not (?:supported|permitted|allowed|accepted|recognized|available|implemented|enabled)"
    r"|(?:does|do|is)(?:n['’]t| not) (?:support|accept|allow|recognize|take|a valid)|unknown|unrecogni[sz]ed|unexpected|extraneous"
    r"|extra (?:inputs|fields|field|forbidden|argument|parameter)|extra_forbidden|cannot find field|no such|deprecated"
    r"|only the default|cannot both|invalid (?:field|parameter|argument)|use ['\"`]?max_completion_tokens",
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
    """What tells the server at an address to think or not; nothing where the recipe does not say."""
    if thinking is None:
        return {}
    host = urlsplit(url).hostname or ""
    form = next((f for domain, f in FORMS.items() if host == domain or host.endswith("." + domain)), "template")
    return THINKING[form](thinking)


@dataclass
class Learned:
    """What the server at one address has refused."""

    where: str
    """How messages name it."""
    left_out: set[str] = field(default_factory=set)
    renamed: bool = False
    """`max_tokens` is sent as `max_completion_tokens`."""
    no_system: bool = False
    """A system message goes into the first message of the user."""

    async def ask(
        self,
        fields: Mapping[str, Any],
        fixed: Mapping[str, Any],
        send: Callable[[dict[str, Any]], Awaitable[Completion]],
    ) -> Completion:
        """Send `fields` as far as the server takes them, and `fixed` as it is; again, if it refuses what may be left out.

        Raises:
            RequestError: there is no answer.
        """
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
            if self.left_out:
                completion = replace(completion, extra={**completion.extra, "left_out": sorted(self.left_out)})
            return completion

    def applied(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """`fields` as the server takes them."""
        if not (self.left_out or self.renamed or self.no_system):
            return dict(fields)
        sent = {key: value for key, value in fields.items() if key not in self.left_out}
        if self.renamed and "max_tokens" in sent:
            sent["max_completion_tokens"] = sent.pop("max_tokens")
        if self.no_system and "messages" in sent:
            sent["messages"] = without_system(sent["messages"])
        return sent

    def learn(self, error: RequestError, sent: set[str], messages: Any) -> None:
        """Understand a refusal, and say so once."""
        if error.status not in (400, 422) and not (error.status == 500 and NO_SYSTEM.search(error.detail)):
            return
        refused = refused_fields(error, sent & MAY_BE_REFUSED) if error.status != 500 else set()
        news = []
        if "max_tokens" in refused:
            refused.discard("max_tokens")
            if not self.renamed:
                self.renamed = True
                news.append("`max_tokens` is sent as `max_completion_tokens`")
        for name in sorted(refused - self.left_out):
            self.left_out.add(name)
            news.append(f"`{name}` is left out")
        has_system = any(message["role"] == "system" for message in messages)
        if not refused and not news and has_system and not self.no_system and NO_SYSTEM.search(error.detail):
            self.no_system = True
            news.append("the system message goes into the user's")
        if news:
            print(f"{self.where}: from now on {', '.join(news)} ({error})", file=sys.stderr)


def refused_fields(error: RequestError, sent: set[str]) -> set[str]:
    """Which of the fields that were sent a server refuses, by the parameter that it names or by its text."""
    text = LISTS_OTHERS.split(error.detail, maxsplit=1)[0]
    parts = {part for param in error.params for part in re.split(r"[.\[\]/]+", param)}
    named = sent & parts or {name for name in sent if re.search(rf"(?<![\w.]){name}(?!\w)", text)}
    if not REFUSES.search(error.detail):
        return named & SWITCHES  # a value of theirs that a server does not know
    if len(named) > 1 and not sent & parts:  # the text may speak of others besides
        return {min(named, key=text.find)}
    return named


def without_system(messages: Any) -> list[dict[str, str]]:
    """The messages, what the system says put before what the user says first."""
    said = [message["content"] for message in messages if message["role"] == "system"]
    rest = [dict(message) for message in messages if message["role"] != "system"]
    for message in rest:
        if message["role"] == "user":
            message["content"] = "\n\n".join([*said, message["content"]])
            break
    return rest


def chat_fields(request: ChatRequest) -> dict[str, Any]:
    """The sampling of a request; `None` is not sent."""
    return {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p if request.top_p < 1 else None,
        "seed": request.seed,
    }


def compile_chat_template(text: str | None) -> Any:
    """A prompt from messages, for base models: sandboxed Jinja."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    plain = "{{ messages | map(attribute='content') | join('\\n\\n') }}\n\n"
    try:
        return ImmutableSandboxedEnvironment(keep_trailing_newline=True).from_string(text or plain)
    except TemplateError as error:
        raise RecipeError(f"chat_template: {error}") from None
