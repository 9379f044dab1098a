"""Components: registered, found by name or `module:Class`, checked, built with what they need, closed."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from silly_llm.core import registry
from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import register


class Clock:
    def __init__(self, now: int) -> None:
        self.now = now


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


class OneOff:
    """A component without options."""


def test_build_checks_options_injects_by_type_and_closes():
    with Container() as container:
        shout = container.provide(Clock, Clock(7)).build("story_filter", {"type": "test-shout", "times": 3})
        assert (shout.config.times, shout.clock.now, shout.closed) == (3, 7, False)
    assert shout.closed


def test_a_factory_is_called_once_when_asked_for():
    calls = []
    container = Container().provide(Clock, lambda: calls.append(1) or Clock(1))
    assert not calls
    assert container.get(Clock) is container.get(Clock)
    assert len(calls) == 1


def test_override_wins_over_recipe_and_phase():
    container = Container().override(Clock, Clock(1)).provide(Clock, Clock(2))
    assert container.get(Clock).now == 1
    mine = OneOff()
    assert Container().override(OneOff, mine).build("story_filter", "test-shout", as_type=OneOff) is mine


def test_a_missing_dependency_says_who_needs_what():
    with pytest.raises(TypeError, match=r"Shout\(clock: .*Clock.*\): nothing in the container provides it"):
        Container().build("story_filter", "test-shout")


def test_async_components_are_closed():
    class Connection:
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    with Container() as container:
        connection = container.provide(Connection, Connection).get(Connection)
    assert connection.closed


def test_one_off_by_module_and_class(tmp_path, monkeypatch):
    (tmp_path / "my_silly_module.py").write_text("class Mine:\n    '''Mine.'''\n")
    monkeypatch.chdir(tmp_path)
    assert type(Container().build("story_filter", {"type": "my_silly_module:Mine"})).__name__ == "Mine"
    with pytest.raises(RecipeError, match="'my_silly_module:Yours' cannot be imported"):
        registry.resolve("story_filter", "my_silly_module:Yours")


ONE_OFF = "import pathlib\npathlib.Path('ran').write_text('')\nclass Mine:\n    '''Mine.'''\n"


@pytest.fixture
def one_off(tmp_path, monkeypatch):
    """A folder with code of its own, here under the name of an installed module too; says whether it ran."""
    for name in ("code_of_a_recipe.py", "tomllib.py"):
        (tmp_path / name).write_text(ONE_OFF)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "code_of_a_recipe", raising=False)
    return lambda: (tmp_path / "ran").exists()


def test_a_run_that_uses_code_of_the_recipes_own_says_so_once(one_off, capsys):
    for _ in range(2):
        registry.resolve("story_filter", "code_of_a_recipe:Mine")
    said = capsys.readouterr().err.splitlines()
    assert one_off() and len(said) == 1
    assert "code of the recipe's own: code_of_a_recipe (" in said[0] and "code_of_a_recipe.py)" in said[0]


def test_a_file_of_the_current_folder_does_not_stand_in_for_an_installed_module(one_off):
    with pytest.raises(RecipeError, match=r"'tomllib:Mine' cannot be imported"):
        registry.resolve("story_filter", "tomllib:Mine")
    assert not one_off()


RECIPE = (
    "provider: {type: 'code_of_a_recipe:Mine', price_per_million: {prompt: 1}}\nmax_cost: 1\n"
    "prompt_generator: 'code_of_a_recipe:Mine'\n"
    "filters: [{type: 'code_of_a_recipe:Mine', whatever: 1}]\n"
    "num_stories: 3\noutput_dir: out\n"
)


@pytest.mark.parametrize("command", ["check", "dry_run", "print_config"])
def test_checking_and_previewing_import_no_code_of_the_recipes_own(one_off, tmp_path, capsys, command):
    from silly_llm.commands import recipes
    from silly_llm.data.generation import generate as generation

    (tmp_path / "mine").mkdir()
    file = tmp_path / "mine" / "generation.yaml"
    file.write_text(RECIPE)
    if command == "check":
        training = tmp_path / "mine" / "pretrain.yaml"
        training.write_text("dataset: x.jsonl\noptimizer: {type: 'code_of_a_recipe:Mine', speed: 3}\nuse_cpu: true\n")
        recipes.main([str(tmp_path / "mine"), "--check"])
        assert capsys.readouterr().out.count("✓") == 2
        training.unlink()
    elif command == "dry_run":
        with pytest.raises(RecipeError, match="is code of the recipe's own, which is not imported for a dry run"):
            generation.main(["--config", str(file), "--preview", "1", "--dry_run"])
    else:
        with pytest.raises(SystemExit):
            generation.main(["--config", str(file), "--print_config"])
    assert not one_off()
    file.write_text(RECIPE.replace("code_of_a_recipe:Mine", "code_of_a_recipe:"))
    if command == "check":
        with pytest.raises(RecipeError, match="1 of 1 recipes are wrong"):
            recipes.main([str(tmp_path / "mine"), "--check"])


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("test-shoot", "unknown story filter 'test-shoot' .did you mean 'test-shout'"),
        ({"type": "test-shout", "time": 3}, "story filter 'test-shout': unknown key 'time' .did you mean 'times'"),
        ({"type": "test-shout", "times": "x"}, "times: expected a whole number"),
        ({"times": 3}, "expected a name or a mapping with 'type'"),
    ],
)
def test_mistakes_in_a_component(mapping, message):
    with pytest.raises(RecipeError, match=message):
        registry.parse_component("story_filter", mapping)


def test_a_taken_name_and_an_unknown_kind_are_refused():
    with pytest.raises(ValueError, match="already registered"):
        register("story_filter", "test-shout")(OneOff)
    with pytest.raises(ValueError, match="unknown kind"):
        register("story_filtre", "x")


def test_every_component_of_ours_loads_and_has_a_summary():
    for kind in registry.KINDS:
        found = registry.components(kind)
        assert found, kind
        assert all(component.summary for component in found), kind
