"""Third parties' components: a small package with an entry point, built and installed (one-offs by `module:Class`: test_docs.py).

One recipe uses the package's LLM provider and story filter, another its metric: by name, by the real commands.
"""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from datasets import load_dataset
from folders import save_tiny_model

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "silly-parrot"
version = "1.0"
[project.entry-points."silly_llm.plugins"]
parrot = "silly_parrot"
[tool.setuptools]
py-modules = ["silly_parrot"]
"""

PARROT = '''
"""A teacher that says one thing, a filter that dislikes a word, and a metric that counts letters."""

from dataclasses import dataclass

from silly_llm.plugin import Completion, EvaluationData, EvaluationProvider, LLMProvider, Metric, StoryFilter, register
from silly_llm.evaluation.arguments import EvaluationArguments


@dataclass
class ParrotConfig:
    phrase: str = "Hello"
    """What it says."""


@register("llm_provider", "parrot")
class Parrot(LLMProvider):
    """Repeats a phrase and the words it was asked for."""

    model = "parrot-1"

    def __init__(self, config: ParrotConfig) -> None:
        self.config = config

    async def complete(self, requests):
        texts = [f"{self.config.phrase} {' '.join(r.fields['words'].values())} {r.seed}" for r in requests]
        return [Completion(text, "stop", 1, len(text.split()), self.model) for text in texts]


@dataclass
class DislikeConfig:
    letter: str


@register("story_filter", "dislike")
class Dislike(StoryFilter):
    """Refuses stories whose first requested word begins with a letter."""

    def __init__(self, config: DislikeConfig) -> None:
        self.config = config

    def refuse(self, story):
        return "begins badly" if story["words"][0] < self.config.letter else None


@register("evaluation_provider", "letters")
class Letters(EvaluationProvider):
    """Counts the letters of the held-out stories; does not even ask the model."""

    def __init__(self, settings: EvaluationArguments) -> None:
        self.settings = settings

    def evaluate(self, model, data: EvaluationData):
        return {"letters": Metric(float(sum(map(len, data.texts))), None, None, len(data.texts))}
'''


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The folder that the plugin package was installed into."""
    source, target = tmp_path_factory.mktemp("silly-parrot"), tmp_path_factory.mktemp("installed")
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "silly_parrot.py").write_text(PARROT)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, "--target", target, source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def run(silly_llm, installed):
    path = os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH"))))
    return partial(silly_llm, PYTHONPATH=path)


def write_recipe(path: Path, **values) -> Path:
    path.write_text(json.dumps({**values, "output_dir": path.stem}))
    return path


def test_plugins_are_listed_with_where_they_come_from(run, silly_llm):
    done = run("plugins")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "[silly-parrot]" in line]
    assert [line.split()[0] for line in lines] == ["parrot", "dislike", "letters"]
    assert "Repeats a phrase and the words it was asked for." in lines[0]
    assert "parrot" not in silly_llm("plugins").stdout, "only where it is installed"


@pytest.mark.slow
def test_a_recipe_uses_a_plugins_provider_filter_and_metric(run, tmp_path):
    values = {"filters": [{"type": "dislike", "letter": "h"}], "num_stories": 40, "validation_fraction": 0.2}
    provider = {"type": "parrot", "phrase": "Pieces of eight!"}
    generation = write_recipe(tmp_path / "stories.yaml", provider=provider, **values)
    done = run("generate", "--config", generation, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    splits = load_dataset(str(tmp_path / "stories"))
    kept, refused = [*splits["train"], *splits["validation"]], splits["rejected"]
    assert len(kept) + len(refused) == 40
    assert all(row["text"].startswith("Pieces of eight! ") and row["model"] == "parrot-1" for row in kept)
    assert all(row["words"][0] >= "h" for row in kept) and all(row["words"][0] < "h" for row in refused)
    assert {tuple(row["rejected_by"]) for row in refused} == {("dislike: begins badly",)}
    assert "`parrot`" in (tmp_path / "stories" / "README.md").read_text()

    values = {"model": str(save_tiny_model(tmp_path / "model", tmp_path)), "metrics": ["letters"], "num_stories": 1}
    evaluation = write_recipe(tmp_path / "evaluation.yaml", dataset="stories", **values)
    done = run("evaluate", "--config", evaluation, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "evaluation" / "results.json").read_text())
    letters = results["models"]["model"]["metrics"]["letters"]
    assert letters["value"] == sum(len(row["text"]) for row in splits["validation"])


def test_a_plugins_options_are_checked_as_ours_are(run, tmp_path):
    for wrong, near in (("{type: parrot, phrse: x}", "phrase"), ("parot", "parrot")):
        done = run("generate", "--provider", wrong, "--output_dir", tmp_path / "out")
        assert done.returncode == 2 and f"did you mean '{near}'?" in done.stderr
    assert not (tmp_path / "out").exists()
