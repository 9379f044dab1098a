"""A recipe in Spanish and one in Chinese through all phases; what knows English only is refused before anything is paid for."""

import json
from pathlib import Path

import pytest
from datasets import load_dataset
from huggingface_hub import metadata_load

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.data.generation import generate as generation
from silly_llm.data.instructions import instruct as instructions
from silly_llm.data.vocabulary import vocabulary
from silly_llm.evaluation import evaluate
from silly_llm.providers.base import Completion, LLMProvider
from silly_llm.training import pretrain, sft

LANGUAGES = {
    "es": {
        "words": {"nouns": ["perro", "gato", "pez"], "verbs": ["correr", "saltar", "jugar"], "adjectives": ["feliz", "rojo", "grande"]},
        "template": "Escribe un cuento para un niño con estas palabras: {{ words | join(', ') }}.",
        "request": "Escribe un cuento con: {value}",
        "story": (
            "Había una vez un {0} en el parque {i}. Un día, el {0} quería {1} con su amiga Lucía. «¡Hola, Ana!», dijo el más {2}. "
            "Todos fueron {i} veces a la casa de la abuela y comieron pan."
        ),
    },
    "zh": {
        "words": {"nouns": ["小狗", "小猫", "小鸟"], "verbs": ["跑", "跳", "玩"], "adjectives": ["快乐", "红色", "大"]},
        "template": "请写一个给孩子的故事，用上这些词：{{ words | join('、') }}。",
        "request": "请用这些词写故事：{value}",
        "numbers": "零一二三四五六七八九",
        "story": "从前有一只{0}住在第{i}号房子里。有一天，{0}想在公园里{1}。“你好，朋友！”它说。它们都觉得非常{2}，一起回家吃了{i}个苹果。",
    },
}  # fmt: skip


class Teacher(LLMProvider):
    """Writes words and stories of a language."""

    model = "teacher"

    def __init__(self, language: str) -> None:
        self.told = LANGUAGES[language]

    async def complete(self, requests):
        return [Completion(self.answer(r), "stop", 9, 9, self.model) for r in requests]

    def answer(self, request):
        if request.fields.get("task") == "vocabulary":
            return "\n".join(self.told["words"][f"{request.fields['pos']}s"])
        numbers = self.told.get("numbers") or [f"n{'aeiou'[k % 5]}{k}" for k in range(10)]
        i = "".join(numbers[int(digit)] for digit in str(request.seed))
        return self.told["story"].format(*request.fields["words"].values(), i=i)


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_phases_in_another_language(language, tmp_path):
    told = LANGUAGES[language]

    def run(main, **values):
        folder = tmp_path / main.__module__.rpartition(".")[2]
        shown = {k: v if isinstance(v, (str, Path)) else json.dumps(v, ensure_ascii=False) for k, v in values.items()}
        options = [f"--{key}={value}" for key, value in {**shown, "output_dir": folder}.items()]
        main(options, container=Container().override(LLMProvider, Teacher(language)))
        return folder

    teacher = {"type": "openai", "model": "teacher", "base_url": "http://127.0.0.1:9/v1"}
    shares = dict.fromkeys(told["words"], 1)
    words = run(vocabulary.main, provider=teacher, language=language, words=9, proportions=shares)
    known = json.loads((words / "vocabulary.json").read_text())
    assert {key: sorted(known[key]) for key in told["words"]} == {k: sorted(v) for k, v in told["words"].items()}
    stories = run(
        generation.main, provider=teacher, language=language, license="cc-by-4.0", vocabulary=words, num_stories=40,
        template=told["template"], features=[], validation_fraction=0.1,
        filters=["finish_reason", {"type": "length", "min_words": 25}, "repetition", "language", "required_words", "duplicates"],
    )  # fmt: skip
    splits = load_dataset(str(stories))
    assert len(splits["train"]) + len(splits["validation"]) == 40 and "rejected" not in splits
    statistics = json.loads((stories / "statistics.json").read_text())
    assert statistics["sampled"]["words_included"] == 1 and statistics["words_per_story"]["median"] >= 25
    header = metadata_load(stories / "README.md")
    assert header["language"] == [language] and header["license"] == "cc-by-4.0"
    assert "synthetic" in header["tags"] and "tinystories" not in header["tags"]
    quick = {"use_cpu": True, "max_steps": 2, "sample_tokens": 4, "report_to": "none"}
    small = {"model": "silly-tiny", "tokenizer": {"vocab_size": 300}, "max_length": 512, "tokens_per_step": 512}
    model = run(pretrain.main, dataset=stories, **small, **quick)
    asked = run(
        instructions.main, dataset=stories, language=language, openers=[""],
        types=[{"type": "words", "phrasings": [told["request"]], "probability": 1}, {"type": "sentence", "phrasings": ["{value}"]}],
    )  # fmt: skip
    rows = load_dataset(str(asked))["train"]
    assert any("sentence" in row["types"] for row in rows)
    quick |= {"max_length": 400, "per_device_train_batch_size": 2}
    tuned = run(sft.main, model_name_or_path=model, dataset=asked, **quick)
    for folder in (model, asked, tuned):
        header = metadata_load(folder / "README.md")
        assert header["language"] == [language] and header["license"] == "cc-by-4.0", folder
        text = (folder / "README.md").read_text()
        assert "simple words" not in text and "tinystories" not in header["tags"]
    few = {"num_stories": 3, "num_documents": 3, "max_new_tokens": 8, "num_samples": 1}
    report = run(evaluate.main, model=tuned, dataset=asked, **few)
    about = json.loads((report / "results.json").read_text())["dataset"]
    assert about["language"] == language and about["reference"]["words_included"]["value"] == 1


ES = ["--language", "es"]
SPANISH = [*ES, "--template", "Un cuento con {{ words | join(', ') }}.", "--provider.type", "openai"]
SPANISH += ["--provider.model", "x", "--provider.base_url", "http://127.0.0.1:9/v1"]
CHINESE = LANGUAGES["zh"]["template"].replace("故事", "故事，一个关于小狗和它的朋友们在公园里玩耍的故事")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--filters", "[profanity]"], "filters: profanity supports only en, and the texts are in es"),
        (["--filters", "[refusals]"], "refusals supports only en"),
        (["--filters", "[features]"], "features supports only en.*dialogue"),
        (["--filters", "[{type: language, language: fr}]"], "language supports only fr"),
        (["--provider", "storyteller"], "the storyteller writes English only"),
        (["--template", "tinystories"], "'tinystories' asks in English"),
        ([], "vocabulary: the embedded one is English"),
        (["--language", "Spanish"], "not a language code"),
        (["--license", "my own"], "license: expected a name"),
    ],
)
def test_what_knows_english_only_is_refused_before_anything_is_asked(options, said, tmp_path):
    with pytest.raises(RecipeError, match=said):
        asked = SPANISH[:4] if "--provider" in options else SPANISH
        generation.main([*asked, *options, "--output_dir", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_instructions_speak_the_language_that_the_data_says_it_has(tmp_path):
    (tmp_path / "README.md").write_text("---\nlanguage: es\n---\n")
    (tmp_path / "train.jsonl").write_text('{"text": "Había una vez un perro."}\n')
    with pytest.raises(RecipeError, match="phrasings of words are English, and the texts are in es"):
        instructions.main(["--dataset", str(tmp_path), "--output_dir", str(tmp_path / "out")])


@pytest.mark.parametrize(
    ("main", "options", "said"),
    [
        (vocabulary.main, [*ES, "--checks.max_length", "9"], "checks: max_syllables, profanity, part_of_speech"),
        (vocabulary.main, ES, "the storyteller has English words only"),
        (instructions.main, [*ES, "--dataset", "x.jsonl"], "types: the phrasings of words are English"),
        (generation.main, ["--template", CHINESE], "set language: zh"),
    ],
)
def test_other_phases_and_templates_are_refused_too(main, options, said, tmp_path):
    with pytest.raises(RecipeError, match=said):
        main([*options, "--output_dir", str(tmp_path / "out")])
