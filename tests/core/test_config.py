"""Recipes: extends, environments, interpolation, overrides, and one clear line for each mistake."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from transformers import TrainingArguments

from silly_llm.core.config import check, load_recipe
from silly_llm.core.console.masking import MASK
from silly_llm.core.errors import RecipeError


@dataclass
class Inner:
    rate: float = 0.5


@dataclass
class Arguments:
    words: int = 3
    name: str = "x"
    mode: Literal["fast", "slow"] = "fast"
    provider: dict = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)
    ratios: list[float] = field(default_factory=list)
    output_dir: str = ""


def load(*argv: object, arguments: type = Arguments):
    return load_recipe([str(a) for a in argv], phase="generate", arguments=arguments)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_extends_environment_and_override_win_in_that_order(tmp_path, monkeypatch):
    write(tmp_path, "base/a.yaml", "words: 1\nname: base\nratios: [1, 2]\nenvironments: {big: {words: 7}}")
    file = write(tmp_path, "mine/generation.yaml", "extends: ../base/a.yaml\nname: mine\nratios: [3]")
    assert load("--config", file).args == Arguments(words=1, name="mine", ratios=[3.0], output_dir="runs/mine/stories")
    assert load("--config", file, "--environment", "big").args.words == 7
    assert load("--config", file, "--environment", "big", "--words", "9", "--inner.rate=1e-3").args == Arguments(
        words=9, name="mine", ratios=[3.0], inner=Inner(1e-3), output_dir="runs/mine-big/stories"
    )
    monkeypatch.setenv("SILLY_LLM_ENVIRONMENT", "big")
    assert load("--config", file).args.words == 7


def test_several_parents_and_json(tmp_path):
    write(tmp_path, "a.json", "\ufeff" + json.dumps({"words": 1, "name": "a"}))
    write(tmp_path, "b.yaml", "name: b")
    file = write(tmp_path, "generation.yaml", "extends: [a.json, b.yaml]\nmode: slow")
    args = load("--config", file).args
    assert (args.words, args.name, args.mode) == (1, "b", "slow")


def test_another_type_replaces_a_component_and_the_same_type_merges(tmp_path):
    write(tmp_path, "a.yaml", "provider: {type: storyteller, style: calm}")
    file = write(tmp_path, "generation.yaml", "extends: a.yaml\nname: x")
    assert load("--config", file, "--provider.type", "openai").args.provider == {"type": "openai"}
    assert load("--config", file, "--provider.style", "wild").args.provider == {"type": "storyteller", "style": "wild"}


def test_nothing_and_another_kind_of_container_replace(tmp_path):
    file = write(tmp_path, "generation.yaml", "weights: {a: 1.0}\nprovider: {type: x}")
    for text, value in (("{}", {}), ("[a]", ["a"]), ("null", None), ("{b: 2}", {"a": 1.0, "b": 2.0})):
        assert load("--config", file, "--weights", text, arguments=Typed).args.weights == value


def test_interpolation(tmp_path, monkeypatch):
    monkeypatch.setenv("SILLY_TEST_MODE", "slow")
    text = "mode: ${oc.env:SILLY_TEST_MODE}\nname: ${oc.env:SILLY_TEST_UNSET,fallback}\noutput_dir: ${run:stories}"
    args = load("--config", write(tmp_path, "tiny/generation.yaml", text), "--output_root", tmp_path / "out").args
    assert (args.mode, args.name, args.output_dir) == ("slow", "fallback", str(tmp_path / "out" / "tiny" / "stories"))


def test_secrets_are_masked_by_key_and_by_value_and_print_config_prints_it_so_and_stops(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SILLY_API_KEY", "sk-very-secret-value")
    text = "provider: {type: x, api_key: abc, url: 'http://h/?k=${oc.env:SILLY_API_KEY}'}"
    recipe = load("--config", file := write(tmp_path, "generation.yaml", text))
    assert "sk-very-secret-value" in recipe.args.provider["url"]
    assert recipe.masked()["provider"] == {"type": "x", "api_key": MASK, "url": f"http://h/?k={MASK}"}
    with pytest.raises(SystemExit) as stop:
        load("--config", file, "--print_config")
    printed = capsys.readouterr().out
    assert stop.value.code == 0 and "api_key: '********'" in printed
    assert "abc" not in printed and "very-secret" not in printed


@dataclass
class Typed:
    text: str = ""
    maybe: str | None = "x"
    either: str | list[str] | dict[str, float] = ""
    number: int = 0
    rate: float | None = None
    switch: bool = False
    kind: bool | str = "no"
    mode: Literal["on", "off"] = "on"
    texts: list[str] = field(default_factory=list)
    weights: dict[str, float] | list[str] | None = None
    provider: str | dict[str, Any] = ""
    model: str | dict[str, Any] = ""
    output_dir: str = ""


VERBATIM = [
    "Tell a story #1", "0123", "1:30", "yes", "1e5", "true", "a: b", "{", "{a: 1}", "[x]", '"quoted"', "it's", "trailing  ", "", "2024-01-01",
    "0x10", "1_000", "2024_", "- a", "&a", "*a", "!x", "@", "`", "%", "|", ">", "~", "a\\b", "tab\there", "C:\\x", "{{ noun }}",
]  # fmt: skip


@pytest.mark.parametrize("text", VERBATIM)
@pytest.mark.parametrize("key", ["text", "maybe", "provider.model", "provider.api_key"])
def test_text_on_the_command_line_stays_what_it_is(key, text):
    recipe = load(f"--{key}={text}", "--provider.type=openai", "--provider.base_url=http://h", arguments=Typed)
    outer, _, inner = key.partition(".")
    assert recipe.values[outer] == getattr(recipe.args, outer)  # what recipe.yaml will say
    assert (recipe.values[outer][inner] if inner else recipe.values[outer]) == text


MEANT = [
    ("--text null", "null"), ("--maybe null", None), ("--either 1", "1"), ("--either '[a, b]'", ["a", "b"]), ("--either '{a: 0.5}'", {"a": 0.5}),
    ("--either.a 1", {"a": 1.0}), ("--either a 0123", ["a", "0123"]), ("--number 0123", 123), ("--number -1", -1), ("--number 1e3", 1000),
    ("--number 1_000", 1000), ("--rate 1e-3", 0.001), ("--rate 1", 1.0), ("--rate null", None), ("--switch", True), ("--switch False", False),
    ("--switch no", False), ("--kind no", "no"), ("--kind true", True), ("--mode off", "off"), ("--texts 1 yes", ["1", "yes"]),
    ("--texts 'Once upon a time: 1'", ["Once upon a time: 1"]), ("--weights {}", {}), ("--weights []", []), ("--model.depth 4", {"depth": 4}),
    ("--model.rate 1e-3", {"rate": 0.001}), ("--model.tie false", {"tie": False}), ("--model.name 0123", {"name": "0123"}),
    ("--model.name:='\"4\"'", {"name": "4"}), ("--model \"{depth: 4, name: '4'}\"", {"depth": 4, "name": "4"}),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "value"), MEANT)
def test_the_type_of_a_key_says_what_the_command_line_means(argv, value):
    key = argv.lstrip("-").replace(".", " ").split()[0]
    assert getattr(load(*shlex.split(argv), arguments=Typed).args, key) == value


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        *((["--number", text], f"number: expected a whole number, got '{text}'") for text in ("1:30", "0x10")),
        (["--number", "true"], "number: expected a whole number, got True"),
        (["--rate", "nan"], "rate: expected a number, got 'nan'"),
        (["--either", "{a: x}"], "either.a: expected a number, got 'x'"),
        (["--either", "[1, 2]"], "either[0]: expected text, got 1"),
        (["--switch", "2"], "switch: expected true or false, got 2"),
        (["--text"], "text: expected text, got True"),
        (["--text", "a", "b"], "text: expected text, got ['a', 'b']"),
        (["--provider", "x", "--provider.model", "y"], "--provider and --provider.model are both given"),
        (["--model.depth", "3", "--model", "y"], "--model and --model.depth are both given"),
        (["--text:=x"], "--text:= takes JSON"),
        (["oops"], "expected --key value, got 'oops'"),
        (["--text", "bad\udcff.jsonl"], "is not UTF-8 text"),
        *((["--text", f"Say {text}"], r"write \${…}") for text in ("${word}", "${wo rd", "${word:x}")),
    ],
)
def test_what_the_command_line_cannot_mean_is_one_line(argv, message):
    with pytest.raises(RecipeError) as error:
        load(*argv, arguments=Typed)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_an_escaped_interpolation_is_text(tmp_path):
    assert load(r"--name=Say \${word}").args.name == "Say ${word}"
    assert load("--config", write(tmp_path, "generation.yaml", r"name: Say \${word}")).args.name == "Say ${word}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wordz: 3", "unknown key 'wordz' (did you mean 'words'?)"),
        ("words: many", "words: expected a whole number, got 'many'"),
        ("words: true", "words: expected a whole number, got True"),
        ("mode: fats", "mode: expected one of 'fast', 'slow', got 'fats' (did you mean 'fast'?)"),
        ("inner: {rates: 1}", "inner: unknown key 'rates' (did you mean 'rate'?)"),
        ("ratios: [1, x]", "ratios[1]: expected a number, got 'x'"),
        ("ratios: 1", "ratios: expected a list of a number, got 1"),
        ("name: ${oc.env:SILLY_TEST_UNSET}", "name: environment variable SILLY_TEST_UNSET is not set"),
        ("name: ${nowhere}", "name: Interpolation key 'nowhere' not found; where ${…} is meant as text, write \\${…}"),
        ("extends: nowhere.yaml", "extends: no such file"),
        ("extends: generation.yaml", "circular extends (generation.yaml → generation.yaml)"),
        ("extends: circle.yaml", "circular extends (generation.yaml → circle.yaml → generation.yaml)"),
        ("", "is empty"),
        ("# only a comment", "is empty"),
        ("- a list", "a recipe must be a mapping"),
        ("words: [1", "not YAML"),
        ("words: 1\nwords: 2", "not YAML"),
        ("environments: {big: 3}", "environments.big: expected a mapping"),
        ("inner: {rate: .inf}", "inner: rate: expected a number, got inf"),
        ("extends: ~/nowhere.yaml", f"no such file '{Path.home()}/nowhere.yaml'"),
    ],
)
def test_each_mistake_gives_one_line_that_names_file_and_key(tmp_path, text, message):
    file = write(tmp_path, "generation.yaml", text)
    write(tmp_path, "circle.yaml", "extends: generation.yaml")
    environment = ("--environment", "big") if "environments" in text else ()
    with pytest.raises(RecipeError) as error:
        load("--config", file, *environment)
    assert message in str(error.value)
    assert "generation.yaml" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("generatoin.yaml", r"no such recipe file \(did you mean 'generation.yaml'\?\)"),
        ("", "is a folder"),
        ("latin.yaml", "is not UTF-8 text"),
        ("twice.json", r"not JSON \(found duplicate key words\)"),
    ],
)
def test_a_missing_file_a_folder_and_bytes_that_are_not_text(tmp_path, name, message):
    write(tmp_path, "generation.yaml", "words: 1")
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    write(tmp_path, "twice.json", '{"words": 1, "words": 1}')
    with pytest.raises(RecipeError, match=message):
        load("--config", tmp_path / name)


def test_an_unknown_environment_is_refused_unless_a_sibling_knows_it(tmp_path):
    file = write(tmp_path, "generation.yaml", "words: 1\nenvironments: {big: {words: 7}}")
    sibling = write(tmp_path, "sft.yaml", "words: 2")
    with pytest.raises(RecipeError, match=r"unknown environment 'bgi' \(did you mean 'big'\?\)"):
        load("--config", file, "--environment", "bgi")
    assert load("--config", sibling, "--environment", "big").args.words == 2


def test_training_arguments_are_checked_the_same_way(tmp_path):
    given = {"output_dir": str(tmp_path), "learning_rate": 1, "eval_strategy": False}
    args = check(given, TrainingArguments, where="f")
    assert (args.learning_rate, args.eval_strategy) == (1.0, "no")
    for wrong, said in (
        ({"learning_rat": 1}, r"unknown key 'learning_rat' \(did you mean 'learning_rate'\?\)"),
        ({"learning_rate": "fast"}, "learning_rate: expected a number, got 'fast'"),
    ):
        with pytest.raises(RecipeError, match=said):
            check(wrong, TrainingArguments, where="f")
