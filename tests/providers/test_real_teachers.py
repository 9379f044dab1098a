"""SmolLM2-135M as a teacher, for real: behind llama.cpp's server, and in this process. `make server` installs what they need."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard
from journals import journalled

pytestmark = pytest.mark.slow
STORIES = 10
RECIPE = [
    *("--template", "guided", "--features", "[]", "--num_stories", STORIES),
    *("--max_tokens", 200, "--temperature", 0.8, "--validation_fraction", 0),
    *("--filters", "[finish_reason, {type: length, min_words: 20}, repetition, required_words, near_duplicates]"),
]


@pytest.fixture(scope="module")
def server(gguf, tmp_path_factory):
    """A provider's options that name llama.cpp's server."""
    if importlib.util.find_spec("llama_cpp") is None:
        pytest.skip("needs llama-cpp-python: make server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", gguf, "--host", "127.0.0.1", "--port", port]
    command += ["--n_ctx", 1024, "--n_threads", 1, "--n_threads_batch", 1, "--verbose", False]
    with (tmp_path_factory.mktemp("server") / "log").open("w") as log:
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}/v1"
            deadline = time.monotonic() + 120
            while True:
                try:
                    urllib.request.urlopen(url + "/models").read()
                    break
                except urllib.error.URLError:
                    assert process.poll() is None and time.monotonic() < deadline, Path(log.name).read_text()
                    time.sleep(0.2)
            yield ["--provider", f"{{type: openai, base_url: {url}, model: smollm2, concurrency: 1}}"]
        finally:
            process.kill()
            process.wait()


def check_folder(folder: Path, provider: str) -> None:
    rows = [row for file in sorted((folder / "data").iterdir()) for row in pq.read_table(file).to_pylist()]
    kept, rejected = ([r for r in rows if bool(r["rejected_by"]) is refused] for refused in (False, True))
    assert sorted(row["index"] for row in rows) == list(range(STORIES)) and kept and rejected
    assert all(row["provider"] == provider and row["completion_tokens"] > 0 for row in rows)
    assert len({row["text"] for row in rows}) == STORIES
    card = DatasetCard.load(folder / "README.md")
    assert card.data.language == ["en"] and "text-generation" in card.data.task_categories
    assert json.loads((folder / "statistics.json").read_text())["tokens"]["completion"] > 0


def test_stories_from_a_real_server(server, tmp_path, silly_llm):
    done = silly_llm("generate", *server, *RECIPE, "--output_dir", tmp_path / "stories", timeout=600)
    assert done.returncode == 0, done.stderr
    check_folder(tmp_path / "stories", "openai")
    assert len(journalled(tmp_path / "stories")) == STORIES


def test_a_vocabulary_from_a_real_server_as_json(server, tmp_path, silly_llm):
    """llama-cpp-python ignores OpenAI's form of a schema silently; the answer must be valid all the same."""
    options = ["--words", 6, "--words_per_request", 10, "--max_tokens", 200, "--output_dir", tmp_path / "words"]
    done = silly_llm("vocabulary", *server, *options, timeout=600)
    answers = list(journalled(tmp_path / "words").values())
    assert answers and all(isinstance(json.loads(answer)["words"], list) for answer in answers), done.stderr


def test_stories_in_this_process(gguf, tmp_path, silly_llm):
    spec = ["--provider.type", "transformers", "--provider.model", "smollm2-135m-instruct"]
    done = silly_llm("generate", *spec, *RECIPE, "--output_dir", tmp_path / "stories", timeout=600)
    assert done.returncode == 0, done.stderr
    check_folder(tmp_path / "stories", "transformers")
