"""Cards: the README.md of a dataset or model folder, for the Hub and for people.

The texts are Jinja templates in `templates/`; the YAML header is made by `huggingface_hub`'s card classes. A card says
what the dataset or model is, who the teacher was, how it was made (command, recipe without secrets, versions), its statistics,
a sample, how to load it, and its limitations: only what the recipe, the data and people say. Language, license and tags come
from the recipe, or else from the data's own cards; the language can also be detected in the texts; otherwise they are omitted.
A card is written before the repository is known, so it says `NAMESPACE/NAME`; publishing replaces that with the repository's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from silly_llm import __version__
from silly_llm.core.config import to_yaml
from silly_llm.core.console.duration import duration
from silly_llm.core.folders import manifest
from silly_llm.core.folders.files import write_text
from silly_llm.core.folders.provenance import commit, library_versions
from silly_llm.core.pages.markdown import code, fence, inline, one_line, quoted
from silly_llm.hub.data_cards import (
    STORYTELLER,
    Known,
    hub_ids,
    named,
    path_of,
    provider_name,
    teachers_of,
    what_is_known,
)

if TYPE_CHECKING:
    from silly_llm.core.config import Recipe

PLACEHOLDER = "NAMESPACE/NAME"
"""Placeholder for the repository in a card that has not been published."""
CITATION = """\
@article{eldan2023tinystories,
  title   = {TinyStories: How Small Can Language Models Be and Still Speak Coherent English?},
  author  = {Eldan, Ronen and Li, Yuanzhi},
  journal = {arXiv preprint arXiv:2305.07759},
  year    = {2023}
}"""
MAX_NUMBERS = 60
"""Rows of a card's table of statistics; the rest is in provenance.json."""
SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")


def dataset_card(
    kind: Literal["stories", "instructions"],
    recipe: Recipe,
    *,
    statistics: Mapping[str, Any],
    sample: Mapping[str, Any] | None = None,
    texts: Sequence[str] = (),
    tinystories: bool = False,
) -> str:
    """The card of a dataset folder.

    Args:
            kind: what a row is.
            recipe: the recipe that made it; only `masked()` values are shown.
            statistics: `splits` (rows by split, or a mapping with `examples` and other numbers) and any other numbers, nested or not,
                such as `rejected` by reason, `tokens`, `seconds`. They become a table, in this order.
            sample: one row of the dataset.
            texts: some texts of the dataset, used to detect its language if neither recipe nor cards name it.
            tinystories: whether prompts and templates are those of the paper, in its language.
    """
    from huggingface_hub import DatasetCard, DatasetCardData

    stories = kind == "stories"
    facts = {n: f if isinstance(f, Mapping) else {"examples": f} for n, f in statistics.get("splits", {}).items()}
    splits = {name: int(f["examples"]) for name, f in facts.items() if f.get("examples")}
    numbers = {key: value for key, value in statistics.items() if key != "splits"}
    numbers |= {name: {k: v for k, v in f.items() if k != "examples"} for name, f in facts.items() if len(f) > 1}
    if stories:
        source, corpus, what = None, recipe.values.get("corpus", "stories"), "Silly {}"
        teachers = [provider_name(recipe.args.provider)]
        license, language = "apache-2.0" if teachers == [STORYTELLER] else None, recipe.args.written_language()
        known = Known(license, [language] if language else [], synthetic=True, tinystories=tinystories)
    else:
        source, corpus, what = recipe.values.get("dataset"), "texts", "Silly instructions"
        teachers, known = teachers_of(source), what_is_known(source)
    title = _title(what.format(corpus), recipe)
    said = _said(recipe, known, texts, *([] if stories else ["instructions"]))
    header = DatasetCardData(
        **said,
        task_categories=["text-generation"],
        pretty_name=one_line(title),
        size_categories=[size_category(sum(splits.values()))],
        source_datasets=hub_ids(source) or None,
        # No `configs`: the names data/SPLIT-00000-of-00001.parquet are enough, and `datasets` 5.2 caches a local folder
        # with `configs` by folder name and card alone, so another run's stories could be read instead.
    )
    types = [] if stories else [t.get("type") if isinstance(t, Mapping) else t for t in recipe.args.types]
    card = DatasetCard.from_template(
        header,
        **_common("dataset", recipe, said, title, source, teachers, known),
        kind=kind,
        corpus=inline(corpus),
        splits=splits,
        types=[inline(t) for t in types],
        numbers=number_rows(numbers),
        sample=_sample(sample),
    )
    return f"{card.content.rstrip()}\n"


def model_card(
    recipe: Recipe,
    *,
    statistics: Mapping[str, Any],
    metrics: Mapping[str, Any] | None = None,
    samples: Sequence[Mapping[str, str]] = (),
    base_model: str | None = None,
    texts: Sequence[str] = (),
) -> str:
    """The card of a model folder; for a tuned model (`recipe.phase` is `sft`) with how to chat with it.

    Args:
            recipe: the recipe that trained it; only `masked()` values are shown.
            statistics: numbers of the model and the training, nested or not, such as `parameters`, `layers`, `tokens`, `seconds`.
            metrics: results on held-out text by name: numbers, or mappings with `value` (and `low`, `high`, `n`), as in
                `results.json`. They also go into the header, which the Hub reads.
            samples: `prompt` and `completion` of a few stories by the model.
            base_model: the model it was trained from; default: as in the recipe. Only a Hub id goes into the header.
            texts: some training texts, used to detect the language if neither recipe nor cards name it.
    """
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    tuned = recipe.phase == "sft"
    source = recipe.values.get("dataset")
    base_model = base_model or _base_model(recipe)
    sources = [source, base_model]
    teachers, known = teachers_of(sources), what_is_known(*sources)
    said = _said(recipe, known, texts, *(["sft", "trl"] if tuned else []))
    datasets = hub_ids(source)
    measured = {name: m if isinstance(m, Mapping) else {"value": m} for name, m in (metrics or {}).items()}
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=datasets[0] if datasets else "text",
            dataset_name="held-out text",
            metric_type=one_line(name),
            metric_value=m["value"],
            metric_name=one_line(name.replace("_", " ")),
        )
        for name, m in measured.items()
        if isinstance(m.get("value"), (int, float))
    ]
    header = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-generation",
        **said,
        base_model=next(iter(hub_ids(base_model)), None),
        datasets=datasets or None,
        model_name=PLACEHOLDER if results else None,
        eval_results=results or None,
    )
    asked = recipe.values.get("sample_prompts") or ["Words: dog, jump, happy" if tuned else "Once upon a time"]
    title = _title("Silly language model, tuned" if tuned else "Silly language model", recipe)
    card = ModelCard.from_template(
        header,
        **_common("model", recipe, said, title, source, teachers, known),
        tuned=tuned,
        base=shown(base_model),
        only_teachers=all(teachers_of(name) for name in named(source)),
        languages=", ".join(said["language"] or []),
        prompt=json.dumps(str(asked[0]), ensure_ascii=False),
        numbers=number_rows(statistics),
        measured=[(inline(name.replace("_", " ")), *interval_row(m)) for name, m in measured.items()],
        samples=[{"prompt": quoted(s["prompt"]), "text": quoted(s["completion"])} for s in samples],
    )
    return f"{card.content.rstrip()}\n"


def write_card(folder: str | Path, text: str) -> Path:
    """Write a card as the folder's README.md, atomically; evaluations of what the folder held before go with the old one."""
    path = Path(folder) / "README.md"
    write_text(path, text)
    for name in manifest.matching(path.parent, [".eval_results/*"]):
        if manifest.recorded(path.parent).get(name) == manifest.file_digest(path.parent / name):
            manifest.remove(path.parent, [name])
    return path


def size_category(rows: int) -> str:
    """The Hub's `size_categories` value for a number of rows."""
    thousands = max(0, len(str(rows)) - 3)
    if thousands in range(1, len(SIZES)):
        return f"{SIZES[thousands - 1]}<n<{SIZES[thousands]}"
    return "n>1B" if thousands else "n<1K"


def _said(recipe: Recipe, known: Known, texts: Sequence[str], *tags: str) -> dict[str, Any]:
    """License, language and tags of the header: from the recipe first, then from what is known about the data."""
    from silly_llm.text.languages import detect_language, standard

    values = recipe.values
    languages = [standard(values["language"])] if values.get("language") else known.languages
    if not languages and texts and (found := detect_language(texts)):
        languages = [found]
    facts = {"synthetic": known.synthetic, "tinystories": known.tinystories, "silly-llm": True}
    given = [one_line(tag) for tag in values.get("tags") or []]
    return {
        "license": values.get("license") or known.license or "unknown",
        "language": languages or None,
        "tags": list(dict.fromkeys([*(tag for tag, true in facts.items() if true), *tags, *given])),
    }


def _common(
    kind: str, recipe: Recipe, said: Mapping[str, Any], title: str, source: Any, teachers: Sequence[str], known: Known
) -> dict[str, Any]:
    """The template of a card, with the values that both templates share."""
    command = f"silly-llm {recipe.phase}"
    if recipe.file:
        file = recipe.file
        command += f" --config {Path(file.parent.name, file.name) if file.is_absolute() else file}"
    if recipe.environment != "default":
        command += f" --environment {recipe.environment}"
    yaml_text = to_yaml({k: v for k, v in recipe.masked().items() if k != "output_dir"}).rstrip()
    return {
        "template_str": files("silly_llm").joinpath("templates", f"{kind}_card.md.jinja").read_text(encoding="utf-8"),
        "title": inline(title),
        "repo_id": PLACEHOLDER,
        "source": shown(source),
        "teachers": [code(teacher) for teacher in teachers],
        "storyteller": STORYTELLER in teachers,
        "known": known,
        "license_unknown": said["license"] == "unknown",
        "command": one_line(command),
        "recipe": yaml_text,
        "fence": fence(yaml_text),
        "version": __version__,
        "commit": commit(),
        "libraries": ", ".join(f"{name} {version}" for name, version in library_versions().items()),
        "citation": CITATION,
    }


def _base_model(recipe: Recipe) -> Any:
    """The model that a recipe continues from; `None` if it starts from scratch."""
    model = recipe.values.get("model")
    return recipe.values.get("model_name_or_path") or (model.get("pretrained") if isinstance(model, Mapping) else None)


def _title(what: str, recipe: Recipe) -> str:
    return f"{what} ({recipe.run_name})" if recipe.run_name else what


def _sample(row: Mapping[str, Any] | None) -> dict[str, str] | None:
    """A row of either kind as quoted prompt and text."""
    if not row:
        return None
    parts = {"prompt": row.get("prompt") or "", "text": row.get("completion") or row.get("text") or ""}
    return {
        name: quoted(part if isinstance(part, str) else "\n".join(message["content"] for message in part))
        for name, part in parts.items()
    }


def number_rows(statistics: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested numbers as table rows: (`rejected: too short`, `1,234`)."""
    rows: list[tuple[str, str]] = []
    for key, value in statistics.items():
        name = re.sub("seconds$", "time", str(key)).replace("_", " ")
        label = prefix + inline(name)
        if isinstance(value, Mapping):
            rows += number_rows(value, f"{label}: ")
        elif value is not None and not isinstance(value, (list, tuple, set)):
            rows.append((label, _number(value, str(key))))
    return rows[:MAX_NUMBERS]


def _number(value: Any, key: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return inline(value)
    if key.endswith("seconds"):
        return duration(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def interval_row(metric: Mapping[str, Any]) -> tuple[str, str, str]:
    """Value, interval and sample size of a metric, as table cells."""
    low, high, n = metric.get("low"), metric.get("high"), metric.get("n")
    interval = f"{_number(low, '')} to {_number(high, '')}" if low is not None and high is not None else ""
    return _number(metric.get("value"), ""), interval, "" if n is None else _number(n, "")


def shown(source: Any) -> str:
    """A recipe's dataset or model in a phrase."""
    if isinstance(source, (list, tuple)):
        return ", ".join(shown(item) for item in source)
    if isinstance(source, Mapping):
        return shown(path_of(source) or source.get("type"))
    return code(source) if source else ""
