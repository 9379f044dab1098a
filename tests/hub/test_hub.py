"""Publishing against a Hub on loopback, by the real clients, and loading back with `datasets` and `transformers` alone."""

import re
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from servers.local_hub import LocalHub, User

from silly_llm.core.errors import RecipeError
from silly_llm.hub.cards import PLACEHOLDER
from silly_llm.hub.contents import files_of
from silly_llm.hub.publish import check_push

SOMEONE = "hf_local_someone"
DOCS = Path(__file__).parents[2] / "docs" / "publishing.md"


@pytest.fixture(scope="module")
def hub():
    with LocalHub(users={SOMEONE: User("someone")}) as server:
        yield server


@pytest.fixture(autouse=True)
def quiet(hub):
    hub.faults.clear()
    hub.log.clear()


@pytest.fixture
def run(silly_llm, hub, tmp_path):
    """`silly-llm …` with the stand-in as its Hub."""

    def call(*arguments, token: str = LocalHub.TOKEN, **environment: str):
        ours = {**hub.env(tmp_path / "hf", token), "HF_TOKEN": token, "HF_HUB_OFFLINE": "0"}
        return silly_llm(*arguments, **(ours | environment))

    return call


@pytest.fixture
def python(python, hub, tmp_path_factory):
    """The same with an empty cache and the stand-in as its Hub."""

    def call(code: str, *arguments, token: str = LocalHub.TOKEN):
        ours = {**hub.env(tmp_path_factory.mktemp("reader"), token), "HF_TOKEN": token, "HF_HUB_OFFLINE": "0"}
        return python(code, *arguments, **ours)

    return call


def commits(hub: LocalHub, repo_id: str) -> int:
    """How many commits a dataset has; the first is made with it."""
    return len(hub.repos["dataset", repo_id].history())


def test_stories_go_up_and_load_back(run, python, hub, stories):
    done = run("publish", stories, "alice/tales")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"published: {hub.url}/datasets/alice/tales"
    code = "from datasets import load_dataset; d = load_dataset('alice/tales')\n"
    out = python(code + "print({k: len(v) for k, v in d.items()}, d['train'][3]['text'])").stdout.strip()
    assert out == "{'train': 40, 'validation': 1, 'rejected': 1} Once upon a time, there was a cat number 3."
    files = hub.files("dataset", "alice/tales")
    assert set(files) == {*files_of(stories), ".gitattributes"}
    card = files["README.md"].decode()
    assert 'load_dataset("alice/tales"' in card and PLACEHOLDER not in card
    assert PLACEHOLDER in (stories / "README.md").read_text(), "the folder itself stays as it was"
    assert not [name for name, data in files.items() if LocalHub.TOKEN.encode() in data]
    assert LocalHub.TOKEN not in done.stdout + done.stderr
    assert not [r for r in hub.requests("/storage/") if r["authorization"]], "the token went to another host"


def test_model_goes_up_to_a_private_branch(run, hub, model):
    done = run("publish", model, "alice/silly", "--private", "--revision", "next")
    assert done.returncode == 0, done.stderr
    repo = hub.repos["model", "alice/silly"]
    assert repo.private and set(repo.commits[repo.branches["main"]].tree) == {".gitattributes"}
    assert set(repo.commits[repo.branches["next"]].tree) == {*files_of(model), ".gitattributes"}
    (model / "notes.txt").write_text("mine")
    done = run("publish", model, "alice/silly", "--revision", "next", "--include", "notes.*")
    assert done.returncode == 0, done.stderr
    assert set(repo.commits[repo.branches["next"]].tree) == {*files_of(model), "notes.txt", ".gitattributes"}
    old, mine = (model / ".eval_results" / name for name in ("silly-llm-1.yaml", "mine.yaml"))
    old.parent.mkdir()
    for file in (old, mine):
        file.write_text("- {dataset: {id: a/b, task_id: c}, value: 1}")
    results = []
    for _ in range(2):  # the second time after a new training, whose card says nothing of the old one's evaluation
        assert run("publish", model, "alice/silly", "--revision", "next").returncode == 0
        tree = repo.commits[repo.branches["next"]].tree
        results.append([name for name in tree if name.startswith(".eval_results/")])
        old.unlink(missing_ok=True)
    assert list(map(sorted, results)) == [
        [".eval_results/mine.yaml", ".eval_results/silly-llm-1.yaml"],
        [".eval_results/mine.yaml"],
    ]


def test_publishing_again_commits_changes_only_and_leaves_nothing_stale(run, hub, stories):
    for _ in range(2):
        assert run("publish", stories, "alice/again").returncode == 0
        assert commits(hub, "alice/again") == 2, "nothing changed, nothing to commit"
    shard = stories / "data" / "train-00000-of-00001.parquet"
    shutil.copy(shard, shard.with_name("train-00001-of-00002.parquet"))
    shard.rename(shard.with_name("train-00000-of-00002.parquet"))
    assert run("publish", stories, "alice/again").returncode == 0
    assert commits(hub, "alice/again") == 3
    assert shard.relative_to(stories).as_posix() not in hub.files("dataset", "alice/again")
    done = run("publish", stories, "alice/again", "--private")
    assert done.returncode == 1 and "exists and is public" in done.stderr


FAULTS = {"preupload": {"match": "POST .*/preupload/", "status": 503}}
FAULTS |= {"lost": {"match": "POST .*/commit/", "lost": True}, "refused": {"match": "POST .*/commit/", "status": 500}}


@pytest.mark.parametrize("name", FAULTS)
def test_a_hub_that_stumbles(run, hub, stories, name):
    injected = hub.inject_fault(**FAULTS[name], times=1)
    done = run("publish", stories, f"alice/fault-{name}")
    assert done.returncode == 0, done.stderr
    assert injected.fired == 1
    assert commits(hub, f"alice/fault-{name}") == 2, "one commit, not two"


def test_what_cannot_be_published_is_one_line(run, hub, stories, tmp_path):
    def refused(code, *arguments, contains, **options):
        done = run("publish", *arguments, **options)
        assert done.returncode == code, done.stderr
        line = done.stderr.strip().splitlines()[-1]
        assert line.startswith("silly-llm: ") and contains in line, done.stderr
        assert "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1
        assert (options.get("token") or LocalHub.TOKEN) not in done.stdout + done.stderr

    refused(2, stories, "alice/x", token="", contains="no Hugging Face token")
    refused(1, stories, "alice/x", token="hf_wrong", contains="does not accept the token (401)")
    refused(1, stories, "alice/x", token="hf_local_read", contains="not allowed to write to alice/x (403)")
    refused(1, stories, "bob/x", contains="not allowed to write to bob/x (403)")
    refused(1, stories, "alice/x", HF_HUB_OFFLINE="1", contains="HF_HUB_OFFLINE is set")
    refused(1, stories, "alice/x", HF_ENDPOINT="http://127.0.0.1:9", contains="cannot reach http://127.0.0.1:9")
    hub.inject_fault(match="POST .*/repos/create", status=429, times=1)
    refused(
        1, stories, "alice/x", contains="limits the rate of requests (429); run the command again in a few minutes"
    )
    refused(2, stories, "a/b/c", contains="use NAMESPACE/NAME")
    refused(2, tmp_path, "alice/x", contains="neither a dataset folder")
    (stories / "recipe.yaml").write_text(f"token: {LocalHub.TOKEN}")
    refused(2, stories, "alice/x", contains="recipe.yaml: contains a token")
    (stories / "recipe.yaml").unlink()
    (stories / ".silly" / "run.json").write_text('{"finished": false}')
    refused(2, stories, "alice/x", contains="has not finished")
    assert ("dataset", "alice/x") not in hub.repos


@pytest.mark.slow
def test_what_the_docs_say(run, python, stories, model):
    """The commands and the code of docs/publishing.md, with folders of this test."""
    text = DOCS.read_text()
    commands = re.findall(r"^silly-llm (publish .+)$", text, re.MULTILINE)
    assert len(commands) == 5
    (model / "figures").mkdir()
    for name in ("LICENSE", "figures/loss.png"):
        (model / name).write_text("mine")
    for command in commands:
        name, folder, *rest = shlex.split(command)
        done = run(name, stories if folder.endswith("stories") else model, *rest, token=SOMEONE)
        assert done.returncode == 0, done.stderr
    blocks = re.findall(r"```python\n(.+?)```", text, re.DOTALL)
    assert len(blocks) == 2
    python("\n".join([*blocks, "assert len(stories) == 40 and len(rejected) == 1"]), token=SOMEONE)


# --- push_to_hub


def test_generate_pushes_its_stories_even_if_the_first_push_failed(run, hub, python, tmp_path):
    command = ["generate", "--num_stories", 12, "--validation_fraction", 0.2, "--output_dir", tmp_path / "out"]
    command += ["--push_to_hub", "true", "--hub_dataset_id", "alice/generated", "--hub_private", "true"]
    hub.inject_fault(match="POST .*/commit/", status=400, times=1)
    done = run(*command)
    assert done.returncode == 1 and "the Hub answered 400" in done.stderr
    done = run(*command)
    assert done.returncode == 0 and "up to date" in done.stdout, done.stderr
    files = hub.files("dataset", "alice/generated")
    assert hub.repos["dataset", "alice/generated"].private
    assert {"README.md", "provenance.json", "recipe.yaml"} <= set(files)
    assert "**storyteller**" in str(files["README.md"])
    assert not [name for name in files if name.startswith((".silly", "journal"))]
    assert not [name for name, data in files.items() if LocalHub.TOKEN.encode() in data]
    code = "from datasets import load_dataset; print(sum(map(len, load_dataset('alice/generated').values())))"
    assert python(code).stdout.strip() == "12"


PUSH = """
import os, sys
from transformers import TrainingArguments
from silly_llm.hub.publish import check_push, push_if_asked
args = TrainingArguments(output_dir=sys.argv[1], push_to_hub=True, use_cpu=True, hub_model_id="alice/pushed")
check_push(args)
assert not args.push_to_hub, "the Trainer must not push on its own"
os.environ["RANK"] = "1"
assert push_if_asked(args, sys.argv[1]) is None
del os.environ["RANK"]
push_if_asked(args, sys.argv[1])
"""


def test_push_to_hub_of_a_training_is_one_push_at_the_end(python, hub, model):
    assert python(PUSH, model).stdout.splitlines() == [f"published: {hub.url}/alice/pushed"]
    assert set(hub.files("model", "alice/pushed")) == {*files_of(model), ".gitattributes"}


def test_a_phase_learns_before_it_starts_that_it_cannot_push(run, hub, tmp_path):
    command = ["generate", "--num_stories", 1, "--output_dir", tmp_path / "out"]
    command += ["--push_to_hub", "true", "--hub_dataset_id", "alice/checked"]
    for token, code, said in (("hf_wrong", 1, "does not accept the token"), ("", 2, "no Hugging Face token")):
        done = run(*command, token=token)
        assert done.returncode == code and said in done.stderr
        assert not (tmp_path / "out").exists() and ("dataset", "alice/checked") not in hub.repos
    keys = {"hub_token": "hf_x", "hub_always_push": True, "hub_strategy": "checkpoint", "hub_model_id": None}
    for key, value in keys.items():
        with pytest.raises(RecipeError, match=key):
            check_push(SimpleNamespace(**{"push_to_hub": True, "hub_model_id": "alice/x", key: value}))


def test_files_of_the_hub_are_read_by_url(python, hub):
    """A file, a folder with splits and a glob, by `hf://`."""
    out = python(
        "from huggingface_hub import HfApi\n"
        "from silly_llm.data.sources import open_source\n"
        "api = HfApi(); api.create_repo('alice/files', repo_type='dataset')\n"
        "for name in ('train.jsonl', 'validation.jsonl', 'train-2.csv'):\n"
        "    data = b'text\\n\"a, b\"\\n' if name.endswith('csv') else b'{\"text\": \"a\"}\\n'\n"
        "    api.upload_file(path_or_fileobj=data, path_in_repo=name, repo_id='alice/files', repo_type='dataset')\n"
        "root = 'hf://datasets/alice/files'\n"
        "print(open_source(root).splits(), *[open_source(p).texts('text')['text'][:] for p in (root, root + '/train.jsonl', root + '/*.csv')])"
    )
    assert out.stdout.strip().splitlines()[-1] == "['train', 'validation'] ['a, b', 'a'] ['a'] ['a, b']"
