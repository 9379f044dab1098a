"""Whatever a teacher or what stands in front of it says: read, learned from, or one line that names it."""

from __future__ import annotations

import pytest
from servers.scripted_llm import ScriptedLLM, answer
from teachers import complete, request, specs

from silly_llm.core import registry
from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.providers.base import ChatRequest, Completion, RequestFailed
from silly_llm.providers.server.answers import finish_reason, read_chat, read_content
from silly_llm.providers.server.errors import RequestError, read_json, refusal, seconds_to_wait
from silly_llm.providers.server.http import proxy_for
from silly_llm.providers.server.request_fields import refused_fields, thinking_fields
from silly_llm.providers.thinking import nothing_said, without_thinking

READABLE = "parts thinking_parts one_part surrogate nul zero_width thought thought_apart no_usage odd_usage usage_list odd_model"
NOT = "null number object odd_parts cut_in_thought unclosed tool_calls refusal no_choices null_choices null_choice no_message number_message"
CHAT = ("openai", "tgi", "hf-inference")


def ask(server: ScriptedLLM, name: str = "openai", **options) -> Completion | RequestFailed:
    wanted = options.pop("request", request(3, max_tokens=400))
    return complete({**specs(server.url)[name], "attempts": 3, **options}, [wanted])[0]


@pytest.mark.parametrize("name", CHAT)
@pytest.mark.parametrize("odd", READABLE.split())
def test_what_can_be_read_is(well, name, odd):
    well.behave(odd=[odd])
    got = without_thinking(ask(well, name))
    assert got.text == answer('Tell of "dog".', 3, 400)[0] and got.finish_reason == "stop"
    assert got.model == ("" if name == "hf-inference" and odd == "odd_model" else "scripted")
    assert (got.extra.get("reasoning_tokens", 0) > 0) == ("th" in odd and "zero" not in odd)
    assert got.extra.get("reasoning_estimated", False) == (odd in ("thought", "thinking_parts"))
    assert got.extra.get("cleaned") == (["characters"] if odd in ("surrogate", "nul", "zero_width") else None)


@pytest.mark.parametrize("name", CHAT)
@pytest.mark.parametrize("odd", NOT.split())
def test_what_cannot_be_read_says_nothing_and_why(well, name, odd):
    well.behave(odd=[odd])
    got = ask(well, name)
    assert isinstance(got, Completion), got
    said = nothing_said(without_thinking(got))
    reasons = {"cut_in_thought": "thinking: used up max_tokens", "unclosed": "thinking: has no answer"}
    reasons |= {"refusal": "refused by the model", "tool_calls": "calls a tool", "no_choices": "no choices"}
    reasons |= {"number": "content is a number", "odd_parts": "content is a number", "object": "an object"}
    assert said and reasons.get(odd, "answer: ") in said


@pytest.mark.parametrize("before", ["<think>Nouns: {dog}</think>\n```json\n", "Sure! Here they are:\n\n"])
def test_json_behind_thinking_is_read(well, before):
    schema = {"type": "object", "properties": {"words": {"type": "array", "items": {"type": "string"}}}}
    well.behave(before=before)
    got = ask(well, request=request(0, 'List ten nouns as JSON: {"words": ["…"]}', schema=schema))
    assert isinstance(got, Completion) and got.text.startswith('{"words"') and ("think" in before) == bool(got.extra)


@pytest.mark.parametrize("name", CHAT)
def test_refused_parameters_are_learned_once_and_told_once(tmp_path, capsys, name):
    refuses = ["max_tokens", "temperature", "seed", "system", "chat_template_kwargs"]
    turns = ({"role": "system", "content": "Be kind."}, {"role": "user", "content": 'Tell of "dog".'})
    with ScriptedLLM(tmp_path, refuses=refuses, log_bodies=True) as server:
        spec = {**specs(server.url)[name], "thinking": False, "concurrency": 1}
        answers = complete(spec, [ChatRequest(turns, max_tokens=300)] * 4)
        assert all(isinstance(got, Completion) for got in answers), answers
        left = ["chat_template_kwargs", "seed", "temperature"]
        assert all(got.extra["left_out"] == left for got in answers)
        bodies = [record["body"] for record in server.asked()]
        assert server.by_status["400"] == len(refuses) and len(bodies) == 4
        for body in bodies:
            sent = {key for key, value in body.items() if value is not None}
            assert body["max_completion_tokens"] == 300 and sent.isdisjoint(refuses)
            assert body["messages"] == [{"role": "user", "content": 'Be kind.\n\nTell of "dog".'}]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == len(refuses) and "`max_tokens` is sent as `max_completion_tokens`" in told[0]


def test_what_extra_body_says_is_not_left_out(well):
    well.behave(refuses=["seed"])
    got = ask(well, extra_body={"seed": 5})
    assert isinstance(got, RequestFailed) and "'seed' is not supported" in got.reason
    assert isinstance(ask(well, extra_body={"seed": None}), Completion)


SENT = {"max_tokens", "temperature", "top_p", "seed", "chat_template_kwargs", "reasoning_effort"}


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b'{"error": {"message": "Unsupported value: \'temperature\' does not support 0.7", "param": "temperature"}}', "temperature"),
        (b'{"error": {"message": "Unrecognized request argument supplied: seed"}}', "seed"),
        (b'{"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}', "seed"),
        (b'{"error": "unknown field `seed`, expected one of `max_tokens`, `temperature`"}', "seed"),
        (b'{"error": {"message": "property \'top_p\' is unsupported"}}', "top_p"),
        (b'{"error": {"message": "Invalid JSON payload. Unknown name \\"seed\\": Cannot find field."}}', "seed"),
        (b'{"object": "error", "message": "[{\'type\': \'literal_error\', \'loc\': (\'body\', \'reasoning_effort\')}]"}', "reasoning_effort"),
        (b'{"error": {"message": "invalid temperature: only 1 is allowed for this model"}}', "temperature"),
        (b'{"error": {"message": "Invalid value", "param": "seed", "code": "unsupported_parameter"}}', "seed"),
        (b'{"error": {"message": "temperature must be between 0 and 2, got 3", "param": "temperature"}}', None),
        (b'{"error": {"message": "max_tokens is too large: 5000. This model supports at most 4096"}}', None),
        (b'{"error": {"message": "maximum context length is 9 tokens; the seed of a tree", "code": "x"}}', None),
    ],
)  # fmt: skip
def test_refusals_are_understood(body, refused):
    assert refused_fields(refusal(400, body, {}), SENT) == ({refused} if refused else set())


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("http://127.0.0.1:8000/v1", "chat_template_kwargs"),
        ("http://127.0.0.1:11434/v1", "reasoning_effort"),
        ("https://api.deepseek.com", "thinking"),
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "enable_thinking"),
        ("https://openrouter.ai/api/v1", "reasoning"),
        ("https://router.huggingface.co/v1", "chat_template_kwargs"),
    ],
)
def test_the_switch_has_the_form_of_its_server(url, field):
    assert field in thinking_fields(url, False) and field in thinking_fields(url, True) | {"reasoning_effort": 0}
    assert thinking_fields(url, None) == {}


def test_the_switch_reaches_the_server_and_the_fingerprint(well):
    assert isinstance(ask(well, thinking=False, request=request(77)), Completion)
    (body,) = [record["body"] for record in well.asked() if record["seed"] == 77]
    assert body["chat_template_kwargs"]["enable_thinking"] is False
    provider = Container().build("llm_provider", {**specs(well.url)["openai"], "thinking": False})
    assert provider.parameters["thinking"] is False


@pytest.mark.parametrize("name", ["openai", "tgi", "tgi-generate", "hf-inference"])
def test_headers_and_keys_with_line_ends(well, name):
    got = ask(well, name, headers={"api-key": "azure-secret\n"}, api_key="sk-mine\n", request=request(81))
    assert isinstance(got, Completion), got
    record = [r for r in well.asked() if r["seed"] == 81][-1]
    assert record["api_key"] == "azure-secret" and record["authorization"] == "Bearer sk-mine"


@pytest.mark.parametrize("name", CHAT)
def test_a_query_stands_after_the_path(well, name):
    spec = {"base_url": f"{well.url}/v1?api-version=2024-10-21", "query": {"b": "c d"}, "request": request(82)}
    assert isinstance(ask(well, name, **spec), Completion)
    assert [r for r in well.asked() if r["seed"] == 82][-1]["query"] == "api-version=2024-10-21&b=c+d"
    assert isinstance(ask(well, base_url=f"{well.url}/v1/chat/completions"), Completion)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"headers": {"api-key": "one\ntwo"}}, "headers: api-key"),
        ({"api_key": "schlüssel"}, "api_key: "),
        ({"headers": {"X Foo": "1"}}, "not a valid header name"),
        ({"extra_body": {"stream": True}}, "stream: true"),
    ],
)
def test_what_cannot_be_sent_is_a_recipe_error(options, said):
    with pytest.raises(RecipeError, match=said) as raised:
        registry.parse_component("llm_provider", {"type": "openai", "model": "m", "base_url": "http://h", **options})
    assert "two" not in str(raised.value) and "schl" not in str(raised.value)


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ({"page": 200}, "a web page with the title 'Welcome', not an API; is base_url right?"),
        ({"page": 404}, "a web page with the title 'Welcome', not an API"),
        ({"page": 405}, "is base_url right?"),
        ({"moved_to": "https://new.example/v1/chat/completions"}, "moved to https://new.example/v1/chat/completions"),
    ],
)
@pytest.mark.parametrize("name", ["openai", "hf-inference"])
def test_what_is_no_api_is_named_soon(well, name, behaviour, said):
    well.behave(**behaviour)
    got = ask(well, name, attempts=8)
    assert got.fatal and said in got.reason


def test_retry_after_in_milliseconds(tmp_path):
    with ScriptedLLM(tmp_path, fail=["429"], fail_first=1, retry_after_ms=50) as server:
        got = complete({**specs(server.url)["openai"], "first_wait": 1000, "deadline": 100}, [request()])
        assert isinstance(got[0], Completion), "else it would wait for longer than the deadline"


def test_a_tgi_without_info_is_named(well):
    for behaviour, said in (({"page": 200}, "a web page"), ({"page": 0, "moved_to": "info"}, "redirected 5 times")):
        well.behave(**behaviour)
        with pytest.raises(RunError, match=said):
            ask(well, "tgi")


def test_what_servers_and_gateways_say_besides():
    for body, said in ((b"\xef\xbb\xbf<!-- x --><html>", "a web page"), (b": wait\n\ndata: {}", "a stream of events")):
        with pytest.raises(RequestError, match=said):
            read_json(body)
    assert refusal(524, b"", {}).transient and not refusal(418, b"", {}).transient
    assert [seconds_to_wait(said) for said in ("nan", "-5", "1.5s", "soon", None)] == [0, 0, 1.5, None, None]
    usage = {"input_tokens": 9, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}}
    got = read_chat({"choices": [{"delta": {"content": "A\x85\x9f\ufffe dog."}}], "usage": usage}, "m", 50)
    assert (got.text, got.prompt_tokens, got.extra["reasoning_tokens"]) == ("A\x85 dog.", 9, 3)


def test_proxies_are_named(monkeypatch, server):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("ALL_PROXY", "user:pw1234567@127.0.0.1:9")
    assert proxy_for("https://x.example/v1") == "http://user:pw1234567@127.0.0.1:9"
    for name in ("openai", "hf-inference"):
        got = ask(server, name)
        assert got.fatal and "through the proxy http://127.0.0.1:9" in got.reason and "pw1234567" not in got.reason
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8, 127.0.0.0/8")
    assert all(isinstance(ask(server, name), Completion) for name in ("openai", "hf-inference"))
    assert proxy_for("http://10.2.3.4/v1") is None and proxy_for("http://11.2.3.4/v1")
    for proxy in ("socks5://127.0.0.1:9", "http://127.0.0.1:port"):
        monkeypatch.setenv("ALL_PROXY", proxy)
        with pytest.raises(RunError, match=f"{proxy}', and only HTTP proxies are understood"):
            proxy_for("http://x.example/v1")


@pytest.mark.parametrize("name", ["openai", "hf-inference"])
def test_certificates_are_named(server, monkeypatch, tmp_path, name):
    secure = {"type": name, "base_url": server.url.replace("http", "https"), "model": "m"}
    (got,) = complete(secure, [request()])
    assert got.fatal and "name its authority's file in SSL_CERT_FILE" in got.reason
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(RunError, match=r"REQUESTS_CA_BUNDLE: .*none\.pem"):
        complete(secure, [request()])


def test_finish_reasons_of_all_servers():
    for said in ("STOP", "stop", "end_turn", "eos_token", "COMPLETE"):
        assert finish_reason(said) == "stop"
    assert finish_reason("MAX_TOKENS") == finish_reason("Length") == "length"
    assert finish_reason("SAFETY") == "content_filter" and finish_reason("tool_calls") == "tool_calls"
    assert finish_reason(None, "A dog sat", 5, 10) == "stop" and finish_reason(None, "A dog.", 10, 10) == "length"
    assert finish_reason(None, "A dog sat.") == "stop" and finish_reason(7, "A dog") == "unknown"


def test_parts_of_any_kind():
    parts = ["a", {"type": "output_text", "text": "b"}, {"type": "reasoning", "text": "c"}]
    assert read_content(parts) == ("ab", "c", "")
    assert read_content({"parts": [{"text": "a"}, {"text": "b", "thought": True}]}) == ("a", "b", "")
    assert read_content([{"type": {}, "text": 5}])[2]
    assert read_content([{"type": "text", "text": {"value": "a"}}, {"type": "text", "content": "b"}]) == ("ab", "", "")


@pytest.mark.parametrize("answer", [None, [], {}, "a story", {"story": "x"}, {"error": {"code": []}}])
def test_what_is_no_answer_is_a_failed_request(answer):
    with pytest.raises(RequestError):
        read_chat(answer, "m", 5)


def test_an_error_with_status_200_says_what_it_is():
    with pytest.raises(RequestError, match="HTTP 429: slow down") as raised:
        read_chat({"error": {"message": "slow down", "code": "429"}}, "m", 5)
    assert raised.value.transient and raised.value.overloaded
