"""The one place that reads what a server answers: chat, completions and TGI's own API, whatever shape it comes in.

A text is made normal here, once, before journal and rows see it: lone surrogates, NUL, control and zero-width characters go. An
answer whose content is no text is unusable, not an error of the run: it is asked again, and in the end kept as an answer without text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from silly_llm.providers.base import Completion
from silly_llm.providers.server.errors import RequestError, one_line, refusal, web_page
from silly_llm.providers.server.structured import InvalidAnswer
from silly_llm.providers.thinking import estimated, without_thinking

UNREADABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\u180e\u200b\u2060\ufeff\ud800-\udfff]")
"""Characters that no text has: control characters, zero-width ones (joiners excepted, scripts need them), halves of pairs."""
THINKING_PARTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_content", "thought"})
TEXT_PARTS = frozenset({None, "text", "output_text"})
FINISH_REASONS = {
    **dict.fromkeys(
        (
            "eos_token",
            "stop_sequence",
            "end_turn",
            "eos",
            "end",
            "complete",
            "completed",
            "finished",
            "finish_reason_stop",
        ),
        "stop",
    ),
    **dict.fromkeys(
        ("max_tokens", "max_length", "model_length", "max_output_tokens", "finish_reason_max_tokens"), "length"
    ),
    **dict.fromkeys(("safety", "content-filter", "recitation", "blocklist", "prohibited_content"), "content_filter"),
}
"""One vocabulary for all servers: what others say, in lower case, as OpenAI says it."""
ENDS = frozenset(".!?…\"'”’»)]。！？」』")
"""What a text ends with that was not cut off."""
REFUSED = "refused by the model"
LARGEST_COUNT = 2**31


def read_json(answer: bytes) -> Any:
    """What came with HTTP 200.

    Raises:
        RequestError: it is not JSON; a web page is named as one.
    """
    try:
        return json.loads(answer)
    except ValueError:
        text = answer[:2000].decode("utf-8", "replace")
        if page := web_page(text):
            raise RequestError(f"{page}; is base_url right?", never_connected=True) from None
        raise RequestError(f"the answer is not JSON: {one_line(text)[:80]}") from None


def read_chat(answer: Any, model: str, max_tokens: int) -> Completion:
    """The completion in an answer of a chat or completions API.

    Args:
        answer: what came, from JSON.
        model: what answers, where the answer does not say.
        max_tokens: what was asked for.

    Raises:
        RequestError: it is no answer of such an API.
        InvalidAnswer: it says nothing; with the completion that stands for it.
    """
    if not isinstance(answer, dict):
        raise not_an_answer(answer)
    choices = answer.get("choices")
    if answer.get("error") and not choices:  # OpenRouter: with HTTP 200
        raise error_inside(answer)
    if "choices" not in answer:
        raise not_an_answer(answer)
    first = choices[0] if isinstance(choices, list) and choices else {}
    choice = mapping(first)
    message = choice.get("message")
    usage = mapping(answer.get("usage"))
    completion_tokens = count(usage.get("completion_tokens"))
    extra: dict[str, Any] = {}
    text, thinking = "", ""
    if not first:
        extra["unusable"] = "has no choices"
    elif not {"message", "text"} & choice.keys():
        extra["unusable"] = "has no message"
    elif isinstance(message, dict):
        text, thinking, unusable = read_message(message)
        if unusable:
            extra["unusable"] = unusable
    else:
        text, _, unusable = read_content(choice.get("text") if message is None else message)
        if unusable:
            extra["unusable"] = unusable
    text = normal(text, extra)
    given = mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")
    if tokens := count(given) or count(usage.get("reasoning_tokens")):
        extra["reasoning_tokens"] = tokens
    elif thinking:
        extra |= estimated(thinking, text, completion_tokens)
    said = answer.get("model")
    completion = Completion(
        text=text,
        finish_reason=finish_reason(choice.get("finish_reason"), text, completion_tokens, max_tokens),
        prompt_tokens=count(usage.get("prompt_tokens")),
        completion_tokens=completion_tokens,
        model=normal(said) if isinstance(said, str) and said else model,
        extra=extra,
    )
    return not_empty(completion)


def read_generate(answer: Any, headers: Mapping[str, str], model: str, max_tokens: int) -> Completion:
    """The completion in an answer of TGI's /generate.

    Raises:
        RequestError: it is not one.
        InvalidAnswer: it says nothing.
    """
    if isinstance(answer, list) and answer:
        answer = answer[0]
    if not isinstance(answer, dict) or "generated_text" not in answer:
        raise not_an_answer(answer, "TGI")
    details = mapping(answer.get("details"))
    extra: dict[str, Any] = {}
    text, _, unusable = read_content(answer["generated_text"])
    if unusable:
        extra["unusable"] = unusable
    text, tokens = normal(text, extra), count(details.get("generated_tokens"))
    prefill = details.get("prefill")
    return not_empty(
        Completion(
            text=text,
            finish_reason=finish_reason(details.get("finish_reason"), text, tokens, max_tokens),
            prompt_tokens=count(headers.get("x-prompt-tokens")) or (len(prefill) if isinstance(prefill, list) else 0),
            completion_tokens=tokens,
            model=model,
            extra=extra,
        )
    )


def read_message(message: Mapping[str, Any]) -> tuple[str, str, str]:
    """Text, thinking, and why there is no text, of a chat message."""
    content = message.get("content")
    text, thinking, unusable = (content, "", "") if isinstance(content, str) else read_content(content)
    for name in ("reasoning_content", "reasoning", "reasoning_details", "thinking"):
        if said := message.get(name):
            thinking = thinking or strings_in(said)
    if not text:
        if message.get("refusal"):
            unusable = REFUSED
        elif message.get("tool_calls") or message.get("function_call"):
            unusable = unusable or "calls a tool instead"
    return text, thinking, unusable


def read_content(content: Any) -> tuple[str, str, str]:
    """Text, thinking, and why there is no text, of a content in any shape: a text, or parts, some of them thinking."""
    if content is None or isinstance(content, str):
        return content or "", "", ""
    if isinstance(content, dict):
        parts = content.get("parts")
        content = parts if isinstance(parts, list) else [content]
    if not isinstance(content, (list, tuple)):
        return "", "", f"its content is {kind_of(content)}"
    texts, thinking, others = [], [], []
    for part in content:
        named = mapping(part)
        kind = named.get("type")
        kind = kind if isinstance(kind, str) else None
        text = part if isinstance(part, str) else named.get("text")
        if kind in THINKING_PARTS or named.get("thought") is True:
            thinking.append(strings_in(part))
        elif isinstance(text, str) and kind in TEXT_PARTS:
            texts.append(text)
        else:
            others.append(f"a part of kind {kind!r}" if kind else kind_of(part))
    unusable = f"its content is {others[0]}" if others and not texts else ""
    return "".join(texts), "".join(thinking), unusable


def strings_in(value: Any, depth: int = 0) -> str:
    """All text within parts of thinking, to be counted."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = [
            v for k, v in value.items() if k not in ("type", "id", "format", "signature", "data", "encrypted_content")
        ]
    if isinstance(value, (list, tuple)) and depth < 5:
        return "".join(strings_in(item, depth + 1) for item in value)
    return ""


def normal(text: str, extra: dict[str, Any] | None = None) -> str:
    """`text` without characters that no text has; noted in `extra` if there were any. Halves of one pair are joined first."""
    if UNREADABLE.search(text) is None:
        return text
    if extra is not None:
        extra["cleaned"] = ["characters"]
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    return UNREADABLE.sub("", whole)


def count(value: Any) -> int:
    """A number of tokens, 0 where it is none."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value[:12])
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < LARGEST_COUNT:
        return 0
    return int(value)


def finish_reason(reason: Any, text: str = "", tokens: int = 0, max_tokens: int = 0) -> str:
    """Why an answer ended, as OpenAI says it. Where a server does not say: `length` at the token limit, `stop` below it."""
    if isinstance(reason, str) and reason:
        low = reason.lower()
        return FINISH_REASONS.get(low, low if low in ("stop", "length", "content_filter") else normal(reason)[:40])
    if tokens and max_tokens:
        return "length" if tokens >= max_tokens else "stop"
    return "stop" if text.rstrip()[-1:] in ENDS and text.strip() else "unknown"


def not_empty(completion: Completion) -> Completion:
    """The completion, if it says something; one that was cut off before its first word, or refused, counts.

    Raises:
        InvalidAnswer: it is empty: a hiccup of the server, or a seed that ends at once.
    """
    said = without_thinking(completion)
    if said.text.strip("\u200c\u200d \n\r\t") or completion.finish_reason in ("length", "content_filter"):
        return completion
    why = said.extra.get("unusable") or ("only thinking" if "reasoning_tokens" in said.extra else "")
    if why == REFUSED:
        return completion
    raise InvalidAnswer(f"the answer says nothing: {why}" if why else "the answer is empty", completion)


def error_inside(answer: Mapping[str, Any]) -> RequestError:
    """The error in a body that came with HTTP 200."""
    error = answer["error"]
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 502
    return refusal(status, json.dumps(answer, default=str), {})


def not_an_answer(answer: Any, api: str = "a chat API") -> RequestError:
    return RequestError(f"not an answer of {api} ({normal(one_line(answer))})")


def mapping(value: Any) -> Mapping[str, Any]:
    """`value`, or nothing where it is no mapping."""
    return value if isinstance(value, dict) else {}


def kind_of(value: Any) -> str:
    """What a value is, as people say it."""
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        tuple: "a list",
        type(None): "null",
    }
    return names.get(type(value), "an object without text" if isinstance(value, dict) else type(value).__name__)
