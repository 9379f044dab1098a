"""What tests of clients stand on: answers in TGI's shapes, requests that TGI takes, faults and a log that can be relied on."""

import asyncio
import json
from urllib.request import urlopen

import aiohttp
import jsonschema
import pytest
from teachers import complete, request

from servers.answers import answer
from servers.apis import CHAT, GENERATE
from servers.behaviour import FAULTS, Behaviour
from silly_llm.providers.base import Completion

QUESTION = {"messages": [{"role": "user", "content": 'Tell of "dog".'}], "seed": 1}
SCHEMA = {"type": "object", "properties": {"words": {"type": "array", "items": {"type": "string"}}}}


def post(url: str, *bodies: object) -> list[tuple[int, bytes]]:
    """Status and body of the answer to each, all asked at once; the exception where there is none."""

    async def run():
        async with aiohttp.ClientSession() as session:

            async def ask(body):
                async with session.post(url, json=body) as response:
                    return response.status, await response.read()

            return await asyncio.gather(*map(ask, bodies), return_exceptions=True)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def openapi(shared):
    """Check a value against a schema of TGI 3's openapi.json."""
    file = shared / "tgi" / "openapi.json"
    if not file.is_file():
        pytest.skip("needs ../shared/tgi/openapi.json, which is not here")

    def as_json_schema(part):
        """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
        if isinstance(part, list):
            return [as_json_schema(item) for item in part]
        if not isinstance(part, dict):
            return part
        part = {name: as_json_schema(value) for name, value in part.items()}
        return {"anyOf": [part, {"type": "null"}]} if part.pop("nullable", False) is True else part

    components = as_json_schema(json.loads(file.read_text())["components"])

    def check(name: str, value: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        jsonschema.Draft202012Validator(schema).validate(value)

    with pytest.raises(jsonschema.ValidationError):
        check("GenerateResponse", {"text": "x"})
    return check


def test_answers_have_the_shapes_of_tgi(openapi, well):
    well.behave(flavour="tgi")
    body = {"inputs": 'Tell of "dog".', "parameters": {"max_new_tokens": 50}}
    for path, asked, name in (
        (GENERATE, body, "GenerateResponse"),
        (CHAT, QUESTION, "ChatCompletion"),
        ("/v1/completions", {"prompt": "a b"}, "CompletionFinal"),
        (CHAT, {**QUESTION, "model": "missing"}, "ErrorResponse"),
    ):
        openapi(name, json.loads(post(well.url + path, asked)[0][1]))


@pytest.mark.parametrize(("type", "api"), [("tgi", "chat"), ("tgi", "generate"), ("openai", "completions")])
def test_our_providers_send_what_these_servers_take(openapi, well, type, api):
    well.behave(honours=["tgi"], flavour=type)
    spec = {"type": type, "base_url": well.url, "api": api, "model": "scripted"}
    varied = [{}, {"temperature": 0.0}, {"temperature": 0.7, "top_p": 0.9}, {"schema": SCHEMA}]
    varied = varied[: 3 + (type == "tgi")]
    asked = [request(7, "List adjectives.", max_tokens=200, **more) for more in varied]
    before = len(well.asked())
    assert all(isinstance(got, Completion) for got in complete(spec, asked))
    bodies = [record["body"] for record in well.asked()[before:]]
    assert len(bodies) == len(asked)
    for body in bodies if type == "tgi" else []:
        openapi({"chat": "ChatRequest", "generate": "GenerateRequest"}[api], body)


@pytest.mark.parametrize(
    ("inputs", "parameters", "said"),
    [
        ("x", {"temperature": 0}, "`temperature` must be strictly positive"),
        ("x", {"top_p": 1.0}, "`top_p` must be > 0.0 and < 1.0"),
        ("", {}, "`inputs` cannot be empty"),
        ("x", {"stop": list("abcde")}, "`stop` supports up to 4"),
        ("x " * 4097, {}, "`inputs` tokens + `max_new_tokens` must be <= 4096"),
        ("x", {"grammar": {"type": "json", "value": {"type": "object"}}}, "must have a 'properties' field"),
    ],
)
def test_what_tgi_does_not_take_it_refuses_with_its_own_words(server, inputs, parameters, said):
    ((status, body),) = post(server.url + GENERATE, {"inputs": inputs, "parameters": parameters})
    assert status == 422 and json.loads(body)["error_type"] == "validation" and said in json.loads(body)["error"]


def text_of(answer: tuple[int, bytes]) -> str:
    return json.loads(answer[1])["choices"][0]["message"]["content"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_comes_as_often_as_was_asked_and_is_not_in_the_log(well, fault):
    well.behave(fail=[fault], fail_first=1)
    before = len(well.asked())
    ((spoilt,), (right,)) = post(well.url + CHAT, QUESTION), post(well.url + CHAT, QUESTION)
    assert text_of(right) == answer('Tell of "dog".', 1, 1024)[0] and len(well.asked()) == before + 1
    if fault.startswith("drop"):
        kinds = {"drop": aiohttp.ServerDisconnectedError, "drop_middle": aiohttp.ClientPayloadError}
        assert isinstance(spoilt, kinds[fault])
    elif fault == "empty":
        assert text_of(spoilt) == ""
    else:
        assert spoilt[0] == 200
        with pytest.raises(ValueError):
            json.loads(spoilt[1])


def test_which_request_fails_depends_on_the_question_and_not_on_the_order(well):
    def statuses(seeds):
        well.behave(fail=["500", "424"], fail_rate=0.5, seed=8)
        answers = post(well.url + CHAT, *({**QUESTION, "seed": seed} for seed in seeds))
        return {seed: status for seed, (status, _) in zip(seeds, answers, strict=True)}

    first = statuses(range(40))
    assert first == statuses(range(39, -1, -1))
    assert set(first.values()) == {200, 424, 500}


def test_clients_that_have_gone_leave_neither_line_nor_traceback(well, capfd):
    well.behave(latency=0.5)
    before = len(well.asked())
    with pytest.raises(TimeoutError):
        urlopen(well.url + CHAT, json.dumps(QUESTION).encode(), timeout=0.1)
    while well.in_flight:
        pass
    assert len(well.asked()) == before and post(well.url + CHAT, QUESTION)[0][0] == 200
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("wrong", [{"fial": 1}, {"fail": ["broken"]}, {"honours": ["all"]}, {"odd": ["very"]}])
def test_behaviour_that_does_not_exist_is_an_error(wrong):
    with pytest.raises((TypeError, ValueError)):
        Behaviour(**wrong)
