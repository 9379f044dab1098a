"""A dataset folder and a model folder as phases leave them, for tests that publish, describe or measure one."""

import json
from pathlib import Path

from tiny import tiny_llama, tiny_tokenizer

from silly_llm.core.config import load_recipe
from silly_llm.data.arguments import GenerationArguments
from silly_llm.data.prompts.templates import tells_tinystories
from silly_llm.hub.cards import dataset_card, model_card, write_card


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a dataset folder's data."""
    return {path.name: path.read_bytes() for path in sorted((folder / "data").iterdir())}


def generation_recipe(folder: Path, **values):
    file = folder / "mine" / "generation.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"seed": 7, "provider": {"type": "storyteller"}, **values}))
    return load_recipe(["--config", str(file)], phase="generate", arguments=GenerationArguments)


def story(index: int, **more):
    row = {"text": f"Once upon a time, there was a cat number {index}.", "index": index, "features": ["dialogue"]}
    row |= {"words": ["cat", "jump", "happy"], "prompt": "Write a short story with the words cat, jump and happy."}
    return {**row, "rejected_by": [], **more}


def save_stories(folder: Path, workspace: Path) -> Path:
    """A dataset folder as a phase leaves it, with the things that must not be published."""
    import pyarrow as pa

    from silly_llm.data.dataset_writer import write_dataset_folder

    strings = pa.list_(pa.string())
    columns = {"text": pa.string(), "words": strings, "features": strings, "prompt": pa.string()}
    schema = pa.schema({**columns, "index": pa.int64(), "rejected_by": strings})
    splits = {"train": [story(i) for i in range(40)], "validation": [story(40)]}
    splits |= {"rejected": [story(41, rejected_by=["length"])]}
    counts = write_dataset_folder(folder, splits, schema)
    recipe = generation_recipe(workspace)
    statistics = {"splits": counts, "rejected": {"length": 1}, "tokens": {"completion": 12345}, "seconds": 75.2}
    told = {"tinystories": tells_tinystories(recipe.args), "statistics": statistics, "sample": story(0)}
    write_card(folder, dataset_card("stories", recipe, **told))
    (folder / "provenance.json").write_text("{}")
    for private in (".silly/run.json", "journal.sqlite", "journal-0/part", "checkpoint-5/model.safetensors"):
        (folder / private).parent.mkdir(exist_ok=True)
        (folder / private).write_text('{"finished": true}')
    return folder


def save_tiny_model(folder: Path, workspace: Path) -> Path:
    """A model folder as a phase leaves it, with the things that must not be published."""
    template = "{% for m in messages %}{{ m['content'] + eos_token }}{% endfor %}"
    tiny_llama(folder, tiny_tokenizer(chat_template=template))
    recipe = generation_recipe(workspace)
    recipe.phase, recipe.values = "sft", {"model_name_or_path": "someone/base", "dataset": "someone/stories"}
    card = model_card(
        recipe,
        statistics={"parameters": 8192, "tokens": 100_000, "seconds": 3700},
        metrics={"bits_per_byte": {"value": 0.9, "low": 0.8, "high": 1.0, "n": 10}, "loss": 1.5},
        samples=[{"prompt": "Words: dog", "completion": "A dog *barked*."}],
    )
    write_card(folder, card)
    for private in ("optimizer.pt", "training_args.bin", "checkpoint-2/model.safetensors", "trainer_state.json"):
        (folder / private).parent.mkdir(exist_ok=True)
        (folder / private).write_bytes(b"not for others")
    return folder
