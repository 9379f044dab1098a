"""Only what others can use goes up, and no secret does."""

import bz2
import gzip
import io
import json
import lzma
import re
import shutil
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from silly_llm.core.errors import RecipeError
from silly_llm.core.folders import manifest
from silly_llm.hub.contents import files_of, kind_of, left_of, read_card, refuse_code
from silly_llm.hub.publish import publish
from silly_llm.hub.scan import kinds_in, kinds_of, refuse_secrets

SECRET = "sk-a-secret-of-another-service"


def test_folders_load_by_datasets_each_its_own_rows(stories, tmp_path, python):
    """Also when another folder has the same name and card, and when a folder is written anew."""
    other = shutil.copytree(stories, tmp_path / "other" / "stories")
    shard = "data/validation-00000-of-00001.parquet"
    for text in ("the other's", "written anew"):
        table = pq.read_table(stories / shard)
        pq.write_table(table.set_column(0, "text", pa.array([text])), other / shard)
        code = f"""if True:
            from datasets import load_dataset
            print({{k: len(v) for k, v in load_dataset({str(stories)!r}).items()}})
            print([load_dataset(f, split="validation")[0]["text"] for f in ({str(stories)!r}, {str(other)!r})])"""
        counts, texts = python(code).stdout.strip().splitlines()
        assert counts == "{'train': 40, 'validation': 1, 'rejected': 1}"
        assert texts == str(["Once upon a time, there was a cat number 40.", text])


def test_only_what_others_can_use_is_published(stories, model, tmp_path):
    parquet = [f"data/{split}-00000-of-00001.parquet" for split in ("rejected", "train", "validation")]
    assert files_of(stories) == sorted(["README.md", "provenance.json", *parquet])
    assert {"config.json", "model.safetensors", "README.md", "tokenizer.json"} <= set(files_of(model))
    assert not [f for f in files_of(model) if "checkpoint" in f or f.endswith((".pt", ".bin", "trainer_state.json"))]
    assert kind_of(stories) == "dataset" and kind_of(model) == "model"
    for folder, said in ((tmp_path, "neither a dataset folder .* nor a model folder"), (tmp_path / "x", "no such")):
        with pytest.raises(RecipeError, match=said):
            kind_of(folder)


def test_what_no_phase_writes_is_named_and_stays(stories, model, tmp_path):
    """Whatever lies in the folder, a link out of it too; files may be taken along by name."""
    (tmp_path / "elsewhere.json").write_text("{}")
    strange = ["credentials.json", "history.sqlite", "core", "mlruns/1/meta.yaml", "trackio/x.db", "logs/run.log"]
    for folder in (stories, model):
        before = files_of(folder)
        for name in [*strange, ".git/config", ".env", "extra.bin", "modeling_x.py"]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("mine")
        (folder / "statistics.json").symlink_to(tmp_path / "elsewhere.json")
        assert files_of(folder) == before
        assert files_of(folder, include=["mlruns/*", "core"]) == sorted([*before, "core", "mlruns/1/meta.yaml"])
        left = left_of(folder, before)
        assert "\n" not in left and all(name in left for name in (".env, .git/", "core", "credentials.json"))
        assert re.search(r" and \d more ", left) and "checkpoint" not in left and "journal" not in left
    assert left_of(stories, [*files_of(stories, include=["*"]), ".git/config", ".env", "statistics.json"]) == ""


def test_of_data_that_a_phase_made_only_what_it_wrote_goes_up(stories):
    (stories / "data" / "mine.parquet").write_bytes(b"")
    assert "data/mine.parquet" in files_of(stories)  # a folder of which nobody recorded what was written
    shutil.rmtree(stories / ".silly")
    manifest.write(stories, "generate")
    files = files_of(stories)
    assert "data/mine.parquet" not in files and "data/train-00000-of-00001.parquet" in files
    assert "data/mine.parquet" in left_of(stories, files)
    with pytest.raises(RecipeError, match=r"--include \.env: matches no file"):
        publish(stories, "someone/stories", include=[".env"])


def test_a_model_with_code_of_its_own_is_refused(model):
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "modeling_x.Model"}}))
    (model / "modeling_x.py").write_text("")
    with pytest.raises(RecipeError, match=r"config.json: auto_map refers to custom code"):
        refuse_code(model, files_of(model))
    refuse_code(model, files_of(model, include=["modeling_x.py"]))


def test_known_secrets_are_refused_wherever_they_are(stories, model, monkeypatch):
    """By value, in Parquet and in the numbers of a model too."""
    monkeypatch.setenv("OPENAI_KEY", SECRET)
    shard = "data/train-00000-of-00001.parquet"
    for folder, name in ((stories, shard), (model, "model.safetensors"), (model, "README.md")):
        refuse_secrets(folder, files_of(folder), "hf_mine")
        before = (folder / name).read_bytes()
        for secret in ("hf_mine", SECRET):
            if name == shard:
                table = pa.table({"text": ["nothing", f"a {secret}"]})
                pq.write_table(table, folder / name, compression="zstd")
            else:
                (folder / name).write_bytes(before + secret.encode())
            with pytest.raises(RecipeError, match=f"{name}: contains .* .a secret of this machine") as error:
                refuse_secrets(folder, files_of(folder), "hf_mine", allow=["Token", "a secret of this machine"])
            assert secret not in str(error.value)
        (folder / name).write_bytes(before)


KINDS = {
    "hub": "hf_" + "aB3" * 12,
    "openai": "sk-proj-" + "aB3x" * 10,
    "anthropic": "sk-ant-api03-" + "aB3x_-" * 10,
    "aws": "AKIA" + "Q3EGRKBA" * 2,
    "aws-secret": "aws_secret_access_key = '" + "aB3/" * 10 + "'",
    "pem": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\n-----END RSA PRIVATE KEY-----",
    "basic": "https://me:pw1234567@example.org/v1",
    "query": "https://example.org/v1?api_key=aB3aB3aB3aB3",
    "bearer": "Authorization: Bearer aB3aB3aB3aB3aB3aB3aB3",
    "azure": "api-key: 0123456789abcdef0123456789abcdef",
    "github": "ghp_" + "aB3" * 12,
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_secrets_are_recognised(kind):
    assert list(kinds_of(f"Once upon a time {KINDS[kind]} there was", []))


@pytest.mark.parametrize(
    "text",
    [
        "The task-force of desk-bound risk-averse-but-not-very-clever-mice met at 7:30. Password: please!",
        "api_key: '********'\nbase_url: https://example.org/v1?api-version=2024-10-21&top_k=40",
        "Basic understanding2 of bearer cats; the secret: a token of love, tokens: 1234567890123456789012",
        "a " * 3 + "0123456789abcdef" * 4,
    ],
)
def test_stories_are_not_taken_for_secrets(text):
    assert list(kinds_of(text, [])) == []


def test_no_real_story_or_tokenizer_is_taken_for_a_secret(shared, tinystories):
    assert list(kinds_of("\n".join(tinystories), [])) == []
    for path in (shared / "models" / "stories260K").iterdir():
        if path.suffix in (".json", ".safetensors"):
            assert list(kinds_in(path, [])) == [], path


def test_secrets_are_found_in_every_form_of_a_file(tmp_path):
    secret = KINDS["hub"]
    line = f"a story\n{secret}\n".encode()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.jsonl.gz", gzip.compress(line))
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
        info = tarfile.TarInfo("a.txt")
        info.size = len(line)
        tar.addfile(info, io.BytesIO(line))
    names = pa.array(["cat", secret]).dictionary_encode()
    tables = {
        "metadata": pa.table({"text": ["x"]}).replace_schema_metadata({"key": secret}),
        "field": pa.table([["x"]], pa.schema([pa.field("text", pa.string(), metadata={"key": secret})])),
        "column": pa.table({secret: ["x"]}),
        "dictionary": pa.table({"names": names}),
        "nested": pa.table({"messages": [[{"role": "user", "content": ["x", secret]}]]}),
        "map": pa.table({"of": pa.array([[("cat", secret)]], pa.map_(pa.string(), pa.string()))}),
        "fixed": pa.table({"image": pa.array([secret.encode()], pa.binary(len(secret)))}),
        "binary": pa.table({"image": [gzip.compress(b"x"), secret.encode("utf-16")]}),
    }
    forms = {"gz": gzip.compress(line), "bz2": bz2.compress(line), "xz": lzma.compress(line)}
    forms |= {"zst": pa.compress(line, "zstd", asbytes=True), "lz4": pa.compress(line, "lz4", asbytes=True)}
    forms |= {"zip": zipped.getvalue(), "tar": tarred.getvalue()}
    forms |= {"utf16": line.decode().encode("utf-16"), "edge": b" " * ((1 << 22) - 10) + line}
    for name, table in tables.items():
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd")
        forms[name] = sink.getvalue()
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content)
        assert "Token" in kinds_in(tmp_path / name, []), name
    damaged = {"cut": forms["gz"][:-12], "bent": forms["gz"][:12] + b"\xff" * 9, "7z": b"7z\xbc\xaf'\x1c"}
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RecipeError, match=f"{name}: cannot be searched for secrets"):
            refuse_secrets(tmp_path, [name], "hf_mine", allow=["Token"])
    said = r'\(Token\); it is not published; if it is a false alarm: .* --allow "Token"'
    with pytest.raises(RecipeError, match=said):
        refuse_secrets(tmp_path, ["gz"], "hf_mine")
    refuse_secrets(tmp_path, ["gz"], "hf_mine", allow=["Token"])


def test_bad_headers_are_refused(stories):
    card = stories / "README.md"
    configs = "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/trian-*\n"
    card.write_text(card.read_text().replace("license:", f"{configs}license:", 1))
    with pytest.raises(RecipeError, match="no file in the folder matches"):
        read_card(stories, "dataset", files_of(stories))
    card.write_text("---\nlicense: [\n---\n# Title\n")
    with pytest.raises(RecipeError, match="YAML header cannot be read"):
        read_card(stories, "dataset", files_of(stories))
