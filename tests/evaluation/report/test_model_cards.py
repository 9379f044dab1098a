"""`evaluate` writes its results on the cards of models that we made, and leaves those folders as they were in every other way."""

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from tiny import tiny_llama, tiny_tokenizer

from silly_llm.core.config import load_recipe
from silly_llm.core.folders import manifest
from silly_llm.core.folders.output import is_up_to_date, open_output
from silly_llm.core.folders.provenance import digest
from silly_llm.evaluation.evaluate import main
from silly_llm.hub.cards import model_card, write_card
from silly_llm.hub.contents import files_of, left_of, read_card
from silly_llm.training.pretrain_config import PretrainArguments

SMALL = [
    "--num_stories",
    "3",
    "--max_new_tokens",
    "8",
    "--num_samples",
    "1",
    "--num_documents",
    "4",
    "--device",
    "cpu",
]


@pytest.fixture
def recipe(tmp_path, stories_file):
    given = ["--dataset", str(stories_file), "--output_dir", str(tmp_path / "model"), "--use_cpu", "true"]
    return load_recipe(given, phase="pretrain", arguments=PretrainArguments)


@pytest.fixture
def model(recipe, tmp_path):
    """A folder as `pretrain` leaves it: model, card, state and manifest."""
    return train(recipe, tmp_path / "model")


def train(recipe, folder):
    with open_output(recipe, inputs=[recipe.args.dataset]):
        tiny_llama(folder, tiny_tokenizer())
        write_card(folder, model_card(recipe, statistics={"parameters": 8192}, metrics={"loss": 1.5}))
    return folder


def evaluate(model, stories_file, output, *arguments):
    main(["--model", str(model), "--dataset", str(stories_file), "--output_dir", str(output), *SMALL, *arguments])


def test_the_card_has_the_results_and_the_folder_is_as_it_was(model, recipe, stories_file, tmp_path, capsys):
    before, name = digest(model), "my/stories"
    evaluate(model, stories_file, tmp_path / "out", "--hub_dataset_id", name)
    assert f"{model}: its card has these results, and .eval_results too" in capsys.readouterr().out

    card = ModelCard.load(model / "README.md")
    results = {(r.dataset_type, r.metric_type): r for r in card.data.eval_results}
    assert results["text", "loss"].metric_value == 1.5  # that of the training stays
    bits = results[name, "bits_per_byte"]
    assert bits.metric_name == "Bits per byte" and f"| Bits per byte | {bits.metric_value:,.4g} |" in card.text
    assert card.text.index("## Evaluation on my/stories") < card.text.index("## Statistics")
    (file,) = (model / ".eval_results").iterdir()
    entries = {e.task_id: e for e in parse_eval_result_entries(yaml.safe_load(file.read_text(encoding="utf-8")))}
    assert entries["bits_per_byte"].dataset_id == name and entries["bits_per_byte"].value == bits.metric_value
    assert "95 % interval" in entries["bits_per_byte"].notes and "n = 4" in entries["bits_per_byte"].notes

    assert digest(model) == before and is_up_to_date(recipe, {str(stories_file): digest(stories_file)})
    assert {"README.md", f".eval_results/{file.name}"} <= set(manifest.ours(model, "pretrain", {"finished": True}))
    published = files_of(model)
    assert f".eval_results/{file.name}" in published and left_of(model, published) == ""
    assert read_card(model, "model", published)

    evaluate(model, stories_file, tmp_path / "out", "--hub_dataset_id", name)
    said = capsys.readouterr().out
    assert "up to date" in said and "its card" not in said  # nothing to add
    evaluate(model, stories_file, tmp_path / "again", "--hub_dataset_id", name, "--seed", "7", "--context", "32")
    again = ModelCard.load(model / "README.md")
    assert again.text.count("## Evaluation on") == 2  # other documents
    evaluate(model, stories_file, tmp_path / "third", "--hub_dataset_id", name, "--temperature", "0.5")
    third = ModelCard.load(model / "README.md")
    assert third.text.count("## Evaluation on") == 2 and "temperature 0.5" in third.text  # in place of the first


def test_a_new_training_takes_the_results_of_the_old_one_away(model, recipe, stories_file, tmp_path):
    evaluate(model, stories_file, tmp_path / "out", "--hub_dataset_id", "my/stories")
    (model / ".eval_results" / "mine.yaml").write_text("[]")
    recipe.options.force = True
    train(recipe, model)
    assert "Evaluation on" not in (model / "README.md").read_text(encoding="utf-8")
    assert [p.name for p in (model / ".eval_results").iterdir()] == ["mine.yaml"]  # somebody else's


def test_of_local_stories_nothing_is_claimed_on_the_hub(model, stories_file, tmp_path):
    evaluate(model, stories_file, tmp_path / "out")
    card = (model / "README.md").read_text(encoding="utf-8")
    _, _, section = card.partition("## Evaluation on held-out stories")
    assert section and str(stories_file) not in section.partition("<!-- end")[0]
    assert {r.dataset_type for r in ModelCard(card).data.eval_results} == {"text"}
    assert not (model / ".eval_results").exists()


def test_a_card_that_somebody_edited_stays(model, stories_file, tmp_path, capsys):
    card = model / "README.md"
    card.write_text(edited := card.read_text(encoding="utf-8") + "\nMy own words.\n", encoding="utf-8")
    evaluate(model, stories_file, tmp_path / "out")
    assert card.read_text(encoding="utf-8") == edited
    assert "edited or removed since silly-llm wrote it" in capsys.readouterr().out


def test_a_folder_that_is_not_ours_stays(tiny_model, stories_file, tmp_path, capsys):
    evaluate(tiny_model, stories_file, tmp_path / "out")
    assert not (tiny_model / "README.md").exists() and "no finished training of silly-llm" in capsys.readouterr().out


def test_a_key_switches_it_off_without_measuring_again(model, stories_file, tmp_path, capsys):
    before = (model / "README.md").read_bytes()
    evaluate(model, stories_file, tmp_path / "out", "--update_cards", "false")
    assert (model / "README.md").read_bytes() == before and "its card" not in capsys.readouterr().out
    evaluate(model, stories_file, tmp_path / "out")
    said = capsys.readouterr().out
    assert "up to date" in said and "its card has these results" in said


def test_edited_results_go_on_no_card(model, stories_file, tmp_path, capsys):
    evaluate(model, stories_file, tmp_path / "out", "--update_cards", "false")
    results = tmp_path / "out" / "results.json"
    results.write_text(results.read_text(encoding="utf-8").replace('"value": ', '"value": 0.0'), encoding="utf-8")
    before = (model / "README.md").read_bytes()
    evaluate(model, stories_file, tmp_path / "out")
    assert "up to date" in capsys.readouterr().out and (model / "README.md").read_bytes() == before
