"""Components: registered, found by name or `module:Class`, checked, built with what they need, closed."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from silly_llm.commands import recipes
from silly_llm.core import registry
from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import parse_component, register
from silly_llm.data.generation import generate as generation


@dataclass
class Clock:
    now: int


@dataclass
class ShoutConfig:
    times: int = 1


@register("story_filter", "test-shout")
class Shout:
    """Shouts."""

    def __init__(self, config: ShoutConfig, clock: Clock) -> None:
        self.config, self.clock, self.closed = config, clock, False

    def close(self) -> None:
        self.closed = True


@register("story_filter", "test-connection")
class Connection:
    """A component without options."""

    closed = False

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("parsed", [False, True])
def test_build_checks_options_injects_by_type_and_closes(parsed):
    spec = {"type": "test-shout", "times": 3}
    with Container().provide(Clock, Clock(7)) as container:
        shout = container.build("story_filter", parse_component("story_filter", spec) if parsed else spec)
        connection = container.build("story_filter", "test-connection")
        assert (shout.config, shout.clock) == (ShoutConfig(3), Clock(7))
        assert not shout.closed and not connection.closed
    assert shout.closed and connection.closed


def test_override_wins_over_recipe_and_phase():
    mine = Connection()
    container = Container().override(Clock, Clock(1)).provide(Clock, Clock(2)).override(Connection, mine)
    assert container.build("story_filter", "test-shout").clock == Clock(1)
    assert container.build("story_filter", "test-shout", as_type=Connection) is mine


def test_a_missing_dependency_says_who_needs_what():
    with pytest.raises(TypeError, match=r"Shout\(clock: .*Clock.*\): nothing in the container provides it"):
        Container().build("story_filter", "test-shout")


@pytest.fixture
def one_off(tmp_path, monkeypatch):
    """A folder with code of its own, here under the name of an installed module too; says whether it ran."""
    for name in ("code_of_a_recipe.py", "tomllib.py"):
        (tmp_path / name).write_text("import pathlib\npathlib.Path('ran').touch()\nclass Mine:\n    '''Mine.'''\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "code_of_a_recipe", raising=False)
    return lambda: (tmp_path / "ran").exists()


def test_a_run_that_uses_code_of_the_recipes_own_says_so_once(one_off, capsys):
    for _ in range(2):
        assert type(Container().build("story_filter", {"type": "code_of_a_recipe:Mine"})).__name__ == "Mine"
    said = capsys.readouterr().err.splitlines()
    assert one_off() and len(said) == 1
    assert "the recipe's own code: code_of_a_recipe (" in said[0] and "code_of_a_recipe.py)" in said[0]
    with pytest.raises(RecipeError, match="'code_of_a_recipe:Yours' cannot be imported"):
        parse_component("story_filter", "code_of_a_recipe:Yours")


def test_a_file_of_the_current_folder_does_not_stand_in_for_an_installed_module(one_off):
    with pytest.raises(RecipeError, match=r"'tomllib:Mine' cannot be imported"):
        parse_component("story_filter", "tomllib:Mine")
    assert not one_off()


RECIPE = (
    "provider: {type: 'code_of_a_recipe:Mine', price_per_million: {prompt: 1}}\nmax_cost: 1\n"
    "prompt_generator: 'code_of_a_recipe:Mine'\n"
    "filters: [{type: 'code_of_a_recipe:Mine', whatever: 1}]\n"
    "num_stories: 3\noutput_dir: out\n"
)


@pytest.mark.parametrize("command", ["check", "dry_run", "print_config"])
def test_checking_and_previewing_import_no_code_of_the_recipes_own(one_off, tmp_path, capsys, command):
    (tmp_path / "mine").mkdir()
    file, training = tmp_path / "mine" / "generation.yaml", tmp_path / "mine" / "pretrain.yaml"
    file.write_text(RECIPE)
    if command == "check":
        training.write_text("dataset: x.jsonl\noptimizer: {type: 'code_of_a_recipe:Mine', speed: 3}\nuse_cpu: true\n")
        recipes.main([str(tmp_path / "mine"), "--check"])
        assert capsys.readouterr().out.count("✓") == 2
        training.unlink()
        file.write_text(RECIPE.replace("code_of_a_recipe:Mine", "code_of_a_recipe:"))
        with pytest.raises(RecipeError, match="1 of 1 recipes are invalid"):
            recipes.main([str(tmp_path / "mine"), "--check"])
    elif command == "dry_run":
        with pytest.raises(RecipeError, match="is the recipe's own code, which a dry run does not import"):
            generation.main(["--config", str(file), "--preview", "1", "--dry_run"])
    else:
        with pytest.raises(SystemExit):
            generation.main(["--config", str(file), "--print_config"])
    assert not one_off()


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("test-shoot", "unknown story filter 'test-shoot' .did you mean 'test-shout'"),
        ({"type": "test-shout", "time": 3}, "story filter 'test-shout': unknown key 'time' .did you mean 'times'"),
        ({"type": "test-shout", "times": "x"}, "times: expected a whole number"),
        ({"type": "test-connection", "times": 1}, "story filter 'test-connection': takes no options, got 'times'"),
        ({"times": 3}, "expected a name or a mapping with 'type'"),
    ],
)
def test_mistakes_in_a_component(mapping, message):
    with pytest.raises(RecipeError, match=message):
        parse_component("story_filter", mapping)


def test_a_taken_name_and_an_unknown_kind_are_refused():
    with pytest.raises(ValueError, match="already registered"):
        register("story_filter", "test-shout")(Clock)
    with pytest.raises(ValueError, match="unknown kind"):
        register("story_filtre", "x")


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_component_of_ours_loads_and_has_a_summary(kind):
    found = registry.components(kind)
    assert found and all(component.summary for component in found)
