"""TGI's own API for the scripted LLM: /generate, /generate_stream, /, /info, /tokenize, /metrics, and its validation.

Models: the shapes of TGI 3's openapi.json, its checks with their messages (router/src/validation.rs of
huggingface/text-generation-inference), its JSON grammars, the headers with token counts. Does not model: best_of, truncation,
top tokens, stop sequences kept in the text, watermarks, regex grammars (refused), /invocations; token ids and log probabilities are made up.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from scripted_behaviour import Behaviour
from scripted_http import Reply

GENERATE_PATHS = ("/generate", "/generate_stream", "/")
ERROR_TYPES = {424: "generation", 429: "overloaded", 500: "incomplete_generation", 503: "healthcheck"}
MOST_STOP_SEQUENCES, MOST_BEST_OF, MOST_CONCURRENT = 4, 2, 128
"""TGI's own defaults."""
DEFAULT_MAX_TOKENS = 1024
FINISH_REASONS = {"stop": "eos_token"}


class Refused(Exception):
    """A request that gets an error.

    Args:
        status: the HTTP status.
        message: what is wrong.
        kind: TGI's `error_type`, OpenAI's `type`.
        code: OpenAI's `code`; default: by the status.
        plain: as text alone (what TGI's web framework says before TGI sees the request).
    """

    def __init__(
        self, status: int, message: str, kind: str = "validation", *, code: Any = None, plain: bool = False
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.code, self.plain = status, kind, code, plain


def number(values: Mapping[str, Any], name: str, default: float | None = None) -> float | None:
    """A number of a request.

    Raises:
        Refused: it is something else.
    """
    value = values.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise undeserializable(f"{name}: invalid type: expected a number")
    return value


def undeserializable(why: str) -> Refused:
    """What axum says to JSON that does not fit the request's type."""
    return Refused(
        422, f"Failed to deserialize the JSON body into the target type: {why} at line 1 column 2", plain=True
    )


def invalid(why: str) -> Refused:
    """A validation error."""
    return Refused(422, f"Input validation error: {why}")


def validate(length: int, most: float | None, parameters: Mapping[str, Any], stop: Sequence[str], limit: int) -> int:
    """TGI's checks of sampling parameters and lengths; how many tokens there may be.

    Args:
        length: tokens of the prompt.
        most: tokens asked for.
        parameters: of a /generate request, or the fields of an OpenAI one with the same names.
        stop: stop sequences.
        limit: max_total_tokens.

    Raises:
        Refused: 422.
    """
    temperature, top_p, top_k = (number(parameters, name) for name in ("temperature", "top_p", "top_k"))
    repetition, frequency = (number(parameters, f"{name}_penalty") for name in ("repetition", "frequency"))
    typical_p, seed = number(parameters, "typical_p"), number(parameters, "seed")
    best_of = number(parameters, "best_of", 1)
    if seed is not None and (seed < 0 or seed != int(seed)):
        raise undeserializable(f"seed: invalid value: {seed:g}, expected u64")
    if most is not None and (most < 0 or most != int(most)):
        raise undeserializable(f"max_new_tokens: invalid value: {most:g}, expected u32")
    if best_of is not None and not 0 < best_of <= MOST_BEST_OF:
        raise invalid(f"`best_of` must be > 0 and <= {MOST_BEST_OF}. Given: {best_of:g}")
    if temperature is not None and temperature <= 0:
        raise invalid("`temperature` must be strictly positive")
    if repetition is not None and repetition <= 0:
        raise invalid("`repetition_penalty` must be strictly positive")
    if frequency is not None and not -2 <= frequency <= 2:
        raise invalid("`frequency_penalty` must be >= -2.0 and <= 2.0")
    for name, value in (("top_p", top_p), ("typical_p", typical_p)):
        if value is not None and not 0 < value < 1:
            raise invalid(f"`{name}` must be > 0.0 and < 1.0")
    if top_k is not None and top_k <= 0:
        raise invalid("`top_k` must be strictly positive")
    if most == 0:
        raise invalid("`max_new_tokens` must be strictly positive")
    if len(stop) > MOST_STOP_SEQUENCES:
        raise invalid(f"`stop` supports up to {MOST_STOP_SEQUENCES} stop sequences. Given: {len(stop)}")
    granted = int(min(DEFAULT_MAX_TOKENS, max(limit - length, 0)) if most is None else most)
    if length + granted > limit:
        said = f"Given: {length} `inputs` tokens and {granted} `max_new_tokens`"
        raise invalid(f"`inputs` tokens + `max_new_tokens` must be <= {limit}. {said}")
    if length > limit - 1:
        raise invalid(f"`inputs` must have less than {limit - 1} tokens. Given: {length}")
    return granted


def read_generate(path: str, body: dict[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    """The fields of a question from a /generate request.

    Raises:
        Refused: it is not valid.
    """
    prompt, parameters = body.get("inputs"), body.get("parameters") or {}
    if not isinstance(prompt, str) or not isinstance(parameters, dict):
        raise undeserializable("missing field `inputs`" if prompt is None else "invalid type")
    if not prompt:
        raise invalid("`inputs` cannot be empty")
    stop = tuple(parameters.get("stop") or ())
    length = len(prompt.split())
    if truncate := number(parameters, "truncate"):
        length = min(length, int(truncate))
    most = validate(length, number(parameters, "max_new_tokens"), parameters, stop, behaviour.max_total_tokens)
    grammar = parameters.get("grammar")
    return {
        "prompts": [prompt],
        "asked": None,
        "seed": int(parameters.get("seed") or 0),
        "max_tokens": most,
        "schema": grammar_schema(grammar) if grammar and behaviour.honours != ("none",) else None,
        "stop": stop,
        "stream": path == "/generate_stream" or (path == "/" and bool(body.get("stream"))),
    }


def grammar_schema(grammar: Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON schema in TGI's `grammar` (`GrammarType`): the value itself, also as text, or under `schema`.

    Raises:
        Refused: it is of another kind.
    """
    value = grammar.get("value") if isinstance(grammar, Mapping) else None
    if grammar.get("type") == "json_schema" and isinstance(value, Mapping):
        value = value.get("schema")
    if isinstance(value, str) and grammar.get("type") != "regex":
        try:
            value = json.loads(value)
        except ValueError:
            raise Refused(422, "Input validation error: grammar is not valid: not JSON") from None
    if not isinstance(value, Mapping):
        raise invalid("grammar is not valid")
    if "properties" not in value:
        raise invalid("grammar is not valid: Grammar must have a 'properties' field")
    return value


@lru_cache(maxsize=1 << 14)
def token(text: str) -> dict[str, Any]:
    """A token of TGI's details."""
    number = zlib.crc32(text.encode("utf-8", "replace")) % 49152
    return {"id": number, "text": text, "logprob": -(number % 997 + 1) / 500, "special": False}


def tokens_of(text: str) -> list[dict[str, Any]]:
    """The tokens of a text: words with the space before them."""
    return [token(piece) for piece in re.findall(r"\s*\S+", text)]


def reply_generate(question: Any, answered: tuple[str, str, int]) -> Reply:
    """The answer to /generate, / or /generate_stream."""
    text, reason, count = answered
    parameters = question.body.get("parameters") or {}
    prompt = question.prompts[0]
    # "/" gives the prompt too, as the pipelines of the Hub did (TGI: compat_return_full_text).
    whole = parameters.get("return_full_text", question.path == "/")
    full = prompt + text if whole else text
    ending = FINISH_REASONS.get(reason, reason)
    counts = {"finish_reason": ending, "generated_tokens": count, "seed": parameters.get("seed")}
    headers = {"x-prompt-tokens": str(question.prompt_tokens), "x-generated-tokens": str(count)}
    if question.stream:
        tokens = tokens_of(text)
        events: list[dict[str, Any]] = [
            {"index": index, "token": said, "generated_text": None, "details": None}
            for index, said in enumerate(tokens, 1)
        ]
        last = events[-1] if events else {"index": 1, "token": token("")}
        last |= {"generated_text": full, "details": {**counts, "input_length": question.prompt_tokens}}
        chunks = [f"data:{json.dumps(event)}\n\n".encode() for event in events or [last]]
        return Reply(200, chunks=chunks, content_type="text/event-stream")
    result: dict[str, Any] = {"generated_text": full}
    if parameters.get("details", True):
        prefill = tokens_of(prompt) if parameters.get("decoder_input_details") else []
        slim = [{name: t[name] for name in ("id", "text", "logprob")} for t in prefill]
        result["details"] = {**counts, "prefill": slim, "tokens": tokens_of(text)}
    return Reply(200, json.dumps([result] if question.path == "/" else result).encode(), headers)


def info(behaviour: Behaviour) -> dict[str, Any]:
    """/info."""
    return {
        "model_id": behaviour.model,
        "model_sha": None,
        "model_pipeline_tag": "text-generation",
        "max_concurrent_requests": behaviour.capacity or MOST_CONCURRENT,
        "max_best_of": MOST_BEST_OF,
        "max_stop_sequences": MOST_STOP_SEQUENCES,
        "max_input_tokens": behaviour.max_total_tokens - 1,
        "max_total_tokens": behaviour.max_total_tokens,
        "validation_workers": 2,
        "max_client_batch_size": 4,
        "router": "text-generation-router",
        "version": "3.3.6",
        "sha": None,
        "docker_label": None,
    }


def tokenize(text: str) -> list[dict[str, Any]]:
    """/tokenize."""
    pieces = re.finditer(r"\s*\S+", text)
    return [{"id": token(p[0])["id"], "text": p[0], "start": p.start(), "stop": p.end()} for p in pieces]
