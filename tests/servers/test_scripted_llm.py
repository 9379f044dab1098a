"""The scripted LLM is what tests of clients stand on: the same answers, the shapes of real APIs, real clients."""

from __future__ import annotations

import asyncio
import json

import jsonschema
import pytest
from scripted_answers import WORDS, SchemaNotSupported, answer, draw_for, value_under
from scripted_client import CHAT, SCHEMA, chat, events, get, post, text_of
from scripted_llm import ScriptedLLM

from silly_llm.providers.server.structured import RESPONSE_FORMATS

# Answers ---------------------------------------------------------------------------------------------


def test_an_answer_is_a_function_of_prompt_and_seed(tmp_path, server):
    with ScriptedLLM(tmp_path, fail=["500"], fail_rate=0.5, seed=3) as other:
        other.behave(fail_rate=0)
        for body in (chat(), chat(seed=2), chat("List nouns.")):
            here, there = (text_of(post(s, CHAT, body)[2]) for s in (server, other))
            asked = body["messages"][0]["content"]
            assert here == there == answer(asked, body["seed"], 1024)[0]
    assert len({text_of(post(server, CHAT, chat(seed=seed))[2]) for seed in range(20)}) == 20


@pytest.mark.parametrize(
    "ask", ['The story should use the verb "run" and the noun "moon".', "These words must be in it: run, moon."]
)
def test_the_last_turn_says_what_is_wanted(server, ask):
    before = [{"role": "user", "content": 'Use "cake".'}, {"role": "assistant", "content": 'A "cake" sang.'}]
    turns = [*before, {"role": "user", "content": ask}]
    text = text_of(post(server, CHAT, {"messages": turns})[2])
    assert "word run" in text and "word moon" in text and "word cake" not in text
    assert text != text_of(post(server, CHAT, {"messages": turns[2:]})[2])
    joined = "\n\n".join(turn["content"] for turn in turns)
    text = post(server, "/v1/completions", {"prompt": joined, "max_tokens": 500})[2]["choices"][0]["text"]
    assert "word moon" in text and "word cake" not in text


def test_limits_and_stops_show_in_the_finish_reason(server):
    for more, reason in (({"max_tokens": 3}, "length"), ({"stop": ["They"]}, "stop"), ({}, "stop")):
        choice = post(server, CHAT, chat(**more))[2]["choices"][0]
        assert choice["finish_reason"] == reason and ("They" not in text_of({"choices": [choice]})) == bool(more)
    got = post(server, "/generate", {"inputs": "x", "parameters": {"stop": ["They"]}})[2]
    assert got["details"]["finish_reason"] == "stop_sequence"


def test_values_are_valid_under_many_schemas():
    choice = {"enum": ["yes", "no"]}
    parts = {
        "score": {"type": "integer", "minimum": 1, "maximum": 10},
        "share": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        "verdict": choice,
        "names": {"type": "array", "items": choice, "uniqueItems": True, "minItems": 1, "maxItems": 2},
        "note": {"type": ["string", "null"], "minLength": 100, "maxLength": 120},
        "either": {"anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/kind"}]},
        "kind": {"const": 7},
    }
    schema = {
        "type": "object",
        "properties": parts,
        "required": [*parts, "extra"],
        "$defs": {"kind": {"type": "null"}},
    }
    for seed in range(50):
        jsonschema.validate(value_under(schema, draw_for("x", seed)), schema)
    with pytest.raises(SchemaNotSupported):
        value_under({"type": "string", "pattern": "a+"}, draw_for("x", 0))


@pytest.mark.parametrize("honours", ["openai", "tgi", "llama.cpp", "none"])
def test_a_schema_is_kept_to_in_the_forms_honoured_and_ignored_in_others(well, honours):
    well.behave(honours=[honours])
    for form in ("openai", "tgi", "llama.cpp"):
        body = chat("List nouns. Answer as JSON.", response_format=RESPONSE_FORMATS[form](SCHEMA))
        text = text_of(post(well, CHAT, body)[2])
        if form == honours:
            words = json.loads(text)["words"]
            assert set(WORDS["noun"]) < set(words) and text == text_of(post(well, CHAT, body)[2])
        else:
            assert text.splitlines() and not text.startswith("{")
    grammar = {"grammar": {"type": "json", "value": SCHEMA}, "max_new_tokens": 500}
    text = post(well, "/generate", {"inputs": "List nouns.", "parameters": grammar})[2]["generated_text"]
    assert text.startswith("{") == (honours != "none")


def test_json_may_be_had_by_asking_for_it(well):
    well.behave(honours=["none"], json_when_asked=1.0)
    by_schema = f"Say what you think. Answer with JSON alone, valid under this JSON schema: {json.dumps(SCHEMA)}"
    for asked in (by_schema, 'List verbs. Answer as JSON: {"words": ["…"]}.'):
        jsonschema.validate(json.loads(text_of(post(well, CHAT, chat(asked))[2])), SCHEMA)
    assert text_of(post(well, CHAT, chat())[2])[0] != "{"
    well.behave(json_when_asked=0.5)
    kinds = [text_of(post(well, CHAT, chat(by_schema, seed))[2])[0] == "{" for seed in range(20)]
    assert 0 < sum(kinds) < 20


# APIs ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def openapi(shared):
    file = shared / "tgi" / "openapi.json"
    if not file.is_file():
        pytest.skip("needs ../shared/tgi/openapi.json, which is not here")
    document = json.loads(file.read_text())

    def as_json_schema(part):
        """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
        if isinstance(part, list):
            return [as_json_schema(item) for item in part]
        if not isinstance(part, dict):
            return part
        part = {name: as_json_schema(value) for name, value in part.items()}
        return {"anyOf": [part, {"type": "null"}]} if part.pop("nullable", False) is True else part

    components = as_json_schema(document["components"])

    def check(name: str, value: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        jsonschema.Draft202012Validator(schema).validate(value)

    return check


def test_the_check_against_tgi_can_fail(openapi):
    with pytest.raises(jsonschema.ValidationError):
        openapi("GenerateResponse", {"text": "x"})
    with pytest.raises(jsonschema.ValidationError):
        openapi("ChatRequest", {"messages": [{"role": "user"}]})


def test_answers_have_the_shapes_of_tgi(openapi, well):
    well.behave(flavour="tgi")
    inputs = {"inputs": 'Tell of "dog".', "parameters": {"max_new_tokens": 50, "decoder_input_details": True}}
    _, headers, got = post(well, "/generate", inputs)
    openapi("GenerateResponse", got)
    assert len(got["details"]["tokens"]) == got["details"]["generated_tokens"] == 50
    assert headers["x-prompt-tokens"] == "3" == str(len(got["details"]["prefill"]))
    (compat,) = post(well, "/", inputs)[2]
    openapi("GenerateResponse", compat)
    assert compat["generated_text"] == inputs["inputs"] + got["generated_text"]
    stream = events(post(well, "/generate_stream", inputs)[2])
    for event in stream:
        openapi("StreamResponse", event)
    assert "".join(event["token"]["text"] for event in stream) == stream[-1]["generated_text"]
    assert stream[-1]["generated_text"] == got["generated_text"]
    openapi("ChatCompletion", post(well, CHAT, chat())[2])
    openapi("CompletionFinal", post(well, "/v1/completions", {"prompt": ["a b", "c"]})[2])
    chunks = events(post(well, CHAT, chat(stream=True, stream_options={"include_usage": True}))[2])
    for chunk in chunks:
        openapi("ChatCompletionChunk", chunk)
    assert chunks[-1]["usage"]["completion_tokens"] > 30
    for chunk in events(post(well, "/v1/completions", {"prompt": "a", "stream": True})[2]):
        openapi("Chunk", chunk)
    openapi("TokenizeResponse", post(well, "/tokenize", {"inputs": "one two"})[2])
    openapi("ChatTokenizeResponse", post(well, "/chat_tokenize", chat())[2])
    openapi("Info", json.loads(get(well, "/info")[2]))
    openapi("ModelInfo", json.loads(get(well, "/v1/models")[2])["data"][0])
    assert get(well, "/health")[0] == 200 and b"tgi_request_success" in get(well, "/metrics")[2]


@pytest.mark.parametrize("api", ["chat", "generate"])
def test_our_tgi_provider_sends_what_tgi_takes(openapi, well, api):
    from silly_llm.core.container import Container
    from silly_llm.providers.base import ChatRequest, Completion

    well.behave(honours=["tgi"], flavour="tgi")
    message = {"role": "user", "content": "List adjectives."}
    asked = [
        ChatRequest((message,), seed=7, max_tokens=200, **more)
        for more in ({}, {"temperature": 0.0}, {"temperature": 0.7, "top_p": 0.9}, {"schema": SCHEMA})
    ]

    async def run():
        provider = Container().build("llm_provider", {"type": "tgi", "base_url": well.url, "api": api})
        try:
            await provider.prepare()
            return await provider.complete(asked)
        finally:
            await provider.aclose()

    before = len(well.asked())
    assert all(isinstance(got, Completion) for got in asyncio.run(run()))
    bodies = [record["body"] for record in well.asked()[before:]]
    assert len(bodies) == 4
    for body in bodies:
        openapi("ChatRequest" if api == "chat" else "GenerateRequest", body)


@pytest.mark.parametrize(
    ("inputs", "parameters", "said"),
    [
        ("x", {"temperature": 0}, "`temperature` must be strictly positive"),
        ("x", {"temperature": -1.0}, "`temperature` must be strictly positive"),
        ("", {}, "`inputs` cannot be empty"),
        ("x", {"max_new_tokens": 0}, "`max_new_tokens` must be strictly positive"),
        ("x", {"top_p": 1.0}, "`top_p` must be > 0.0 and < 1.0"),
        ("x", {"stop": list("abcde")}, "`stop` supports up to 4"),
        ("x", {"max_new_tokens": 4096}, "`inputs` tokens + `max_new_tokens` must be <= 4096"),
        ("x " * 4096, {}, "`inputs` must have less than 4095 tokens. Given: 4096"),
        ("x " * 5000, {}, "Given: 5000 `inputs` tokens and 0 `max_new_tokens`"),
        ("x", {"grammar": {"type": "json", "value": {"type": "object"}}}, "must have a 'properties' field"),
        ("x", {"grammar": {"type": "regex", "value": "a+"}}, "grammar is not valid"),
    ],
)
def test_tgi_refuses_with_its_own_words(openapi, server, inputs, parameters, said):
    status, _, got = post(server, "/generate", {"inputs": inputs, "parameters": parameters})
    openapi("ErrorResponse", got)
    assert status == 422 and got["error_type"] == "validation" and said in got["error"]


@pytest.mark.parametrize(
    ("path", "body", "statuses"),
    [
        (CHAT, b"{", (400, 400)),
        ("/generate", {"parameters": {}}, (422, 422)),
        ("/generate", {"inputs": "x", "parameters": {"max_new_tokens": -1}}, (422, 422)),
        (CHAT, {"messages": []}, (400, 422)),
        (CHAT, chat(temperature=-1), (400, 422)),
        (CHAT, chat(temperature=0), (200, 200)),
        (CHAT, chat(max_tokens=0), (400, 422)),
        (CHAT, chat("x " * 5000), (400, 422)),
        (CHAT, chat(max_tokens=5000), (400, 422)),
        (CHAT, {**chat(), "model": "missing"}, (404, 404)),
        (CHAT, chat(response_format=RESPONSE_FORMATS["openai"](SCHEMA)), (200, 422)),
        (CHAT, chat(response_format=RESPONSE_FORMATS["tgi"](SCHEMA)), (200, 200)),
        ("/v1/completions", {"prompt": "x", "suffix": "y"}, (200, 422)),
        ("/v2/nothing", {}, (404, 404)),
    ],
)
def test_each_flavour_has_its_own_status(well, path, body, statuses):
    for flavour, expected in zip(("openai", "tgi"), statuses, strict=True):
        well.behave(flavour=flavour)
        status, _, got = post(well, path, body)
        assert status == expected, got
        if status == 400 and isinstance(got, dict):
            too_long = "x x" in str(body) or body.get("max_tokens") == 5000
            assert (got["error"]["code"] == "context_length_exceeded") == too_long


def test_names_of_models_can_matter(well):
    assert post(well, CHAT, {**chat(), "model": "other"})[0] == 200
    well.behave(strict_model=True)
    status, _, got = post(well, CHAT, {**chat(), "model": "other"})
    assert status == 404 and got["error"]["code"] == "model_not_found"
    assert post(well, CHAT, chat())[0] == 200


def test_the_hub_client_speaks_with_it(server, monkeypatch):
    from huggingface_hub import AsyncInferenceClient, constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # or it would not speak to loopback either

    async def run():
        client = AsyncInferenceClient(base_url=server.url, token="x")
        native = AsyncInferenceClient(model=server.url, token="x")
        messages = chat()["messages"]
        got = await client.chat_completion(messages, seed=5, max_tokens=60)
        chunks = [
            chunk.choices[0].delta.content
            async for chunk in await client.chat_completion(messages, seed=5, max_tokens=60, stream=True)
        ]
        whole = await native.text_generation("Tell.", seed=5, max_new_tokens=60, details=True)
        pieces = [
            piece async for piece in await native.text_generation("Tell.", seed=5, max_new_tokens=60, stream=True)
        ]
        await client.close()
        await native.close()
        return got, chunks, whole, pieces

    got, chunks, whole, pieces = asyncio.run(run())
    assert got.choices[0].message.content == "".join(chunks) == answer('Tell of "dog".', 5, 60)[0]
    assert whole.generated_text.removeprefix("Tell.") == "".join(pieces) == answer("Tell.", 5, 60)[0]
    assert whole.details.generated_tokens == got.usage.completion_tokens == 60
