"""Phase 5: measure one or several models on held-out stories and write `results.json`, `report.html` and `report.md`.

Every model is measured with the same documents, requests, settings and seeds. The results of each model and metric are
kept in `partial/` until the end, so that an interrupted run picks up where it stopped.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from silly_llm import __version__
from silly_llm.core.config import Options, check, load_recipe
from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.folders.manifest import ours
from silly_llm.core.folders.output import open_output
from silly_llm.core.folders.provenance import library_versions
from silly_llm.core.launch import command_line, run_main
from silly_llm.core.registry import Parsed, parse_component
from silly_llm.data.sources import open_source
from silly_llm.evaluation.arguments import EvaluationArguments, ModelEntry
from silly_llm.evaluation.comparing.comparisons import compare_models
from silly_llm.evaluation.evidence import read_evidence, write_evidence
from silly_llm.evaluation.measuring import PARTIAL, as_json, evaluate_model
from silly_llm.evaluation.metrics.base import EvaluationData, EvaluationProvider
from silly_llm.evaluation.models.loading import check_model, resolve
from silly_llm.evaluation.report.cards import update_cards
from silly_llm.evaluation.report.report import read_json, write_report
from silly_llm.evaluation.report.tables import metrics_table
from silly_llm.evaluation.results import VERSION
from silly_llm.providers.base import LLMProvider
from silly_llm.text.languages import ENGLISH

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
    folders = {phase: folder for phase, folder in asdict(args.report_on).items() if folder}
    present = [folder for folder in folders.values() if Path(folder).exists()]

    with container or Container() as services:
        services.provide(EvaluationArguments, args)
        providers: dict[str, EvaluationProvider] = {
            json.dumps(spec, sort_keys=True): services.build("evaluation_provider", metric)
            for spec, metric in zip(args.metrics, metrics, strict=True)
        }
        served = {
            e.name: services.build("llm_provider", e.provider, as_type=LLMProvider) for e in entries if e.provider
        }
        inputs = [entry.path for entry in entries if entry.path] + source.inputs() + present
        inputs += [name for provider in providers.values() for name in provider.inputs()]
        held_out: list[EvaluationData] = []

        def prepare() -> None:
            from silly_llm.evaluation.held_out import UNSEEN, read_held_out
            from silly_llm.evaluation.texts import records_of

            records, split = records_of(source, args.split, args.text_column)
            unseen = source.load(UNSEEN) if UNSEEN in source.splits() and split != UNSEEN else None
            held_out.append(read_held_out(args, records, split, unseen))
            for provider in providers.values():
                provider.prepare()
            for entry in entries:
                if entry.path:
                    check_model(entry, args.context)
                elif entry.max_cost and not served[entry.name].prices:
                    raise RecipeError(f"model: {entry.name}: max_cost: needs prices (provider: price_per_million)")

        with open_output(recipe, inputs=inputs, before=prepare) as output:
            if output.up_to_date:
                print(f"{output.folder} is up to date: {output.folder / 'report.html'}")
                unchanged = "results.json" in ours(output.folder, recipe.phase, {"finished": True})
                if args.update_cards and unchanged and (done := read_json(output.folder / "results.json")):
                    update_cards(entries, done, args.hub_dataset_id)
                return

            # Held-out stories
            (data,) = held_out
            if data.about["language"] != ENGLISH and not any(request.words for request in data.requests):
                language = data.about["language"]
                print(f"the texts are in {language}: no words are asked for, which is done in English only")

            # Metrics, one model at a time
            measured = {e.name: evaluate_model(e, providers, data, recipe, served.get(e.name)) for e in entries}
            if not any(m["metrics"] for m in measured.values()):
                reasons = [why for m in measured.values() for why in m["not_measured"].values()]
                raise RunError(f"nothing could be measured: {reasons[0] if reasons else 'no metric has a value'}")
            texts = {name: m["generations"] for name, m in measured.items()}
            for provider in providers.values():
                for name, metrics_of in provider.compare(texts, data).items():
                    for key, values in as_json(metrics_of, name).items():
                        measured[name][key].update(values)
            for details in (m["details"] for m in measured.values()):
                held = {n: d["reference"] for n, d in details.items() if isinstance(d, dict) and "reference" in d}
                data.about["reference"] |= held
            kept = ("metrics", "samples", "details", "measured_by", "not_measured")
            models = {name: {key: m[key] for key in kept} for name, m in measured.items()}

            # Whether the held-out stories stand in what the models were trained on
            from silly_llm.evaluation.originality.overlap import overlaps

            found, notes = overlaps([e for e in entries if e.path], data.texts, args.overlap_documents)

            # Evidence, results and report
            from silly_llm.core.devices import hardware

            evidence = write_evidence(
                output.folder,
                [(name, metric, units) for name, m in measured.items() for metric, units in m["units"].items()],
                [{"model": name, **row} for name, m in measured.items() for row in m["generations"]],
            )
            settings = {key: getattr(args, key) for key in SETTINGS} | {"metrics": args.metrics}
            results: dict[str, Any] = {
                "silly_llm_results": VERSION,
                "models": models,
                "dataset": data.about | {"overlap": found},
                "settings": settings,
                "evidence": evidence,
            }
            results["environment"] = hardware() | {"device": args.device, "libraries": library_versions()}
            results |= compare_models(models, read_evidence(output.folder, results)) | {"silly_llm": __version__}
            lacking = [(name, *item) for name, m in models.items() for item in m["not_measured"].items()]
            results["notes"] = [
                *dict.fromkeys(note for m in measured.values() for note in m["notes"]),
                *notes,
                *(f"{name}: {metric} not measured: {why}." for name, metric, why in lacking),
            ]
            write_report(results, output.folder, title=args.title, folders=folders, recipe=recipe.masked())
            output.record(models=list(models), documents=data.about["documents_scored"])
            shutil.rmtree(output.folder / PARTIAL, ignore_errors=True)
            print(metrics_table(results))
            print(f"\nReport: {output.folder / 'report.html'} (also report.md and results.json)")
            if args.update_cards:
                update_cards(entries, results, args.hub_dataset_id)
            tuned = next((e for e in entries if models[e.name]["details"]["chat"]), None)
            if tuned and tuned.path:
                print(f"Talk to it: {command_line('chat', tuned.path)}")


def check_components(args: EvaluationArguments) -> list[Parsed]:
    """The metrics, which exist, take the options given and are told apart by name; builds nothing."""
    parsed = [parse_component("evaluation_provider", metric, where="metrics:") for metric in args.metrics]
    named = [(p.name, p.config.name) for p in parsed if isinstance(getattr(p.config, "name", None), str)]
    if twice := [name for name in named if named.count(name) > 1]:
        raise RecipeError(f"metrics: two entries {twice[0][0]!r} have the same name; give each its own `name`")
    return parsed


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
        if entry.path:
            resolve(entry)
    given = [entry.name or default_name(entry) for entry in entries]
    for entry, name in zip(entries, given, strict=True):
        if not entry.name and entry.path and given.count(name) > 1:  # two runs' folders of the same phase
            name = f"{Path(entry.path).resolve().parent.name}/{name}"
        entry.name = name
    repeated = [e.name for e in entries if [o.name for o in entries].count(e.name) > 1]
    if repeated:
        raise RecipeError(f"model: {repeated[0]!r} stands for two models; give each entry its own name")
    return entries


def default_name(entry: ModelEntry) -> str:
    """A model's name where the recipe gives none: of its file or folder, or what its provider calls it."""
    if entry.provider:
        parsed = parse_component("llm_provider", entry.provider, where="model: provider:")
        return str(parsed.options.get("model") or parsed.name)
    return Path(entry.gguf_file or "").stem or Path(entry.path).resolve().name


if __name__ == "__main__":
    run_main(main)
