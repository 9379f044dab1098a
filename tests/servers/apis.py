"""The APIs of the scripted LLM: OpenAI's chat and completions as vLLM, llama.cpp and TGI speak it, and TGI's own /generate.

Validation, errors and answers have each one's shape: TGI 3's openapi.json and the messages of router/src/validation.rs
(huggingface/text-generation-inference), vLLM's and OpenAI's errors. Not modelled: streams, n > 1, tools, images, tokenizers.
"""

import hashlib
import json
import re
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from servers.answers import answer
from servers.behaviour import Behaviour
from servers.scripted_oddities import make_odd

MODEL, CONTEXT, DEFAULT_MAX_TOKENS = "scripted", 4096, 1024
CHAT, COMPLETIONS, GENERATE = "/v1/chat/completions", "/v1/completions", "/generate"
CODES = {401: "invalid_api_key", 402: "insufficient_quota", 404: "model_not_found", 429: "rate_limit_exceeded"}
ERROR_TYPES = {424: "generation", 429: "overloaded", 500: "incomplete_generation", 503: "healthcheck"}
CHEAP = answer("", 0, DEFAULT_MAX_TOKENS)
Bounds = dict[str, tuple[Callable[[float], bool], str]]
OPENAI_BOUNDS: Bounds = {
    "max_tokens": (lambda value: value >= 1, "max_tokens must be at least 1, got {}."),
    "temperature": (lambda value: 0 <= value <= 2, "temperature must be between 0 and 2, got {}."),
    "top_p": (lambda value: 0 < value <= 1, "top_p must be in (0, 1], got {}."),
}
TGI_BOUNDS: Bounds = {
    "seed": (lambda value: value >= 0 and value == int(value), "`seed`: invalid value: {}, expected u64"),
    "temperature": (lambda value: value > 0, "`temperature` must be strictly positive"),
    "top_p": (lambda value: 0 < value < 1, "`top_p` must be > 0.0 and < 1.0"),
    "top_k": (lambda value: value > 0, "`top_k` must be strictly positive"),
    "repetition_penalty": (lambda value: value > 0, "`repetition_penalty` must be strictly positive"),
    "frequency_penalty": (lambda value: -2 <= value <= 2, "`frequency_penalty` must be >= -2.0 and <= 2.0"),
    "max_new_tokens": (lambda value: value > 0, "`max_new_tokens` must be strictly positive"),
}
INFO: dict[str, Any] = {"model_id": MODEL, "router": "text-generation-router", "version": "3.3.6", "max_best_of": 2}
INFO |= {"max_input_tokens": CONTEXT - 1, "max_total_tokens": CONTEXT, "max_stop_sequences": 4}
INFO |= {"max_concurrent_requests": 128, "max_client_batch_size": 4, "validation_workers": 2}


class Refused(Exception):
    """A request that gets an error.

    Args:
        status: the HTTP status.
        message: what is wrong.
        kind: TGI's `error_type`, OpenAI's `type`.
        code: OpenAI's `code`; default: by the status.
    """

    def __init__(self, status: int, message: str, kind: str = "validation", code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.code = status, kind, code

    def body(self, path: str, flavour: str) -> dict[str, Any]:
        """The error in the shape of the API that the path belongs to."""
        if path.startswith("/v1/") and flavour == "openai":
            code = self.code or CODES.get(self.status, self.status)
            return {"error": {"message": str(self), "type": self.kind, "param": None, "code": code}}
        return {"error": str(self), "error_type": ERROR_TYPES.get(self.status, self.kind)}


@dataclass(frozen=True)
class Question:
    """A request that passed validation."""

    path: str
    body: Mapping[str, Any]
    digest: bytes
    """Of all that was sent."""
    prompt: str
    asked: str | None
    """The last turn of a conversation."""
    seed: int
    max_tokens: int
    stop: tuple[str, ...]
    schema: Mapping[str, Any] | None
    """That the answer keeps to."""

    def answer(self, behaviour: Behaviour) -> tuple[str, str, int]:
        """Text, finish reason, tokens.

        Raises:
            Refused: the schema is beyond the generator.
        """
        if behaviour.cheap_answers:
            return CHEAP
        try:
            options = {"asked": self.asked, "schema": self.schema, "stop": self.stop}
            return answer(self.prompt, self.seed, self.max_tokens, **options)
        except ValueError as error:
            raise Refused(400, str(error), "BadRequestError") from None


def read(path: str, data: bytes, behaviour: Behaviour) -> Question:
    """The question in a request's body.

    Raises:
        Refused: it is not valid.
    """
    try:
        body = json.loads(data)
        digest = hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).digest()[:16]
        fields = read_generate(body, behaviour) if path == GENERATE else read_openai(path, body, behaviour)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(422, f"Failed to deserialize the JSON body into the target type: {error!r}") from None
    return Question(path=path, body=body, digest=digest, **fields)


def keep_within(values: Mapping[str, Any], bounds: Bounds, refuse: Callable[[str], Refused]) -> None:
    """Refuse the first parameter that is out of its bounds."""
    for name, (holds, said) in bounds.items():
        value = values.get(name)
        if value is not None and not holds(value):
            raise refuse(said.format(value))


def invalid(why: str) -> Refused:
    """TGI's validation error."""
    return Refused(422, f"Input validation error: {why}")


def validate_for_tgi(length: int, parameters: Mapping[str, Any], most: int | None) -> int:
    """TGI's checks of parameters and lengths in tokens; how many tokens the answer may have."""
    keep_within({**parameters, "max_new_tokens": most}, TGI_BOUNDS, invalid)
    if len(parameters.get("stop") or ()) > INFO["max_stop_sequences"]:
        raise invalid(f"`stop` supports up to 4 stop sequences. Given: {len(parameters['stop'])}")
    granted = min(DEFAULT_MAX_TOKENS, max(CONTEXT - length, 0)) if most is None else most
    if length + granted > CONTEXT:
        given = f"Given: {length} `inputs` tokens and {granted} `max_new_tokens`"
        raise invalid(f"`inputs` tokens + `max_new_tokens` must be <= {CONTEXT}. {given}")
    return granted


def read_generate(body: dict[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    prompt, parameters = body["inputs"], body.get("parameters") or {}
    if not prompt:
        raise invalid("`inputs` cannot be empty")
    grammar = parameters.get("grammar")
    return {
        "prompt": prompt,
        "asked": None,
        "seed": parameters.get("seed") or 0,
        "max_tokens": validate_for_tgi(len(prompt.split()), parameters, parameters.get("max_new_tokens")),
        "stop": tuple(parameters.get("stop") or ()),
        "schema": schema_of_grammar(grammar) if grammar and behaviour.honours != ("none",) else None,
    }


def schema_of_grammar(grammar: Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON schema in TGI's `grammar`."""
    value = grammar["value"]
    if grammar["type"] != "json" or "properties" not in value:
        raise invalid("grammar is not valid: Grammar must have a 'properties' field")
    return value


def read_openai(path: str, body: dict[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    if body.get("model") == "missing":
        raise Refused(404, "The model `missing` does not exist.", "NotFoundError")
    refuse_parameters(body, behaviour.refuses)
    turns = [text_of(message["content"]) for message in body["messages"]] if path == CHAT else [body["prompt"]]
    prompt, asked = "\n".join(turns), turns[-1] if path == CHAT else None
    most, length = body.get("max_tokens") or body.get("max_completion_tokens"), len(prompt.split())
    stop = body.get("stop") or ()
    if behaviour.flavour == "tgi":
        greedy = {"temperature": None} if body.get("temperature") == 0 else {}
        most = validate_for_tgi(length, {**body, **greedy}, most)
    else:
        keep_within(body, OPENAI_BOUNDS, lambda said: Refused(400, said, "BadRequestError"))
        if length + (most or 1) > CONTEXT:
            said = f"This model's maximum context length is {CONTEXT} tokens. However, you requested {length + (most or 0)}"
            said += f" tokens ({length} in the prompt, {most or 0} in the completion). Please reduce the length."
            raise Refused(400, said, "invalid_request_error", "context_length_exceeded")
    return {
        "prompt": prompt,
        "asked": asked,
        "seed": body.get("seed") or 0,
        "max_tokens": most or DEFAULT_MAX_TOKENS,
        "stop": (stop,) if isinstance(stop, str) else tuple(stop),
        "schema": schema_of_format(body.get("response_format"), behaviour) or schema_in_words(turns[-1], behaviour),
    }


def text_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def refuse_parameters(body: dict[str, Any], refuses: tuple[str, ...]) -> None:
    """As OpenAI does: the first one that it does not take."""
    for name in refuses:
        said = instead = ""
        if name == "system" and any(message["role"] == "system" for message in body["messages"]):
            said = "Unsupported value: 'messages[0].role' does not support 'system' with this model."
        elif name in body:
            instead = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
            said = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
        if said:
            raise Refused(400, said, "invalid_request_error", said.split(":")[0].lower().replace(" ", "_"))


def schema_of_format(given: Mapping[str, Any] | None, behaviour: Behaviour) -> Mapping[str, Any] | None:
    """The schema of a `response_format`, in a form that this server honours."""
    if not given:
        return None
    if behaviour.flavour == "tgi" and "value" not in given:  # it does not ignore OpenAI's form
        raise Refused(422, "Failed to deserialize the JSON body: response_format: missing field `value`")
    match given:
        case {"type": "json_schema", "json_schema": {"schema": schema}} if "openai" in behaviour.honours:
            return schema
        case {"type": "json_object", "schema": schema} if "llama.cpp" in behaviour.honours:
            return schema
        case {"value": _} if "tgi" in behaviour.honours:
            return schema_of_grammar(given)
    return None


def schema_in_words(asked: str, behaviour: Behaviour) -> Mapping[str, Any] | None:
    """The JSON schema that stands in the question itself."""
    _, found, said = asked.partition("JSON schema: ")
    return json.JSONDecoder().raw_decode(said)[0] if found and behaviour.json_when_asked else None


def answer_body(question: Question, answered: tuple[str, str, int], behaviour: Behaviour) -> tuple[Any, dict]:
    """The JSON of an answer, and its headers."""
    text, reason, tokens = answered
    length = len(question.prompt.split())
    if question.path == GENERATE:
        headers = {"x-prompt-tokens": str(length), "x-generated-tokens": str(tokens)}
        ending = {"finish_reason": "eos_token" if reason == "stop" else reason, "generated_tokens": tokens}
        pieces = [token(piece) for piece in re.findall(r"\s*\S+", text)]
        details = {**ending, "seed": question.seed, "prefill": [], "tokens": pieces}
        return {"generated_text": text, "details": details}, headers
    chat, text = question.path == CHAT, behaviour.before + text
    said: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    body = {
        "id": f"{'chatcmpl' if chat else 'cmpl'}-{question.digest.hex()}",
        "object": "chat.completion" if chat else "text_completion",
        "created": int(time.time()),
        "model": MODEL,
        "system_fingerprint": f"scripted-{behaviour.flavour}",
        "choices": [{"index": 0, **said, "finish_reason": reason.removesuffix("_sequence"), "logprobs": None}],
        "usage": {"prompt_tokens": length, "completion_tokens": tokens, "total_tokens": length + tokens},
    }
    if chat and behaviour.odd:
        make_odd(body, behaviour.odd, behaviour.odd_rate, question.digest)
    return body, {}


def token(text: str) -> dict[str, Any]:
    """A token of TGI's details; id and log probability are made up."""
    number = zlib.crc32(text.encode("utf-8", "replace")) % 49152
    return {"id": number, "text": text, "logprob": -(number % 997 + 1) / 500, "special": False}
