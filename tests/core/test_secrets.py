"""No secret of the user's is written, printed or published: thirty of ten kinds, in ten places, looked for in every byte."""

from __future__ import annotations

import base64
import dataclasses
import functools
import gzip
import importlib
import io
import json
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
import yaml
from servers.local_hub import LocalHub
from servers.scripted_llm import ScriptedLLM

from silly_llm.core.console.masking import is_secret_name, mask, remember
from silly_llm.core.errors import RecipeError
from silly_llm.core.launch import run_main
from silly_llm.core.phases import PHASES
from silly_llm.core.schema import check
from silly_llm.hub.scan import texts_in
from silly_llm.providers.openai import OpenAIConfig

KINDS = {
    "hub": "hf_{0}aB3xQ9zK4mN7pR2sT5vW8yC1",
    "openai": "sk-proj-{0}aB3xQ9zK4mN7pR2sT5vW8y",
    "aws id": "AKIA{0}Q3EGRKBA7M2XW",
    "aws secret": "{0}wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAM1KEY",
    "pem": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN{0}gkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ{0}IiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36P",
    "azure": "{0}0123456789abcdef0123456789abcd",
    "github": "ghp_{0}aB3xQ9zK4mN7pR2sT5vW8yC1dE6fG0hJ3k",
    "gateway": "Zq{0}!u7#Lp",
    "short": "h{0}nt3r",
}
PLACES = ["key", "oc.env", "url", "headers", "body", "mistyped", "error", "column", "files", "environment"]


def planted(kind: str, place: str) -> str:
    return KINDS[kind].format(f"{PLACES.index(place):02}")


# Three secrets a place, each kind three times.
SECRETS = {
    place: [planted(list(KINDS)[(3 * number + more) % len(KINDS)], place) for more in range(3)]
    for number, place in enumerate(PLACES)
}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def forms(secret: str) -> list[bytes]:
    """How a secret may be found: its lines, in URLs, in basic authentication."""
    lines = [line for line in secret.splitlines() if "-----" not in line]
    encoded = [base64.b64encode(line.encode()).rstrip(b"=")[:-2] for line in lines]
    return [f.encode() for line in lines for f in (line, quote(line, safe=""))] + encoded


def found_in(content: bytes | str) -> list[str]:
    content = content.encode() if isinstance(content, str) else content
    return [s for place in SECRETS.values() for s in place if any(form in content for form in forms(s))]


def found_below(folder: Path, *but: Path) -> list[tuple[str, str]]:
    """Planted secrets in every file, as it is and decoded."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not any(path.is_relative_to(b) for b in but):
            with path.open("rb") as file:
                decoded = "\n".join(texts_in(file)).encode("latin-1", "replace")
            found += [(str(path), secret) for secret in found_in(path.read_bytes() + decoded)]
    return found


@pytest.fixture
def call(in_process):
    """`silly-llm …` in this process: its exit code, and what it printed."""

    def run(*arguments: object):
        done = in_process(*arguments)
        assert found_in(done.stdout + done.stderr) == []
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def environment(monkeypatch):
    """Variables that recipes name, and some that they do not."""
    names = {"oc.env": "SILLY_KEY SILLY_SETTING SILLY_PASSWORD", "environment": "OPENAI_KEY AZURE_KEY AWS_PW_TOKEN"}
    for place, variables in names.items():
        for name, secret in zip(variables.split(), SECRETS[place], strict=True):
            monkeypatch.setenv(name, secret)


def recipe(server: str, output: Path) -> str:
    """A recipe with secrets in six places."""
    user, password, key = (quote(secret, safe="") for secret in SECRETS["url"])
    address = server.replace("://", f"://{user}:{password}@") + f"/v1?api_key={key}"
    body = dict(zip(("access_token", "bearer", "auth"), SECRETS["body"], strict=True))
    headers = dict(zip(("Authorization", "api-key", "X-Gateway"), SECRETS["headers"], strict=True))
    env = {"credential": "${oc.env:SILLY_KEY}", "plain": "${oc.env:SILLY_SETTING}"}
    env |= {"more": "-${oc.env:SILLY_PASSWORD}-"}
    keys = dict(zip(("api_key", "password", "client_secret"), SECRETS["key"], strict=True))
    provider = {"type": "openai", "base_url": address, "model": "scripted", "first_wait": 0.01}
    provider["extra_body"] = {**body, **env, **keys, "extra_headers": headers, "top_k": 40}
    return yaml.safe_dump({"provider": provider, "num_stories": 6, "filters": [], "output_dir": str(output)})


def test_no_planted_secret_is_written_printed_or_published(tmp_path, call, environment, monkeypatch, silly_llm):
    assert len({s for place in SECRETS.values() for s in place}) == 30
    work, hub_root = tmp_path / "work", tmp_path / "hub"
    file, output = tmp_path / "recipes" / "generation.yaml", work / "stories"
    file.parent.mkdir()
    work.mkdir()
    with ScriptedLLM(tmp_path) as server:
        file.write_text(recipe(server.url, output))
        code, printed = call("generate", "--config", file, "--print_config")
        assert code == 0 and "top_k: 40" in printed and printed.count("********") == 13
        assert call("generate", "--config", file, "--output_dir", work / "asked")[0] in (0, 1)
        plain = yaml.safe_load(file.read_text())["provider"]["base_url"].partition("?")[0]
        code, said = call("generate", "--config", file, "--provider.base_url", plain)
        assert code == 0, said
        user, password, _ = SECRETS["url"]
        asked = server.asked()
        assert len(asked) >= 6 and {r["authorization"] for r in asked} == {basic(user, password)}
    # Wrong recipes, with and without --debug: the value of a mistyped key, of a wrong type, in broken YAML, at a dead address.
    for secret in SECRETS["mistyped"] + SECRETS["error"]:
        lines = secret.splitlines()[-2:][0]
        for arguments in (
            ["--provider.api_ky", lines],
            ["--api_kye", lines],
            ["--provider.api_key", f"['{lines}']"],
            ["--provider.api_key", lines, lines],
            ["--provider.api_key=", lines],
            ["--provider.base_url", f"me:{quote(lines, safe='')}@host/v1"],
            ["--provider.base_url", f"http://me:{quote(lines, safe='')}@127.0.0.1:9/v1", "--provider.attempts", "1"],
        ):
            for debug in ([], ["--debug"]) if secret in (SECRETS["mistyped"][0], SECRETS["error"][2]) else ([],):
                code, said = call("generate", "--config", file, "--output_dir", work / "wrong", *arguments, *debug)
                assert code in (1, 2), (arguments, said)
        for broken in (f"api_key: *{lines}", f"api_key: {lines}: {{", f"api_key: @{lines}", f"api_key: '${{{lines}'"):
            wrong = file.with_name("wrong.yaml")
            wrong.write_text(f"provider:\n  {broken}\n")
            assert call("generate", "--config", wrong)[0] == 2
        wrong.unlink()
    assert found_below(work) == []

    # Published: a folder that the storyteller filled, with the user's own things beside it.
    folder = work / "told"
    assert call("generate", "--num_stories", 12, "--output_dir", folder)[0] == 0
    one, two, three = SECRETS["files"]
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text(f"url = https://{quote(one, safe='')}@example.org")
    (folder / "credentials.json").write_text(two)
    (folder / "notes.txt").write_text(three, encoding="utf-16")
    (folder / "more.jsonl.gz").write_bytes(gzip.compress(one.encode()))
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("a", two)
    (tmp_path / "outside").write_text(three)
    (folder / "link.txt").symlink_to(tmp_path / "outside")
    with LocalHub(hub_root) as hub:
        env = {**hub.env(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        done = silly_llm("publish", folder, "alice/told", **env)
        assert done.returncode == 0, done.stderr
        assert "not published" in done.stdout and "credentials.json, link.txt, more.jsonl.gz" in done.stdout
        assert "data/train-00000-of-00001.parquet" in hub.files("dataset", "alice/told")
        assert found_below(hub_root) == []

    # Refused, before anything is sent: what the data itself holds.
    monkeypatch.setenv("HF_TOKEN", LocalHub.TOKEN)
    for number, secret in enumerate(SECRETS["column"]):
        with_secret_in_parquet(folder / "data" / "train-00000-of-00001.parquet", secret, number)
        monkeypatch.setenv("SOMEONES_PASSWORD", secret)
        code, said = call("publish", folder, "alice/told")
        assert code == 2 and "contains a token or another secret" in said, secret


def with_secret_in_parquet(path: Path, secret: str, place: int) -> None:
    table = pq.read_table(path)
    if place == 0:
        table = table.replace_schema_metadata({"note": secret})
    elif place == 1:
        table = table.rename_columns([*table.column_names[:-1], secret])
    else:
        table = table.append_column("note", [[secret] * table.num_rows])
    pq.write_table(table, path)


def test_names_of_secrets():
    secret = "api_key apiKey api-key api_ky access_token bearer auth Credential OPENAI_KEY HF_TOKEN DB_PASS api_keys hub_token"
    for name in [*secret.split(), "Ocp-Apim-Subscription-Key"]:
        assert is_secret_name(name), name
    for name in ("max_tokens", "eos_token", "key", "text_key", "tokenizer", "HF_TOKEN_PATH", "author"):
        assert not is_secret_name(name), name


def test_no_key_of_a_recipe_has_the_name_of_a_secret_but_hub_token():
    names = {f.name for p in PHASES.values() for f in dataclasses.fields(importlib.import_module(p.module).ARGUMENTS)}
    assert {name for name in names if is_secret_name(name)} == {"hub_token"}


def test_masked_inside_other_text_and_nothing_else_is():
    remember({"provider": {"api_key": "Zq!u7#Lp", "pin": 1}, "password": "rabbit", "token": "EMPTY", "secret": 424242})
    remember({"dataset": "https://me:pw1234567@host/x?sig=Sx8sd7f6&page=2"})
    told = "Basic " + base64.b64encode(b"me:pw1234567").decode()
    for text in ("Zq!u7#Lp", "x=Zq%21u7%23Lp;", "said pw1234567.", told, "Sx8sd7f6", 'to {"k": "Zq!u7#Lp"}'):
        assert "********" in mask(text) and not any(s in mask(text) for s in ("Zq", "pw1", "Sx8", told[6:-2])), text
    story = "A rabbit had 424242 carrots; EMPTY was its basket. See https://host/x?page=2 and me@host."
    assert mask(story) == story
    assert mask(f"got {story}", loosely=True).count("********") == 2
    assert mask("http://a:b@host/v1?api-version=1&api_key=abc") == "http://host/v1?api-version=1&api_key=********"
    masked = {"headers": {"api-version": "2024", "X-Mine": "********"}, "auth": "********", "top_k": 4}
    assert mask({"headers": {"api-version": "2024", "X-Mine": "abc"}, "auth": {"user": "a"}, "top_k": 4}) == masked
    assert mask(io.BytesIO.__name__) == "BytesIO" and mask(None, "api_key") is None and mask(False, "token") is False


def test_a_plugin_declares_its_secrets(tmp_path):
    @dataclasses.dataclass
    class Config:
        entry_phrase: str = dataclasses.field(default="", repr=False, metadata={"secret": True})

    config = check({"entry_phrase": "open-sesame-7"}, Config, where="x")
    assert "sesame" not in repr(config)
    assert mask({"entry_phrase": "abc"}) == {"entry_phrase": "********"} and mask("open-sesame-7!") == "********!"
    with pytest.raises(RecipeError, match=r"^x: entry_phrase: expected text, got a list$"):
        check({"entry_phrase": ["abc"]}, Config, where="x")


def test_a_provider_shows_none_of_its_secrets():
    for more in ({"base_url": "http://me:pw1@host/v1"}, {"base_url": "http://h", "api_key": "pw3"}):
        assert "pw" not in repr(OpenAIConfig(model="m", extra_body={"api_key": "pw2"}, **more))


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_what_libraries_say_is_masked(capsys, debug):
    """An exception of aiohttp, say, with an address in it; the values of a recipe even where they are words."""
    first = "401 at https://me:pw1234567@host/v1?api_key=abc123: wrong key rabbit"
    second = "failed for sk-proj-" + "aB3x" * 8

    def failing(argv):
        try:
            raise ValueError(first)
        except ValueError as error:
            raise OSError(5, second) from error

    remember({"api_key": "rabbit"})
    with pytest.raises(SystemExit):
        run_main(failing, debug)
    said = capsys.readouterr().err
    assert not any(secret in said for secret in ("pw1234567", "abc123", "aB3x", "rabbit"))
    assert said.count("********") == (3 if debug else 1) and ("Traceback" in said) == bool(debug)
    assert "rabbit" not in str(RecipeError("got ['rabbit']"))


@pytest.fixture
def closed_shelf(tmp_path):
    """A server of stories whose address has three secrets in it, and what is on it."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    stories = [f"{n} had {k} {p}. The {p} ran." for n in ("Tom", "Mia") for p in ("dogs", "hens") for k in range(40)]
    (shelf / "stories.jsonl").write_text("".join(json.dumps({"text": story}) + "\n" for story in stories))

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Its lines would hold the secrets."""

    handler = functools.partial(Handler, directory=str(shelf))
    user, password, key = (quote(secret, safe="") for secret in SECRETS["url"])
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{user}:{password}@127.0.0.1:{server.server_port}/stories.jsonl?api_key={key}"
        server.shutdown()


@pytest.mark.slow
def test_no_secret_of_a_dataset_is_in_a_model_a_checkpoint_or_a_report(tmp_path, silly_llm, closed_shelf):
    work = tmp_path / "work"
    work.mkdir()
    tiny = ["--max_steps", 2, "--save_steps", 1, "--use_cpu", "true", "--bf16", "false", "--max_length", 64]
    model = ["--model", "silly-tiny", "--tokenizer.vocab_size", 270]
    for command in (
        ["pretrain", "--dataset", closed_shelf, *model, *tiny],
        ["instruct", "--dataset", closed_shelf],
        ["sft", "--dataset", work / "instruct", "--model_name_or_path", work / "pretrain", *tiny],
        ["evaluate", "--dataset", closed_shelf, "--model", work / "pretrain"],
    ):
        done = silly_llm(*command, "--output_dir", work / command[0], HF_HUB_OFFLINE="0")
        assert done.returncode == 0, done.stderr
        assert found_in(done.stdout + done.stderr) == []
    assert list(work.glob("pretrain/checkpoint-2/optimizer.pt")) and list(work.glob("evaluate/report.html"))
    assert found_below(work) == []
