"""The OpenAI API of the scripted LLM, as vLLM, llama.cpp and (with its flavour) TGI speak it: chat, completions, models.

Models: validation and errors in each one's shape, the context limit, JSON schemas in the forms that are honoured (others are
ignored without a word, as vLLM and llama-cpp-python do; TGI refuses OpenAI's), usage, streams. Does not model: n > 1, tools, log probabilities, images.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import scripted_tgi as tgi
from scripted_answers import SchemaNotSupported, answer, cheap_answer, draw_for, schema_in_words
from scripted_behaviour import Behaviour
from scripted_http import Reply
from scripted_oddities import make_odd
from scripted_tgi import Refused, number

Answer = tuple[str, str, int]
"""Text, finish reason, tokens."""
CODES = {401: "invalid_api_key", 402: "insufficient_quota", 404: "model_not_found", 429: "rate_limit_exceeded"}
canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
DEFAULT_MAX_TOKENS = {"chat": 1024, "completions": 16}


@dataclass(frozen=True)
class Question:
    """A request that passed validation."""

    path: str
    prompts: list[str]
    """One, except for completions of several prompts."""
    asked: str | None
    """The last turn of a conversation."""
    seed: int
    max_tokens: int
    schema: Mapping[str, Any] | None
    """That the answer keeps to."""
    stop: tuple[str, ...]
    stream: bool
    body: Mapping[str, Any]
    digest: bytes
    """Of messages or prompt, parameters and seed; the same for a stream."""

    @property
    def prompt(self) -> str:
        return "\n".join(self.prompts)

    @property
    def prompt_tokens(self) -> int:
        return sum(len(prompt.split()) for prompt in self.prompts)


class API:
    """Reads requests and shapes answers and errors.

    Args:
        behaviour: flavour, limits, model, and what of a schema is honoured.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    # ------------------------------------------------------------ requests

    def read(self, path: str, data: bytes) -> Question:
        """The question in a request's body.

        Raises:
            Refused: it is not valid.
        """
        try:
            body = json.loads(data)
        except ValueError as error:
            raise Refused(400, f"Failed to parse the request body as JSON: {error}", plain=True) from None
        if not isinstance(body, dict):
            raise Refused(422, "Failed to deserialize the JSON body into the target type: expected struct", plain=True)
        content = {key: value for key, value in body.items() if key not in ("stream", "stream_options")}
        digest = hashlib.sha256(canonical(content).encode()).digest()[:16]
        if path in tgi.GENERATE_PATHS:
            fields = tgi.read_generate(path, body, self.behaviour)
        else:
            fields = self._read_openai(path, body)
        question = Question(path=path, body=body, digest=digest, **fields)
        return self._with_schema_in_words(question) if question.schema is None else question

    def _read_openai(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        model = body.get("model")
        if model == "missing" or (self.behaviour.strict_model and model != self.behaviour.model):
            raise Refused(404, f"The model `{model}` does not exist.", "NotFoundError")
        self._refuse_parameters(body)
        if path == "/v1/chat/completions":
            turns = read_messages(body.get("messages"), self._invalid)
            prompts, asked, kind = ["\n".join(turns)], turns[-1], "chat"
        else:
            prompts, asked, kind = read_prompts(body.get("prompt"), self._invalid), None, "completions"
        most = number(body, "max_tokens", number(body, "max_completion_tokens"))
        temperature, top_p = number(body, "temperature"), number(body, "top_p")
        length = max(len(prompt.split()) for prompt in prompts)
        limit = self.behaviour.max_total_tokens
        stop = body.get("stop") or ()
        stop = (stop,) if isinstance(stop, str) else tuple(stop)
        if self.behaviour.flavour == "tgi":
            if body.get("suffix"):
                said = "Suffix is not supported and can be achieved by preprocessing the prompt."
                raise Refused(422, said, "suffix not supported")
            greedy = {"temperature": None} if temperature == 0 else {}
            most = tgi.validate(length, most, {**body, **greedy}, stop, limit)
        else:
            if most is not None and most < 1:
                raise self._invalid(f"max_tokens must be at least 1, got {most:g}.")
            if temperature is not None and not 0 <= temperature <= 2:
                raise self._invalid(f"temperature must be between 0 and 2, got {temperature:g}.")
            if top_p is not None and not 0 < top_p <= 1:
                raise self._invalid(f"top_p must be in (0, 1], got {top_p:g}.")
            if length + (most or 1) > limit:
                said = f"This model's maximum context length is {limit} tokens. However, you requested {length + (most or 0):g}"
                said += f" tokens ({length} in the prompt, {most or 0:g} in the completion). Please reduce the length."
                raise Refused(400, said, "invalid_request_error", code="context_length_exceeded")
            most = most or min(DEFAULT_MAX_TOKENS[kind], limit - length)
        return {
            "prompts": prompts,
            "asked": asked,
            "seed": int(number(body, "seed") or 0),
            "max_tokens": int(most),
            "schema": self._honoured(body.get("response_format"), asked or prompts[0]),
            "stop": stop,
            "stream": bool(body.get("stream")),
        }

    def _refuse_parameters(self, body: dict[str, Any]) -> None:
        """As OpenAI does: the first one that it does not take."""
        for name in self.behaviour.refuses:
            if name == "system" and any(m["role"] == "system" for m in body.get("messages", ())):
                said = "Unsupported value: 'messages[0].role' does not support 'system' with this model."
                raise Refused(400, said, "invalid_request_error", code="unsupported_value")
            if name in body:
                instead = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                said = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
                raise Refused(400, said, "invalid_request_error", code="unsupported_parameter")

    def _invalid(self, message: str) -> Refused:
        return Refused(422, message) if self.behaviour.flavour == "tgi" else Refused(400, message, "BadRequestError")

    def _honoured(self, given: Any, question: str) -> Mapping[str, Any] | None:
        """The schema of a `response_format` in a form that this server knows."""
        if not isinstance(given, Mapping):
            return None
        kind, honours = given.get("type"), self.behaviour.honours
        if self.behaviour.flavour == "tgi" and "value" not in given:  # it does not ignore OpenAI's form
            raise tgi.undeserializable("response_format: missing field `value`")
        if "openai" in honours and kind == "json_schema" and isinstance(given.get("json_schema"), Mapping):
            return given["json_schema"].get("schema")
        if "llama.cpp" in honours and kind == "json_object" and "schema" in given:
            return given["schema"]
        if "tgi" in honours and "value" in given:
            return tgi.grammar_schema(given)
        any_json = kind == "json_object" and not {"schema", "value"} & set(given)
        if any_json and {"openai", "llama.cpp"} & set(honours):
            return schema_in_words(question) or {"type": "object"}
        return None

    def _with_schema_in_words(self, question: Question) -> Question:
        share = self.behaviour.json_when_asked
        asked = question.asked or question.prompt
        if not share or "JSON" not in asked or draw_for(f"json|{asked}", question.seed).random() >= share:
            return question
        return Question(**{**vars(question), "schema": schema_in_words(asked)})

    # ------------------------------------------------------------ answers

    def answers(self, question: Question) -> list[Answer]:
        """What the model says to each prompt.

        Raises:
            Refused: the schema is beyond the generator.
        """
        seed, most = question.seed, question.max_tokens
        if self.behaviour.cheap_answers and question.schema is None:
            return [cheap_answer(prompt, seed, most) for prompt in question.prompts]
        try:
            return [
                answer(prompt, seed, most, asked=question.asked, schema=question.schema, stop=question.stop)
                for prompt in question.prompts
            ]
        except SchemaNotSupported as error:
            raise self._invalid(f"grammar is not valid: {error}") from None

    def reply(self, question: Question, answers: list[Answer]) -> Reply:
        """An answer as it goes out."""
        if question.path in tgi.GENERATE_PATHS:
            return tgi.reply_generate(question, answers[0])
        before = self.behaviour.before
        answers = [(before + text, reason.removesuffix("_sequence"), tokens) for text, reason, tokens in answers]
        tokens = sum(answer[2] for answer in answers)
        usage = {
            "prompt_tokens": question.prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": question.prompt_tokens + tokens,
        }
        chat = question.path == "/v1/chat/completions"
        whole = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{question.digest.hex()}",
            "object": "chat.completion" if chat else "text_completion",
            "created": int(time.time()),
            "model": self.behaviour.model,
            "system_fingerprint": f"scripted-{self.behaviour.flavour}",
        }
        if question.stream:
            return stream(whole, question, answers, usage, chat)
        choices = [
            {
                "index": index,
                **({"message": {"role": "assistant", "content": text}} if chat else {"text": text}),
                "finish_reason": reason,
                "logprobs": None,
            }
            for index, (text, reason, _) in enumerate(answers)
        ]
        body = {**whole, "choices": choices, "usage": usage}
        if chat and self.behaviour.odd:
            make_odd(body, self.behaviour.odd, self.behaviour.odd_rate, question.digest)
        return Reply(200, json.dumps(body).encode())

    def error(self, path: str, refused: Refused, headers: Mapping[str, str] | None = None) -> Reply:
        """An error in the shape of the API that the path belongs to."""
        more, status = dict(headers or {}), refused.status
        if refused.plain:
            return Reply(status, str(refused).encode(), more, "text/plain; charset=utf-8")
        body: dict[str, Any]
        if path.startswith("/v1/") and self.behaviour.flavour == "openai":
            code = refused.code or CODES.get(status, status)
            body = {"error": {"message": str(refused), "type": refused.kind, "param": None, "code": code}}
        else:
            body = {"error": str(refused), "error_type": tgi.ERROR_TYPES.get(status, refused.kind)}
            body["error_type"] = refused.kind if status == 422 else body["error_type"]
        return Reply(status, json.dumps(body).encode(), more)


def read_messages(messages: Any, invalid: Any) -> list[str]:
    """The text of each turn."""
    if not isinstance(messages, list) or not messages:
        raise invalid("messages: at least one is required")
    turns = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) and message.get("role") else None
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content if isinstance(part, dict))
        if not isinstance(content, str):
            raise invalid("messages: each needs a role and content")
        turns.append(content)
    return turns


def read_prompts(prompt: Any, invalid: Any) -> list[str]:
    """The prompts of a completions request."""
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if not isinstance(prompts, list) or not prompts or not all(isinstance(p, str) and p for p in prompts):
        raise invalid("prompt: a text or a list of texts is required, none of them empty")
    return prompts


def stream(
    whole: dict[str, Any], question: Question, answers: list[Answer], usage: dict[str, int], chat: bool
) -> Reply:
    """An answer as server-sent events: a chunk for each token, one for the end, `[DONE]`."""
    whole["object"] = "chat.completion.chunk" if chat else "text_completion"
    events: list[dict[str, Any]] = []
    for index, (text, reason, _) in enumerate(answers):
        for token, end in [*((t, None) for t in re.findall(r"\s*\S+", text)), ("", reason)]:
            said: dict[str, Any] = {"delta": {"role": "assistant", "content": token}} if chat else {"text": token}
            finish = {"finish_reason": end if chat else end or "", "logprobs": None}
            events.append({**whole, "choices": [{"index": index, **said, **finish}]})
    if (question.body.get("stream_options") or {}).get("include_usage"):
        events.append({**whole, "choices": [], "usage": usage})
    chunks = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    return Reply(200, chunks=[*chunks, b"data: [DONE]\n\n"], content_type="text/event-stream")
