"""The one place that reads what a server answers: chat, completions and TGI's own API, whatever shape it comes in.

A text is made normal here, once, before journal and rows see it: lone surrogates, NUL, control and zero-width characters go. An
answer whose content is not text is unusable, which does not stop the run: it is asked again, and in the end kept as an answer without text.

Answers under a JSON schema are validated: servers ignore silently a form that they do not know (TGI's form on vLLM and llama-cpp-python).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from silly_llm.providers.base import ChatRequest, Completion
from silly_llm.providers.server.errors import RequestError, one_line, refusal
from silly_llm.providers.thinking import estimated, without_thinking

UNREADABLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u180e\u200b\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
"""Characters that no text has: control and zero-width ones (joiners excepted, scripts need them), noncharacters, halves of pairs."""
THINKING_PARTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_content", "thought"})
TEXT_PARTS = frozenset({None, "text", "output_text"})
NOT_THOUGHTS = frozenset({"type", "id", "format", "signature", "data", "encrypted_content"})
FINISH_REASONS = {
    "stop": "eos_token stop_sequence end_turn eos end complete completed finished finish_reason_stop </s> <|im_end|> <|eot_id|> stop",
    "length": "max_tokens max_length model_length max_output_tokens finish_reason_max_tokens length",
    "content_filter": "safety content-filter recitation blocklist prohibited_content content_filter",
}
"""One vocabulary for all servers: OpenAI's word, and what others say for it, in lower case."""
AS_OPENAI = {word: reason for reason, words in FINISH_REASONS.items() for word in words.split()}
ENDS = frozenset(".!?…\"'”’»)]。！？」』")
"""What a text ends with that was not cut off."""
REFUSED = "refused by the model"
KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", type(None): "null"}
Said = tuple[str, str, str]
"""Text, thinking, and why there is no text."""
RESPONSE_FORMATS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any] | None]] = {
    "openai": lambda schema: {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": dict(schema), "strict": True},
    },
    "llama.cpp": lambda schema: {"type": "json_object", "schema": dict(schema)},
    "tgi": lambda schema: {"type": "json", "value": dict(schema)},
    "prompt": lambda schema: None,
}
"""The `response_format` that carries a schema: OpenAI's and vLLM's, llama-cpp-python's, TGI's, and none, the schema only in words."""
INSTRUCTION = "Answer with JSON alone, valid under this JSON schema: {schema}"


@dataclass(eq=False)
class InvalidAnswer(RequestError):
    """What came back says nothing, is not JSON, or not valid under the schema."""

    completion: Completion | None = None
    """What to keep as the answer if asking again does not help."""


def read_chat(answer: Any, model: str, max_tokens: int) -> Completion:
    """The completion in an answer (from JSON) of a chat or completions API, by `model` where it does not say which.

    Raises `RequestError` if it is no answer of such an API, `InvalidAnswer` if it says nothing.
    """
    body = mapping(answer)
    choices = body.get("choices")
    if (error := body.get("error")) and not choices:  # OpenRouter: with HTTP 200
        code = count(mapping(error).get("code"))
        raise refusal(code if 400 <= code < 600 else 502, json.dumps(body), {})
    if "choices" not in body:
        raise not_an_answer(answer, "a chat API")
    choice = mapping(choices[0]) if isinstance(choices, list) and choices else {}
    given = mapping(body.get("usage"))  # some say input and output
    usage = {k.replace("input", "prompt").replace("output", "completion"): v for k, v in given.items()}
    said = body.get("model")
    tokens = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    details = mapping(usage.get("completion_tokens_details"))
    thought = count(details.get("reasoning_tokens")) or count(usage.get("reasoning_tokens"))
    model = normal(said) if isinstance(said, str) and said else model
    return completed(read_choice(choice), choice.get("finish_reason"), max_tokens, model, *tokens, thought)


def read_generate(answer: Any, headers: Mapping[str, str], model: str, max_tokens: int) -> Completion:
    """The completion in an answer of TGI's /generate; raises as `read_chat` does."""
    body = mapping(answer[0] if isinstance(answer, list) and answer else answer)
    if "generated_text" not in body:
        raise not_an_answer(answer, "TGI")
    details = mapping(body.get("details"))
    prefill = details.get("prefill")
    prompt_tokens = count(headers.get("x-prompt-tokens")) or (len(prefill) if isinstance(prefill, list) else 0)
    tokens = prompt_tokens, count(details.get("generated_tokens"))
    return completed(read_content(body["generated_text"]), details.get("finish_reason"), max_tokens, model, *tokens)


def completed(
    said: Said, reason: Any, max_tokens: int, model: str, prompt_tokens: int, completion_tokens: int, thought: int = 0
) -> Completion:
    """What was said as a completion; one that was cut off before its first word, or refused, counts. `thought`: tokens of thinking.

    Raises `InvalidAnswer` if it says nothing: a hiccup of the server, or a seed that ends at once.
    """
    raw, thinking, unusable = said
    text = normal(raw)
    extra: dict[str, Any] = {"unusable": unusable} if unusable else {}
    if text != raw:
        extra["cleaned"] = ["characters"]
    if thought:
        extra["reasoning_tokens"] = thought
    elif thinking:
        extra |= estimated(thinking, text, completion_tokens)
    ended = finish_reason(reason, text, completion_tokens, max_tokens)
    completion = Completion(text, ended, prompt_tokens, completion_tokens, model, extra)
    rest = without_thinking(completion)
    if rest.text.strip("\u200c\u200d \n\r\t") or ended in ("length", "content_filter") or unusable == REFUSED:
        return completion
    why = unusable or ("only thinking" if "reasoning_tokens" in rest.extra else "")
    raise InvalidAnswer(f"the answer says nothing: {why}" if why else "the answer is empty", completion)


def read_choice(choice: Mapping[str, Any]) -> Said:
    """What the first choice of an answer says."""
    if not {"message", "delta", "text"} & choice.keys():
        return "", "", "has no message" if choice else "has no choices"
    message = choice.get("message", choice.get("delta"))
    if not isinstance(message, dict):
        return read_content(choice.get("text") if message is None else message)
    text, thinking, unusable = read_content(message.get("content"))
    for name, value in message.items():
        thinking = thinking or (strings_in(value) if name.startswith(("reasoning", "thinking", "thought")) else "")
    if not text and message.get("refusal"):
        unusable = REFUSED
    elif not text and (message.get("tool_calls") or message.get("function_call")):
        unusable = unusable or "calls a tool instead"
    return text, thinking, unusable


def read_content(content: Any) -> Said:
    """What a content in any shape says: a text, or parts, some of them thinking."""
    if content is None or isinstance(content, str):
        return content or "", "", ""
    if isinstance(content, dict):
        parts = content.get("parts")
        content = parts if isinstance(parts, list) else [content]
    if not isinstance(content, list):
        return "", "", f"its content is {kind_of(content)}"
    texts, thinking, others = [], [], []
    for part in content:
        named = mapping(part)
        kind = named["type"] if isinstance(named.get("type"), str) else None
        text = part if isinstance(part, str) else named.get("text", named.get("content"))
        text = mapping(text).get("value", text)
        if kind in THINKING_PARTS or named.get("thought") is True:
            thinking.append(strings_in(part))
        elif isinstance(text, str) and kind in TEXT_PARTS:
            texts.append(text)
        else:
            others.append(f"a part of kind {kind!r}" if kind else kind_of(part))
    return "".join(texts), "".join(thinking), f"its content is {others[0]}" if others and not texts else ""


def strings_in(value: Any, depth: int = 0) -> str:
    """All text within parts of thinking, to be counted."""
    if isinstance(value, dict):
        value = [inner for key, inner in value.items() if key not in NOT_THOUGHTS]
    if isinstance(value, list) and depth < 5:
        return "".join(strings_in(inner, depth + 1) for inner in value)
    return value if isinstance(value, str) else ""


def normal(text: str) -> str:
    """`text` without characters that no text has; halves of one pair are joined first."""
    if UNREADABLE.search(text) is None:
        return text
    return UNREADABLE.sub("", text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore"))


def count(value: Any) -> int:
    """A number of tokens; 0 if it is anything else."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value[:12])
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return int(value) if is_number and 0 <= value < 2**31 else 0


def finish_reason(reason: Any, text: str = "", tokens: int = 0, max_tokens: int = 0) -> str:
    """Why an answer ended, as OpenAI says it. Where a server does not say: `length` at the token limit, `stop` below it."""
    if isinstance(reason, str) and reason:
        return AS_OPENAI.get(reason.lower()) or normal(reason)[:40]
    if tokens and max_tokens:
        return "length" if tokens >= max_tokens else "stop"
    return "stop" if text.rstrip()[-1:] in ENDS else "unknown"


def not_an_answer(answer: Any, api: str) -> RequestError:
    """The error for what is JSON, but not what an API sends."""
    return RequestError(f"not an answer of {api} ({normal(one_line(answer))})")


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def kind_of(value: Any) -> str:
    """What a value is, in plain words."""
    return "an object without text" if isinstance(value, dict) else KINDS.get(type(value), type(value).__name__)


def with_instruction(request: ChatRequest) -> ChatRequest:
    """The same request with the schema said in words, for servers that take none."""
    *before, last = request.messages
    said = INSTRUCTION.format(schema=json.dumps(request.schema))
    return replace(request, messages=(*before, {**last, "content": f"{last['content']}\n\n{said}"}))


def validated(completion: Completion, schema: Mapping[str, Any]) -> Completion:
    """The answer as plain JSON text, without the thinking before it and what else is said around it.

    Raises `InvalidAnswer` if that is not JSON, or not valid under `schema`.
    """
    import jsonschema

    completion = without_thinking(completion)
    text = completion.text.strip()
    begins = max(0, text.find("[" if schema.get("type") == "array" else "{"))
    try:
        value, ends = json.JSONDecoder().raw_decode(text, begins)
        jsonschema.validate(value, schema)
    except ValueError:
        thinking = ", which the thinking used up" if "reasoning_tokens" in completion.extra else ""
        cut = f" (cut at the token limit{thinking})" if completion.finish_reason == "length" else ""
        raise InvalidAnswer(f"the answer is not JSON{cut}") from None
    except jsonschema.ValidationError as error:
        raise InvalidAnswer(f"the answer is not valid under the schema: {error.message[:100]}") from None
    return replace(completion, text=text[begins:ends])
