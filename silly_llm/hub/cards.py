"""Cards: the README.md of a dataset or model folder, as the Hub and people read it.

The texts are Jinja templates in `templates/`; the YAML header is made by `huggingface_hub`'s card classes. A card says
what the thing is, who taught it, how it was made (the command, the recipe without secrets, versions), its numbers, a
sample, how to load it, and what it cannot do: only what the recipe, the data and people say. Language, license and tags are
those of the recipe, else of the data's own cards; a language is also found in the texts; else there are none. It is written before anyone knows where it will be published, so it says
`NAMESPACE/NAME`; publishing puts the repository's name there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from silly_llm import __version__
from silly_llm.core.config import to_yaml
from silly_llm.core.folders.files import write_text
from silly_llm.core.folders.provenance import commit, library_versions
from silly_llm.core.pages.markdown import code, fence, inline, one_line, quoted
from silly_llm.hub.data_cards import STORYTELLER, Known, hub_ids, named, provider_name, teachers_of, what_is_known
from silly_llm.hub.numbers import detail_rows, interval_row, number_rows, shown

if TYPE_CHECKING:
    from silly_llm.core.config import Recipe

PLACEHOLDER = "NAMESPACE/NAME"
"""Stands for the repository in a card that has not been published."""
CITATION = """\
@article{eldan2023tinystories,
  title   = {TinyStories: How Small Can Language Models Be and Still Speak Coherent English?},
  author  = {Eldan, Ronen and Li, Yuanzhi},
  journal = {arXiv preprint arXiv:2305.07759},
  year    = {2023}
}"""


def dataset_card(
    kind: Literal["stories", "instructions"],
    recipe: Recipe,
    *,
    statistics: Mapping[str, Any],
    sample: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    title: str | None = None,
    texts: Sequence[str] = (),
    tinystories: bool = False,
    repo_id: str = PLACEHOLDER,
) -> str:
    """The card of a dataset folder.

    Args:
        kind: what a row is.
        recipe: what made it; only `masked()` values are shown.
        statistics: `splits` (rows by split; a mapping with `examples` will do) and any other numbers, nested or not,
            such as `rejected` by reason, `tokens`, `seconds`. They become a table, in their order.
        sample: one row of the dataset.
        provenance: `commit` and `libraries`; default: those of this process.
        title: default: the kind and the run's name.
        texts: some of the dataset's, in which its language is found when nobody says it.
        tinystories: whether prompts and templates are those of the paper, in its language.
        repo_id: where it will be published, when that is known already.
    """
    from huggingface_hub import DatasetCard, DatasetCardData

    splits = {name: _rows(count) for name, count in statistics.get("splits", {}).items()}
    splits = {name: rows for name, rows in splits.items() if rows}
    source = recipe.values.get("dataset") if kind == "instructions" else None
    if kind == "instructions":
        teachers, known = teachers_of(source), what_is_known(source)
    else:
        teachers = [provider_name(recipe.args.provider)]
        known = known_of_stories(recipe, teachers, tinystories)
    corpus = recipe.values.get("corpus", "stories") if kind == "stories" else "texts"
    title = title or _title(f"Silly {corpus}" if kind == "stories" else "Silly instructions", recipe)
    said = _said(recipe, known, texts, ["instructions"] if kind == "instructions" else [])
    data = DatasetCardData(
        license=said["license"] or "unknown",
        language=said["languages"] or None,
        task_categories=["text-generation"],
        pretty_name=one_line(title),
        size_categories=[size_category(sum(splits.values()))],
        source_datasets=hub_ids(source) or None,
        tags=said["tags"],
        # No `configs`: the names data/SPLIT-00000-of-00001.parquet say it all, and `datasets` 5.2 caches a local folder
        # with `configs` by folder name and card alone, so that another run's stories would be read in its place.
    )
    card = DatasetCard.from_template(
        data,
        template_str=_template("dataset_card.md.jinja"),
        kind=kind,
        corpus=inline(corpus),
        title=inline(title),
        splits=splits,
        teachers=[code(teacher) for teacher in teachers],
        storyteller=STORYTELLER in teachers,
        known=known,
        types=[inline(t) for t in _types(recipe)] if kind == "instructions" else [],
        source=shown(source),
        numbers=number_rows({k: v for k, v in statistics.items() if k != "splits"} | detail_rows(statistics)),
        sample=_sample(sample),
        repo_id=one_line(repo_id),
        license_unknown=said["license"] is None,
        **_made_by(recipe, provenance),
    )
    return f"{card.content.rstrip()}\n"


def model_card(
    recipe: Recipe,
    *,
    statistics: Mapping[str, Any],
    metrics: Mapping[str, Any] | None = None,
    samples: Sequence[Mapping[str, str]] = (),
    provenance: Mapping[str, Any] | None = None,
    base_model: str | None = None,
    title: str | None = None,
    texts: Sequence[str] = (),
    repo_id: str = PLACEHOLDER,
) -> str:
    """The card of a model folder; for a tuned model (`recipe.phase` is `sft`) with how to chat with it.

    Args:
        recipe: what trained it; only `masked()` values are shown.
        statistics: numbers of model and training, nested or not, such as `parameters`, `layers`, `tokens`, `seconds`.
        metrics: results on held-out text by name: numbers, or mappings with `value` (and `low`, `high`, `n`), as in
            `results.json`. They also go into the header, where the Hub reads them.
        samples: `prompt` and `completion` of a few stories of the model.
        provenance: `commit` and `libraries`; default: those of this process.
        base_model: what was trained further; default: as the recipe says. Only a Hub id goes into the header.
        texts: some of those it was trained on, in which their language is found when nobody says it.
    """
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    tuned = recipe.phase == "sft"
    source = recipe.values.get("dataset")
    base_model = base_model or _base_model(recipe)
    sources = [source, *([base_model] if base_model else [])]
    teachers, known = teachers_of(sources), what_is_known(*sources)
    said = _said(recipe, known, texts, ["sft", "trl"] if tuned else [])
    datasets = hub_ids(source)
    measured = {name: m if isinstance(m, Mapping) else {"value": m} for name, m in (metrics or {}).items()}
    title = title or _title("Silly language model, tuned" if tuned else "Silly language model", recipe)
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
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-generation",
        license=said["license"] or "unknown",
        language=said["languages"] or None,
        base_model=next(iter(hub_ids(base_model)), None),
        datasets=datasets or None,
        tags=said["tags"],
        model_name=one_line(repo_id) if results else None,
        eval_results=results or None,
    )
    card = ModelCard.from_template(
        data,
        template_str=_template("model_card.md.jinja"),
        tuned=tuned,
        title=inline(title),
        base=shown(base_model),
        source=shown(source),
        teachers=[code(teacher) for teacher in teachers],
        storyteller=STORYTELLER in teachers,
        only_teachers=all(teachers_of(name) for name in named(source)),
        known=known,
        languages=", ".join(said["languages"]),
        license_unknown=said["license"] is None,
        prompt=json.dumps(_first_prompt(recipe, tuned), ensure_ascii=False),
        numbers=number_rows(statistics),
        measured=[(inline(name.replace("_", " ")), *interval_row(m)) for name, m in measured.items()],
        samples=[{"prompt": quoted(s["prompt"]), "text": quoted(s["completion"])} for s in samples],
        repo_id=one_line(repo_id),
        **_made_by(recipe, provenance),
    )
    return f"{card.content.rstrip()}\n"


def write_card(folder: str | Path, text: str) -> Path:
    """Write a card as the folder's README.md, whole or not at all."""
    path = Path(folder) / "README.md"
    write_text(path, text)
    return path


def size_category(rows: int) -> str:
    """The Hub's `size_categories` value for a number of rows."""
    if rows < 1000:
        return "n<1K"
    bounds = [(10**3, "1K"), (10**4, "10K"), (10**5, "100K"), (10**6, "1M"), (10**7, "10M"), (10**8, "100M")]
    for (_, low), (upper, high) in zip(bounds, [*bounds[1:], (10**9, "1B")], strict=True):
        if rows < upper:
            return f"{low}<n<{high}"
    return "n>1B"


def known_of_stories(recipe: Recipe, teachers: Sequence[str], tinystories: bool) -> Known:
    """What a recipe for stories says of them."""
    args = recipe.args
    language = args.written_language()
    return Known(
        license="apache-2.0" if list(teachers) == [STORYTELLER] else None,
        languages=[language] if language else [],
        synthetic=True,
        tinystories=tinystories,
    )


def _said(recipe: Recipe, known: Known, texts: Sequence[str], tags: Sequence[str]) -> dict[str, Any]:
    """License, languages and tags: the recipe's word first, then what is known of the data."""
    from silly_llm.text.languages import detect_language, standard

    values = recipe.values
    languages = [standard(values["language"])] if values.get("language") else known.languages
    if not languages and texts and (found := detect_language(texts)):
        languages = [found]
    facts = {"synthetic": known.synthetic, "tinystories": known.tinystories, "silly-llm": True}
    given = [one_line(tag) for tag in values.get("tags") or []]
    return {
        "license": values.get("license") or known.license,
        "languages": languages,
        "tags": list(dict.fromkeys([*(tag for tag, true in facts.items() if true), *tags, *given])),
    }


def _base_model(recipe: Recipe) -> Any:
    """What a recipe trains further; `None`: it begins from scratch."""
    model = recipe.values.get("model")
    return recipe.values.get("model_name_or_path") or (model.get("pretrained") if isinstance(model, Mapping) else None)


def _first_prompt(recipe: Recipe, tuned: bool) -> str:
    """What the card's example asks for: the recipe's own first sample."""
    given = recipe.values.get("sample_prompts")
    return str(given[0]) if given else "Words: dog, jump, happy" if tuned else "Once upon a time"


def _types(recipe: Recipe) -> list[str]:
    return [str(t.get("type") if isinstance(t, Mapping) else t) for t in recipe.args.types]


def _template(name: str) -> str:
    return files("silly_llm").joinpath("templates", name).read_text(encoding="utf-8")


def _title(what: str, recipe: Recipe) -> str:
    return f"{what} ({recipe.run_name})" if recipe.run_name else what


def _made_by(recipe: Recipe, provenance: Mapping[str, Any] | None) -> dict[str, Any]:
    """What both templates say about how a thing was made."""
    provenance = provenance or {"commit": commit(), "libraries": library_versions()}
    command = f"silly-llm {recipe.phase}"
    if recipe.file:
        file = recipe.file
        command += f" --config {Path(file.parent.name, file.name) if file.is_absolute() else file}"
    if recipe.environment != "default":
        command += f" --environment {recipe.environment}"
    yaml_text = to_yaml({k: v for k, v in recipe.masked().items() if k != "output_dir"}).rstrip()
    return {
        "command": one_line(command),
        "recipe": yaml_text,
        "fence": fence(yaml_text),
        "version": __version__,
        "commit": provenance.get("commit"),
        "libraries": ", ".join(f"{k} {v}" for k, v in (provenance.get("libraries") or {}).items()),
        "citation": CITATION,
    }


def _rows(count: Any) -> int:
    return int(count.get("examples", 0) if isinstance(count, Mapping) else count)


def _sample(row: Mapping[str, Any] | None) -> dict[str, str] | None:
    """A row of either kind as quoted prompt and text."""
    if not row:
        return None
    prompt, text = row.get("prompt") or "", row.get("completion") or row.get("text") or ""
    return {"prompt": quoted(_content(prompt)), "text": quoted(_content(text))}


def _content(value: Any) -> str:
    return value if isinstance(value, str) else "\n".join(message["content"] for message in value)
