"""Phase 5: measure one or several models on held-out stories and write `results.json`, `report.html` and `report.md`.

Every model is measured with the same documents, requests, settings and seeds. The results of each model and metric are
kept in `partial/` until the end, so that an interrupted run picks up where it stopped.
"""

from __future__ import annotations

import gc
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm import __version__
from silly_llm.core.config import Options, Recipe, check, load_recipe
from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.folders.files import write_text
from silly_llm.core.folders.output import PRIVATE, open_output
from silly_llm.core.folders.provenance import code_version, fingerprint
from silly_llm.core.launch import command_line, run_main
from silly_llm.core.lookup import find_model
from silly_llm.core.registry import Parsed, parse_component
from silly_llm.data.sources import EVALUATION_SPLITS, open_source, require_text
from silly_llm.evaluation.arguments import EvaluationArguments, ModelEntry
from silly_llm.evaluation.evidence import units_as_json, write_evidence
from silly_llm.evaluation.metrics.base import EvaluationData, EvaluationProvider
from silly_llm.evaluation.report.report import read_json, write_report
from silly_llm.evaluation.report.tables import metrics_table
from silly_llm.text.languages import ENGLISH

if TYPE_CHECKING:
    from silly_llm.evaluation.model import LanguageModel

PARTIAL = Path(PRIVATE, "partial")
"""Where the results of an interrupted evaluation wait."""
SETTINGS = (
    "window", "context", "num_documents", "num_stories", "beginning_words", "max_new_tokens", "temperature", "top_p",
    "generation_batch_size", "seed", "dtype", "text_column",
)  # fmt: skip
"""The keys that change numbers: `settings` in `results.json`; comparable results agree in all of them."""
ARGUMENTS = EvaluationArguments


def main(argv: list[str] | Options | None = None, *, container: Container | None = None) -> None:
    recipe = load_recipe(argv, phase="evaluate", arguments=EvaluationArguments)
    args = recipe.args

    # Check everything that can be checked before anything is written or loaded
    entries = model_entries(args.model)
    metrics = check_components(args)
    source = open_source(args.dataset, container=container)
    splits = source.splits()
    if args.split and args.split not in splits:
        raise RecipeError(f"dataset: no split {args.split!r}{suggestion(args.split, splits)}")
    split = args.split or next((s for s in EVALUATION_SPLITS if s in splits), splits[0])
    records = source.load(split)
    require_text(records, args.text_column)
    folders = {phase: folder for phase, folder in asdict(args.report_on).items() if folder}
    present = [folder for folder in folders.values() if Path(folder).exists()]

    inputs = [entry.path for entry in entries] + source.inputs() + present
    with container or Container() as services:
        services.provide(EvaluationArguments, args).provide(Container, services)
        providers: dict[str, EvaluationProvider] = {
            json.dumps(spec, sort_keys=True): services.build("evaluation_provider", metric)
            for spec, metric in zip(args.metrics, metrics, strict=True)
        }

        def prepare() -> None:
            for provider in providers.values():
                provider.prepare()

        with open_output(recipe, inputs=inputs, before=prepare) as output:
            if output.up_to_date:
                print(f"{output.folder} is up to date: {output.folder / 'report.html'}")
                return

            # Held-out stories
            from silly_llm.evaluation.held_out import UNSEEN, read_held_out

            unseen = source.load(UNSEEN) if UNSEEN in splits and split != UNSEEN else None
            data = read_held_out(args, records, split, unseen)
            if data.about["language"] != ENGLISH and not any(request.words for request in data.requests):
                language = data.about["language"]
                print(f"the texts are in {language}: no words are asked for, which is done in English only")

            # Metrics, one model at a time
            measured = {entry.name: evaluate_model(entry, providers, data, recipe) for entry in entries}
            models = {name: {key: m[key] for key in ("metrics", "samples", "details")} for name, m in measured.items()}

            # Evidence, results and report
            evidence = write_evidence(
                output.folder,
                [(name, metric, units) for name, m in measured.items() for metric, units in m["units"].items()],
                [{"model": name, **row} for name, m in measured.items() for row in m["generations"]],
            )
            settings = {key: getattr(args, key) for key in SETTINGS} | {"metrics": args.metrics}
            results: dict[str, Any] = {
                "models": models,
                "dataset": data.about,
                "settings": settings,
                "evidence": evidence,
            }
            results["silly_llm"] = __version__
            write_report(results, output.folder, title=args.title, folders=folders, recipe=recipe.masked())
            output.record(models=list(models), documents=data.about["documents_scored"])
            shutil.rmtree(output.folder / PARTIAL, ignore_errors=True)
            print(metrics_table(results))
            print(f"\nReport: {output.folder / 'report.html'} (also report.md and results.json)")
            tuned = next((e for e in entries if models[e.name]["details"]["chat"]), None)
            if tuned:
                print(f"Talk to it: {command_line('chat', tuned.path)}")


def check_components(args: EvaluationArguments) -> list[Parsed]:
    """The metrics, which exist and take the options given; builds nothing."""
    return [parse_component("evaluation_provider", metric, where="metrics:") for metric in args.metrics]


def model_entries(spec: Any) -> list[ModelEntry]:
    """The models a recipe names, each with a name of its own.

    Raises:
        RecipeError: a malformed entry, a folder that does not exist or holds no model, or one name twice.
    """
    specs = spec if isinstance(spec, list) else [spec]
    if not specs:
        raise RecipeError("model: name at least one")
    entries = [check({"path": s} if isinstance(s, str) else s, ModelEntry, where="model") for s in specs]
    for entry in entries:
        entry.path = find_model(entry.path, "model: ")
    given = [entry.name or Path(entry.path).resolve().name for entry in entries]
    for entry, name in zip(entries, given, strict=True):
        if not entry.name and given.count(name) > 1:  # two runs' folders of the same phase
            name = f"{Path(entry.path).resolve().parent.name}/{name}"
        entry.name = name
    repeated = [e.name for e in entries if [o.name for o in entries].count(e.name) > 1]
    if repeated:
        raise RecipeError(f"model: {repeated[0]!r} stands for two models; give each entry its own name")
    return entries


def evaluate_model(
    entry: ModelEntry,
    providers: dict[str, EvaluationProvider],
    data: EvaluationData,
    recipe: Recipe[EvaluationArguments],
) -> dict[str, Any]:
    """All metrics of one model, as `results.json` has them; those that an interrupted run finished are not measured again."""
    args, folder = recipe.args, Path(recipe.args.output_dir) / PARTIAL
    key = fingerprint([asdict(entry), recipe.values, code_version()])
    parts, model = [], None
    for name, provider in providers.items():
        file = folder / f"{fingerprint([key, name])[:24]}.json"
        part = read_json(file)
        if part is None:
            model = model or load(entry, args)
            part = measure(provider, model, data)
            write_text(file, json.dumps(part))
        parts.append(part)
    del model  # one at a time in memory
    gc.collect()
    return {
        "metrics": {name: metric for part in parts for name, metric in part["metrics"].items()},
        "samples": [sample for part in parts for sample in part["samples"]],
        "details": {name: value for part in parts for name, value in part["details"].items()},
        "units": {name: units for part in parts for name, units in part["units"].items()},
        "generations": list({fingerprint(row): row for part in parts for row in part["generations"]}.values()),
    }


def load(entry: ModelEntry, args: EvaluationArguments) -> LanguageModel:
    from silly_llm.evaluation.model import LanguageModel

    how: dict[str, Any] = {"dtype": args.dtype, "device": args.device, "context": args.context}
    return LanguageModel.load(entry.path, name=entry.name, revision=entry.revision, **how)


def measure(provider: EvaluationProvider, model: LanguageModel, data: EvaluationData) -> dict[str, Any]:
    """One provider's part of a model's results; what is not finite becomes null."""
    metrics, samples = provider.evaluate(model, data), provider.samples(model, data)
    part = {
        "metrics": {name: metric.as_json() for name, metric in metrics.items()},
        "units": {name: units_as_json(metric.units) for name, metric in metrics.items() if metric.units},
        "samples": samples,
        "generations": model.generations,
        "details": {name: metric.details for name, metric in metrics.items() if metric.details}
        | {
            "parameters": model.model.num_parameters(),  # tied embeddings count once
            "context": model.context,
            "vocabulary": len(model.tokenizer),
            "chat": model.is_chat,
        },
    }
    return json.loads(json.dumps(part), parse_constant=lambda name: None)


if __name__ == "__main__":
    run_main(main)
