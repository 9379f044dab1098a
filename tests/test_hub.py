"""Publishing against a Hub on loopback, by the real clients, and loading back with `datasets` and `transformers` alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from servers.local_hub import LocalHub, User

from silly_llm.cards import PLACEHOLDER, dataset_card, hub_ids, model_card, quoted, size_category, write_card
from silly_llm.config import load_recipe
from silly_llm.data.arguments import GenerationArguments
from silly_llm.data.instruction_arguments import InstructionArguments
from silly_llm.errors import RecipeError
from silly_llm.publishable import files_of, kind_of, read_card, refuse_secrets

SOMEONE = "hf_local_someone"
DOCS = Path(__file__).parents[1] / "docs" / "publishing.md"
SECRET = "sk-a-secret-of-another-service"


@pytest.fixture(scope="module")
def hub():
    with LocalHub(users={SOMEONE: User("someone")}) as server:
        yield server


@pytest.fixture(autouse=True)
def quiet(hub):
    hub.clear_faults()
    hub.app.requests.clear()


@pytest.fixture
def run(silly_llm, hub, tmp_path):
    """`silly-llm …` with the stand-in as its Hub."""

    def call(*arguments, token: str | None = LocalHub.TOKEN, **environment: str):
        home = tmp_path / "hf"
        environment = {**hub.env(home, token), "HF_HUB_OFFLINE": "0", **environment}
        if token is None:
            environment["HF_TOKEN"] = ""
        return silly_llm(*arguments, **environment)

    return call


@pytest.fixture
def python(hub, tmp_path_factory):
    """Python in a fresh process with an empty cache, without our package's help."""

    def call(code: str, token: str = LocalHub.TOKEN):
        home = tmp_path_factory.mktemp("reader")
        environment = {**os.environ, **hub.env(home, token), "HF_HUB_OFFLINE": "0"}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return call


def generation_recipe(folder: Path, **values):
    file = folder / "mine" / "generation.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"seed": 7, "provider": {"type": "storyteller"}, **values}))
    return load_recipe(["--config", str(file)], phase="generate", arguments=GenerationArguments)


def story(index: int, **more):
    return {
        "text": f"Once upon a time, there was a cat number {index}.",
        "words": ["cat", "jump", "happy"],
        "features": ["dialogue"],
        "prompt": "Write a short story with the words cat, jump and happy.",
        "index": index,
        "rejected_by": [],
        **more,
    }


@pytest.fixture
def stories(tmp_path):
    """A dataset folder as a phase leaves it, with the things that must not be published."""
    import pyarrow as pa

    from silly_llm.data.folder import write_dataset_folder

    strings = pa.list_(pa.string())
    columns = {"text": pa.string(), "words": strings, "features": strings, "prompt": pa.string()}
    schema = pa.schema({**columns, "index": pa.int64(), "rejected_by": strings})
    folder = tmp_path / "stories"
    splits = {
        "train": [story(i) for i in range(40)],
        "validation": [story(40)],
        "rejected": [story(41, rejected_by=["length"])],
    }
    counts = write_dataset_folder(folder, splits, schema)
    recipe = generation_recipe(tmp_path)
    statistics = {
        "splits": counts,
        "rejected": {"length": 1},
        "tokens": {"completion": 12345},
        "seconds": 75.2,
    }
    write_card(folder, dataset_card("stories", recipe, statistics=statistics, sample=splits["train"][0]))
    (folder / "provenance.json").write_text("{}")
    for private in (".silly/run.json", "journal.jsonl", "journal-0/part", "checkpoint-5/model.safetensors"):
        (folder / private).parent.mkdir(exist_ok=True)
        (folder / private).write_text('{"finished": true}')
    return folder


@pytest.fixture
def model(tmp_path):
    """A model folder with a tiny Llama and a tokenizer with a chat template."""
    return save_tiny_model(tmp_path / "model", tmp_path)


def save_tiny_model(folder: Path, workspace: Path) -> Path:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<|bos|>", "<|eos|>", "<|pad|>", *alphabet])}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<|bos|>", eos_token="<|eos|>", pad_token="<|pad|>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] + eos_token }}{% endfor %}"
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(vocabulary), max_position_embeddings=64, eos_token_id=1, **sizes)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    recipe = generation_recipe(workspace)
    recipe.phase, recipe.values = "sft", {"model_name_or_path": "someone/base", "dataset": "someone/stories"}
    card = model_card(
        recipe,
        statistics={"parameters": 8192, "tokens": 100_000, "seconds": 3700},
        metrics={"bits_per_byte": {"value": 0.9, "low": 0.8, "high": 1.0, "n": 10}, "loss": 1.5},
        samples=[{"prompt": "Words: dog", "completion": "A dog *barked*."}],
    )
    write_card(folder, card)
    for private in (
        "optimizer.pt",
        "training_args.bin",
        "checkpoint-2/model.safetensors",
        "trainer_state.json",
    ):
        (folder / private).parent.mkdir(exist_ok=True)
        (folder / private).write_bytes(b"not for others")
    return folder


# --- cards


def test_dataset_card_is_what_the_hub_and_people_read(stories):
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(stories / "README.md")
    data = card.data.to_dict()
    assert data["license"] == "apache-2.0" and data["language"] == ["en"]
    assert data["task_categories"] == ["text-generation"] and data["size_categories"] == ["n<1K"]
    assert {"synthetic", "tinystories", "silly-llm"} <= set(data["tags"])
    text = " ".join(card.text.split())
    assert "not a language model" in text and "stand-in" in text
    assert "| rejected: length | 1 |" in card.text and "| tokens: completion | 12,345 |" in card.text
    assert "| time | 1 min 15 s |" in card.text
    assert "silly-llm generate --config mine/generation.yaml" in card.text
    assert "eldan2023tinystories" in card.text and f'load_dataset("{PLACEHOLDER}"' in card.text
    assert "> Once upon a time, there was a cat number 0." in card.text


def test_cards_do_not_call_a_language_model_a_storyteller_and_show_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("OTHER_API_KEY", SECRET)
    provider = {
        "type": "openai",
        "model": "big-teacher",
        "base_url": f"http://host/{SECRET}",
        "api_key": "abc",
    }
    recipe = generation_recipe(tmp_path, provider=provider)
    card = dataset_card("stories", recipe, statistics={"splits": {"train": 5_000}})
    assert "`big-teacher`" in card and "storyteller" not in card
    assert "license: unknown" in card and "terms of the teacher" in card and "1K<n<10K" in card
    assert SECRET not in card and "abc" not in card


def test_instruction_card_names_the_teacher_of_its_stories(tmp_path):
    stories = tmp_path / "stories"
    stories.mkdir()
    (stories / "recipe.yaml").write_text("num_stories: 5\n")
    (stories / "provenance.json").write_text('{"phase": "generate"}')
    argv = ["--dataset", str(stories), "--output_dir", str(tmp_path / "out")]
    recipe = load_recipe(argv, phase="instruct", arguments=InstructionArguments)
    row = {
        "prompt": [{"role": "user", "content": "Words: cat"}],
        "completion": [{"role": "assistant", "content": "A cat."}],
        "text": "A cat.",
    }
    statistics = {
        "splits": {"train": {"examples": 12, "combinations": {"words": 12}}, "validation": {"examples": 0}}
    }
    card = dataset_card("instructions", recipe, statistics=statistics, sample=row)
    assert "**storyteller**" in card and "| train: combinations: words | 12 |" in card
    assert "> Words: cat" in card and "> A cat." in card and "| validation |" not in card


def test_model_card_header(model):
    from huggingface_hub import ModelCard

    data = ModelCard.load(model / "README.md").data
    assert data.library_name == "transformers" and data.pipeline_tag == "text-generation"
    assert data.base_model == "someone/base" and data.datasets == ["someone/stories"]
    results = {result.metric_type: result.metric_value for result in data.eval_results}
    assert results == {"bits_per_byte": 0.9, "loss": 1.5}
    text = (model / "README.md").read_text()
    assert "| bits per byte | 0.9 | 0.8 to 1 | 10 |" in text and r"A dog \*barked\*." in text
    assert '"role": "user"' in text


def test_size_categories_and_quotes():
    rows = (0, 999, 1000, 99_999, 1_000_000, 999_999_999, 10**9)
    expected = ["n<1K", "n<1K", "1K<n<10K", "10K<n<100K", "1M<n<10M", "100M<n<1B", "n>1B"]
    assert [size_category(n) for n in rows] == expected
    assert quoted("a\n\n# b") == "> a\n>\n> \\# b"


def test_hub_ids_are_told_from_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "stories").mkdir()
    weighted = [{"path": "a/b", "weight": 2}, "mine/stories", {"type": "mixture", "sources": ["c/d", "a/b"]}]
    assert hub_ids(weighted) == ["a/b", "c/d"]
    assert hub_ids("data/x.jsonl") == hub_ids("runs/quickstart") == hub_ids(None) == hub_ids("a/b/c") == []


# --- what may go up


def test_folders_load_by_datasets_each_its_own_rows(stories, tmp_path):
    """Also when another folder has the same name and card, and when a folder is written anew."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    other = shutil.copytree(stories, tmp_path / "other" / "stories")
    shard = "data/validation-00000-of-00001.parquet"
    for text in ("the other's", "written anew"):
        table = pq.read_table(stories / shard)
        pq.write_table(table.set_column(0, "text", pa.array([text])), other / shard)
        code = f"""if True:
            from datasets import load_dataset
            print({{k: len(v) for k, v in load_dataset({str(stories)!r}).items()}})
            print([load_dataset(f, split="validation")[0]["text"] for f in ({str(stories)!r}, {str(other)!r})])"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        counts, texts = done.stdout.strip().splitlines()
        assert counts == "{'train': 40, 'validation': 1, 'rejected': 1}", done.stderr[-2000:]
        assert texts == str(["Once upon a time, there was a cat number 40.", text])


def test_only_what_others_can_use_is_published(stories, model):
    parquet = [f"data/{split}-00000-of-00001.parquet" for split in ("rejected", "train", "validation")]
    assert files_of(stories) == sorted(["README.md", "provenance.json", *parquet])
    assert {"config.json", "model.safetensors", "README.md", "tokenizer.json"} <= set(files_of(model))
    assert not [
        f for f in files_of(model) if "checkpoint" in f or f.endswith((".pt", ".bin", "trainer_state.json"))
    ]


def test_kind_of_folder(stories, model, tmp_path):
    assert kind_of(stories) == "dataset" and kind_of(model) == "model"
    with pytest.raises(RecipeError, match=r"neither a dataset folder .* nor a model folder"):
        kind_of(tmp_path)


@pytest.mark.parametrize("place", ["notes.txt", "data/train-00000-of-00001.parquet"])
def test_secrets_are_refused_wherever_they_are(stories, place, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setenv("OTHER_API_KEY", SECRET)
    refuse_secrets(stories, files_of(stories), "hf_mine")
    for secret in ("hf_mine", SECRET, "hf_" + "aB3" * 12):
        path = stories / place
        if path.suffix == ".parquet":
            pq.write_table(pa.table({"text": ["nothing", f"a {secret}"]}), path, compression="zstd")
        else:
            path.write_text(f"key = {secret}\n")
        with pytest.raises(RecipeError, match=f"{path.name}: contains a token") as error:
            refuse_secrets(stories, files_of(stories), "hf_mine")
        assert secret not in str(error.value)


def test_bad_headers_are_refused(stories):
    card = stories / "README.md"
    configs = "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/trian-*\n"
    card.write_text(card.read_text().replace("license:", f"{configs}license:", 1))
    with pytest.raises(RecipeError, match="no file of the folder fits"):
        read_card(stories, "dataset", files_of(stories))
    card.write_text("---\nlicense: [\n---\n# Title\n")
    with pytest.raises(RecipeError, match="YAML header cannot be read"):
        read_card(stories, "dataset", files_of(stories))


# --- publishing


def test_stories_go_up_and_load_back(run, python, hub, stories):
    done = run("publish", stories, "alice/tales")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"published: {hub.endpoint}/datasets/alice/tales"
    out = python(
        "from datasets import load_dataset; d = load_dataset('alice/tales')\n"
        "print({k: len(v) for k, v in d.items()}, d['train'][3]['text'])"
    )
    assert out.strip() == (
        "{'train': 40, 'validation': 1, 'rejected': 1} Once upon a time, there was a cat number 3."
    )
    files = uploaded(hub, "dataset", "alice/tales")
    assert set(files) == {*files_of(stories), ".gitattributes"}
    card = files["README.md"].decode()
    assert 'load_dataset("alice/tales"' in card and PLACEHOLDER not in card
    assert PLACEHOLDER in (stories / "README.md").read_text(), "the folder itself stays as it was"
    assert not [name for name, data in files.items() if LocalHub.TOKEN.encode() in data]
    assert LocalHub.TOKEN not in done.stdout + done.stderr
    assert not [r for r in hub.requests("/storage/") if r["authorization"]], "the token went to another host"


def test_model_goes_up_and_loads_back(run, python, hub, model):
    done = run("publish", model, "alice/silly", "--private", "--revision", "next")
    assert done.returncode == 0, done.stderr
    out = python(
        "from transformers import pipeline\n"
        "p = pipeline('text-generation', model='alice/silly', revision='next')\n"
        "print(len(p([{'role': 'user', 'content': 'Words'}], max_new_tokens=3)[0]['generated_text']))"
    )
    assert out.strip() == "2"
    repo = hub.app.store.repos["model", "alice/silly"]
    assert repo.private and set(repo.commits[repo.branches["main"]].tree) == {".gitattributes"}
    assert set(repo.commits[repo.branches["next"]].tree) == {*files_of(model), ".gitattributes"}


def test_publishing_again_commits_changes_only_and_leaves_nothing_stale(run, hub, stories):
    def titles():
        repo = hub.app.store.repos["dataset", "alice/again"]
        return len(repo.history(repo.commits[repo.branches["main"]]))

    assert run("publish", stories, "alice/again").returncode == 0
    assert titles() == 2
    assert run("publish", stories, "alice/again").returncode == 0
    assert titles() == 2, "nothing changed, nothing to commit"
    shard = stories / "data" / "train-00000-of-00001.parquet"
    shard.rename(shard.with_name("train-00000-of-00002.parquet"))
    (stories / "data" / "train-00001-of-00002.parquet").write_bytes(
        shard.with_name("train-00000-of-00002.parquet").read_bytes()
    )
    assert run("publish", stories, "alice/again").returncode == 0
    assert titles() == 3
    assert shard.relative_to(stories).as_posix() not in uploaded(hub, "dataset", "alice/again")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("preupload", {"match": "POST .*/preupload/", "status": 503, "times": 1}),
        ("lost", {"match": "POST .*/commit/", "kind": "drop", "when": "after", "times": 1}),
        ("refused", {"match": "POST .*/commit/", "status": 500, "times": 1}),
    ],
)
def test_a_hub_that_stumbles(run, hub, stories, name, fault):
    injected = hub.inject_fault(**fault)
    done = run("publish", stories, f"alice/fault-{name}")
    assert done.returncode == 0, done.stderr
    assert injected.fired == 1
    repo = hub.app.store.repos["dataset", f"alice/fault-{name}"]
    assert len(repo.history(repo.commits[repo.branches["main"]])) == 2, "one commit, not two"


def test_what_cannot_be_published_is_one_line(run, hub, stories, tmp_path):
    def refused(code, *arguments, contains, **options):
        done = run("publish", *arguments, **options)
        assert done.returncode == code, done.stderr
        line = done.stderr.strip().splitlines()[-1]
        assert line.startswith("silly-llm: ") and contains in line, done.stderr
        assert "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1
        assert (options.get("token") or LocalHub.TOKEN) not in done.stdout + done.stderr

    refused(2, stories, "alice/x", token=None, contains="no Hugging Face token")
    refused(1, stories, "alice/x", token="hf_wrong", contains="does not accept the token (401)")
    refused(1, stories, "alice/x", token="hf_local_read", contains="not allowed to write to alice/x (403)")
    refused(1, stories, "bob/x", contains="not allowed to write to bob/x (403)")
    refused(1, stories, "alice/x", HF_HUB_OFFLINE="1", contains="HF_HUB_OFFLINE is set")
    refused(
        1, stories, "alice/x", HF_ENDPOINT="http://127.0.0.1:9", contains="cannot reach http://127.0.0.1:9"
    )
    refused(2, stories, "a/b/c", contains="use NAMESPACE/NAME")
    refused(2, tmp_path, "alice/x", contains="neither a dataset folder")
    refused(2, tmp_path / "nowhere", "alice/x", contains="no such folder")
    (stories / "note.txt").write_text(LocalHub.TOKEN)
    refused(2, stories, "alice/x", contains="note.txt: contains a token")
    (stories / "note.txt").unlink()
    (stories / ".silly" / "run.json").write_text('{"finished": false}')
    refused(2, stories, "alice/x", contains="has not finished")
    assert ("dataset", "alice/x") not in hub.app.store.repos


def test_private_text_does_not_go_into_a_public_repository(run, stories):
    assert run("publish", stories, "alice/open").returncode == 0
    done = run("publish", stories, "alice/open", "--private")
    assert done.returncode == 1 and "exists and is public" in done.stderr


@pytest.mark.slow
def test_what_the_docs_say(run, python, stories, model):
    """The commands and the code of docs/publishing.md, with folders of this test."""
    text = DOCS.read_text()
    commands = re.findall(r"^silly-llm (publish .+)$", text, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        name, folder, *rest = command.split()
        done = run(name, stories if folder.endswith("stories") else model, *rest, token=SOMEONE)
        assert done.returncode == 0, done.stderr
    blocks = re.findall(r"```python\n(.+?)```", text, re.DOTALL)
    assert len(blocks) == 2
    python("\n".join([*blocks, "assert len(stories) == 40 and len(rejected) == 1"]), token=SOMEONE)


# --- push_to_hub


@pytest.mark.parametrize("failing", [False, True])
def test_generate_pushes_its_stories_even_if_the_first_push_failed(run, hub, python, tmp_path, failing):
    repo_id = f"alice/generated-{failing}".lower()
    command = [
        "generate",
        "--num_stories",
        12,
        "--validation_fraction",
        0.2,
        "--output_dir",
        tmp_path / "out",
    ]
    command += ["--push_to_hub", "true", "--hub_dataset_id", repo_id, "--hub_private", "true"]
    if failing:
        hub.inject_fault(match="POST .*/commit/", status=400, times=1)
        done = run(*command)
        assert done.returncode == 1 and "the Hub answered 400" in done.stderr
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert ("up to date" in done.stdout) == failing
    files = uploaded(hub, "dataset", repo_id)
    assert {"README.md", "provenance.json", "recipe.yaml"} <= set(files) and "**storyteller**" in str(
        files["README.md"]
    )
    assert not [name for name in files if name.startswith((".silly", "journal"))]
    assert not [name for name, data in files.items() if LocalHub.TOKEN.encode() in data]
    if failing:
        return
    loaded = python(
        f"from datasets import load_dataset; d = load_dataset('{repo_id}'); print(sum(map(len, d.values())))"
    )
    assert loaded.strip() == "12"


PUSH = """
import os, sys
from silly_llm.cli import run_main
from silly_llm.errors import RecipeError
from silly_llm.hub import check_push, push_if_asked
from transformers import TrainingArguments
def arguments(repo_id):
    return TrainingArguments(output_dir=sys.argv[1], push_to_hub=True, use_cpu=True, hub_model_id=repo_id)
def main(argv):
    try:
        check_push(arguments(None))
    except RecipeError as error:
        print(error)
    os.environ["RANK"] = "1"
    assert push_if_asked(arguments("alice/rank"), argv[0]) is None
    del os.environ["RANK"]
    args = arguments("alice/pushed")
    check_push(args)
    assert not args.push_to_hub, "the Trainer must not push on its own"
    push_if_asked(args, argv[0])
run_main(main, sys.argv[1:])
"""


def test_push_to_hub_of_a_training_is_one_push_at_the_end(hub, model, tmp_path):
    done = python_with(hub, tmp_path, PUSH, model)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "push_to_hub: say where with hub_model_id: NAMESPACE/NAME",
        f"published: {hub.endpoint}/alice/pushed",
    ]
    assert set(uploaded(hub, "model", "alice/pushed")) == {*files_of(model), ".gitattributes"}
    assert ("model", "alice/rank") not in hub.app.store.repos


CHECK = """
import sys
from types import SimpleNamespace
from silly_llm.cli import run_main
from silly_llm.hub import check_push
options = dict(push_to_hub=True, hub_dataset_id="alice/checked", hub_private=True)
run_main(lambda argv: print(check_push(SimpleNamespace(**options))), sys.argv[1:])
"""


def test_a_phase_learns_before_it_starts_that_it_cannot_push(hub, tmp_path):
    done = python_with(hub, tmp_path, CHECK)
    assert done.stdout.strip() == "Push(repo_id='alice/checked', private=True, revision=None)", done.stderr
    done = python_with(hub, tmp_path, CHECK, token="hf_wrong")
    assert done.returncode == 1 and "does not accept the token" in done.stderr
    done = python_with(hub, tmp_path, CHECK, token="")
    assert done.returncode == 2 and "no Hugging Face token" in done.stderr
    assert ("dataset", "alice/checked") not in hub.app.store.repos, "checking makes nothing"


def python_with(hub, home: Path, code: str, *arguments, token: str = LocalHub.TOKEN):
    environment = {**os.environ, **hub.env(home / "hf", token), "HF_HUB_OFFLINE": "0", "HF_TOKEN": token}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def uploaded(hub: LocalHub, kind: str, repo_id: str) -> dict[str, bytes]:
    """What is in a repository."""
    repo = hub.app.store.repos[kind, repo_id]
    tree = repo.commits[repo.branches["main"]].tree
    return {name: hub.app.store.blob(entry.sha256).read_bytes() for name, entry in tree.items()}
