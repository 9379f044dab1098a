"""`silly-llm generate` as people run it: real processes, a real server, killed for real."""

import asyncio
import json
import random
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from folders import contents
from journals import journalled, kill
from servers.scripted_llm import ScriptedLLM, answer

from silly_llm.asking.engine import Engine, answer_all
from silly_llm.asking.journal import Journal
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.data.generation.generate import main
from silly_llm.data.generation.rows import validates
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, RequestFailed

RECIPE = """\
provider: {{type: {type}, base_url: "{url}", model: scripted, concurrency: 8, max_concurrency: 8, first_wait: 0.01}}
num_stories: {count}
seed: 7
filters: [finish_reason, {{type: length, min_words: 40}}, required_words, repetition, duplicates]
validation_fraction: 0.1
output_dir: {output}
"""
PRICES = ["--provider.price_per_million", "{prompt: 1.0, completion: 4.0}"]


def generate(*arguments: object) -> None:
    """`silly-llm generate` in this process."""
    main([str(argument) for argument in arguments])


def write_recipe(folder: Path, server: ScriptedLLM, output: Path, *, type: str = "openai", count: int = 60) -> Path:
    url = server.url + ("/v1" if type == "openai" else "")
    file = folder / f"{output.name}.yaml"
    file.write_text(RECIPE.format(type=type, url=url, count=count, output=output), encoding="utf-8")
    return file


def delivered(server: ScriptedLLM) -> int:
    """How many answers the server has given; quicker than `server.asked()`."""
    return server.log.read_bytes().count(b"\n") if server.log.exists() else 0


def rows(folder: Path, split: str) -> list[dict]:
    return [row for file in sorted((folder / "data").glob(f"{split}-*")) for row in pq.read_table(file).to_pylist()]


def every_row(folder: Path) -> list[dict]:
    return [row for split in ("train", "validation", "rejected") for row in rows(folder, split)]


def test_stories_through_a_server(tmp_path, silly_llm, python):
    with ScriptedLLM(tmp_path) as server:
        recipe = write_recipe(tmp_path, server, output := tmp_path / "stories", type="tgi")
        done = silly_llm("generate", "--config", recipe)
        assert done.returncode == 0, done.stderr
        assert "60 stories" in done.stdout and "silly-llm pretrain --config" in done.stdout
        kept = rows(output, "train") + rows(output, "validation")
        rejected = rows(output, "rejected")
        assert sorted(row["index"] for row in kept + rejected) == list(range(60))
        assert len(rows(output, "validation")) == len(kept) // 10
        assert all(row["rejected_by"] for row in rejected) and not any(row["rejected_by"] for row in kept)
        row = kept[0]
        assert row["provider"] == "tgi" and row["model"] == "scripted" and row["template"] == "tinystories"
        assert len(row["words"]) == 3 and row["words"][0] in row["prompt"]
        assert json.loads(row["parameters"]) == {"max_tokens": 512, "temperature": 1.0, "top_p": 1.0}
        statistics = json.loads((output / "statistics.json").read_text())
        assert statistics["stories"]["kept"] == len(kept) and statistics["tokens"]["completion"] > 60 * 40
        assert statistics["sampled"]["words_included"] == 1.0
        assert "openings" in (output / "README.md").read_text()
        again = silly_llm("generate", "--config", recipe)
        assert again.returncode == 0 and "up to date" in again.stdout
        assert len(server.asked()) == 60
    code = "import sys, datasets; d = datasets.load_dataset(sys.argv[1]); print(sorted(d), d['train'].num_rows > 20)"
    loaded = python(code, output).stdout.strip()
    assert loaded.endswith("True") and "'train', 'validation'" in loaded


@pytest.mark.slow
def test_killed_twenty_times_it_repeats_nothing_that_was_recorded_and_ends_the_same(tmp_path, silly_llm):
    """`kill -9` at random moments of a long run against a server that fails one request in ten."""
    count, in_flight, draw = 2_000, 64, random.Random(3)
    options = ["--provider.concurrency", 32, "--provider.max_concurrency", in_flight]
    with ScriptedLLM(tmp_path / "calm-log", latency=0.01) as server:
        recipe = write_recipe(tmp_path, server, calm := tmp_path / "calm", count=count)
        assert silly_llm("generate", "--config", recipe, *options).returncode == 0
    faults = ["429", "500", "503", "424", "garbage", "drop", "truncated", "empty", "drop_middle"]
    with ScriptedLLM(tmp_path, fail=faults, fail_rate=0.1, latency=0.1) as server:
        recipe = write_recipe(tmp_path, server, output := tmp_path / "killed", count=count)
        recorded: list[tuple[int, dict]] = [(0, {})]  # at each kill: answers the server had given, and the journal
        for moment in sorted(draw.sample(range(1, count), 20)):
            delay = iter([False] * draw.randrange(20))
            due = lambda moment=moment, delay=delay: delivered(server) >= moment and next(delay, True)  # noqa: E731
            kill("generate", "--config", recipe, *options, when=due)
            assert not (output / "data").exists()
            given, journal = delivered(server), journalled(output)
            assert recorded[-1][1].items() <= journal.items()
            assert len(journal) >= given - len(recorded) * in_flight
            recorded.append((given, journal))
        done = silly_llm("generate", "--config", recipe, *options)
        assert done.returncode == 0 and "came from the journal" in done.stdout, done.stderr
        assert contents(output) == contents(calm)
        assert (output / "statistics.json").read_bytes() == (calm / "statistics.json").read_bytes()
        asked = server.asked()
        for before, journal in recorded:
            again = {answer(record["prompt"], record["seed"], 512)[0] for record in asked[before:]}
            assert again.isdisjoint(journal.values())
        # What a kill took between the server's last byte and the journal is asked again: at most what was in flight.
        assert len({record["seed"] for record in asked}) == count == len(journalled(output))
        assert len(asked) - count <= len(recorded) * in_flight


def test_changing_filters_and_number_reuses_every_answer(tmp_path, capsys):
    with ScriptedLLM(tmp_path) as server:
        recipe = write_recipe(tmp_path, server, output := tmp_path / "stories", count=30)
        generate("--config", recipe)
        more = ["--config", recipe, "--num_stories", 40]
        generate(*more)
        assert "continues, num_stories is 40, was 30" in capsys.readouterr().out
        with pytest.raises(RecipeError, match=r"filters.*paid answers"):
            generate(*more, "--filters", "[duplicates]")
        generate(*more, "--filters", "[duplicates]", "--force")
        assert len(server.asked()) == 40
        assert len(rows(output, "train")) + len(rows(output, "validation")) == 40


def test_failures_are_retried_and_never_recorded(tmp_path):
    with ScriptedLLM(tmp_path, fail=["429", "503", "424", "garbage", "drop"], fail_rate=0.3) as server:
        generate("--config", write_recipe(tmp_path, server, output := tmp_path / "stories"))
        assert len(every_row(output)) == 60 == len({record["seed"] for record in server.asked()})


@pytest.mark.parametrize(
    ("options", "said", "error"),
    [
        (["--provider.api_key", "wrong-key"], r"wrong or missing token \(HTTP 401: invalid token \*{8}", RunError),
        (["--provider.model", "missing"], "does not exist", RunError),
        (["--provider.base_url", "http://127.0.0.1:9"], "no server answers", RunError),
        (["--provider.base_url", "127.0.0.1:9"], "base_url: expected http", RecipeError),
        (["--template", "Tell of {{ nuon }}"], r"unknown variable 'nuon' \(did you mean 'noun'\?\)", RecipeError),
        (["--filters", "[lenght]"], r"did you mean 'length'\?", RecipeError),
        (["--features", "[dialog]"], r"did you mean 'dialogue'\?", RecipeError),
        (["--vocabulary", "no/such/words.json"], "no such file", RecipeError),
        (["--provider.modle", "x"], r"did you mean 'model'\?", RecipeError),
        (["--num_stories", "many"], "num_stories", RecipeError),
        (["--provider.type", "opnai"], r"did you mean 'openai'\?", RecipeError),
    ],
)
def test_bad_input_is_one_line(tmp_path, options, said, error):
    with ScriptedLLM(tmp_path, token="right" if "--provider.api_key" in options else "") as server:
        output = tmp_path / "stories"
        with pytest.raises(error, match=said) as raised:
            generate("--config", write_recipe(tmp_path, server, output), *options)
        assert "\n" not in str(raised.value) and "wrong-key" not in str(raised.value)
        assert not server.asked() and not (output if error is RecipeError else output / "data").exists()


def test_a_dry_preview_sends_and_writes_nothing(tmp_path, capsys):
    with ScriptedLLM(tmp_path) as server:
        recipe = write_recipe(tmp_path, server, output := tmp_path / "stories")
        generate("--config", recipe, "--preview", 2, "--dry_run", *PRICES)
        said = capsys.readouterr().out
        assert said.count("[user]") == 2 and "60 stories: about" in said and "cost: at most about" in said
        assert not output.exists() and not server.asked()


def test_a_preview_shows_answers_that_the_run_need_not_pay_for_again(tmp_path, capsys):
    with ScriptedLLM(tmp_path) as server:
        recipe = write_recipe(tmp_path, server, tmp_path / "stories")
        generate("--config", recipe, "--preview", 3)
        said = capsys.readouterr().out
        assert said.count("[answer:") == 3
        assert "60 stories like these 3: about" in said and "time: about" in said
        generate("--config", recipe)
        assert "3 answers came from the journal, 57 were requested" in capsys.readouterr().out
        assert len(server.asked()) == 60


def test_a_budget_stops_before_it_is_exceeded_and_more_of_it_continues(tmp_path):
    spent = {
        "max_requests": (20, len),
        "max_tokens_total": (5000, lambda part: sum(row["prompt_tokens"] + row["completion_tokens"] for row in part)),
        "max_cost": (0.01, lambda part: sum(row["cost"] for row in part)),
    }
    with ScriptedLLM(tmp_path) as server:
        generate("--config", write_recipe(tmp_path, server, tmp_path / "calm"), *PRICES)
        for limit, (amount, spending) in spent.items():
            output, before = tmp_path / limit, len(server.asked())
            options = ["--config", write_recipe(tmp_path, server, output), *PRICES]
            with pytest.raises(RunError, match=f"stopped: {limit}"):
                generate(*options, f"--{limit}", amount)
            part = every_row(output)
            assert 0 < len(part) == len(server.asked()) - before < 60
            assert 0.5 * amount < spending(part) <= amount
            generate(*options, f"--{limit}", 1000 * amount)
            assert len(server.asked()) - before == 60 and contents(output) == contents(tmp_path / "calm")


def test_refused_stories_are_asked_again_with_a_new_seed(tmp_path):
    with ScriptedLLM(tmp_path) as server:
        once, thrice = tmp_path / "once", tmp_path / "thrice"
        strict = ["--filters", "[{type: length, min_words: 110}, duplicates]"]
        generate("--config", write_recipe(tmp_path, server, once), *strict)
        generate("--config", write_recipe(tmp_path, server, thrice), *strict, "--max_attempts", 3)
        first = {row["index"] for row in rows(once, "train") + rows(once, "validation")}
        kept = rows(thrice, "train") + rows(thrice, "validation")
        rejected = rows(thrice, "rejected")
        assert first < {row["index"] for row in kept}
        assert len({row["index"] for row in kept}) == len(kept)
        again = [row for row in kept if row["attempt"]]
        assert again and all(row["id"] == f"{row['index']}-{row['attempt']}" for row in again)
        for row in again:  # the refused attempts before it are kept with their reasons, and had other seeds
            before = [r for r in rejected if r["index"] == row["index"]]
            assert [r["attempt"] for r in before] == list(range(row["attempt"]))
            assert len({r["seed"] for r in [*before, row]}) == row["attempt"] + 1
        assert json.loads((thrice / "statistics.json").read_text())["asked_again"] == len(kept) + len(rejected) - 60


def test_eight_shards_merged_equal_one_process_row_for_row(tmp_path, capsys):
    with ScriptedLLM(tmp_path) as server:
        whole, parts = tmp_path / "whole", tmp_path / "parts"
        alike = "{type: near_duplicates, threshold: 0.2}"  # The server's stories are no closer.
        filters = ["--filters", f"[finish_reason, required_words, duplicates, {alike}]"]
        generate("--config", write_recipe(tmp_path, server, whole, count=200), *filters)
        command = ["--config", write_recipe(tmp_path, server, parts, count=200), *filters, "--num_shards", 8]
        with pytest.raises(RunError, match="8 of 8 shards are not finished"):
            generate(*command)
        for shard in range(8):
            generate(*command, "--shard_index", shard)
        assert "--shard_index merges them" in capsys.readouterr().out
        generate(*command)
        assert contents(parts) == contents(whole)
        assert (parts / "statistics.json").read_bytes() == (whole / "statistics.json").read_bytes()
        assert sum(bool(row["duplicate_of"]) for row in rows(whole, "rejected")) >= 5
        generate(*command)
        assert "up to date" in capsys.readouterr().out
        with pytest.raises(RunError, match="was made with a different recipe"):
            generate(*command, "--seed", 8)
        assert len(server.asked()) == 400


def test_a_writer_in_a_process_and_one_in_a_thread_write_the_same(tmp_path, silly_llm):
    """Forked by the command; not forked where other threads run."""
    with ScriptedLLM(tmp_path) as server:
        forked, inline = tmp_path / "forked", tmp_path / "inline"
        assert silly_llm("generate", "--config", write_recipe(tmp_path, server, forked)).returncode == 0
        over = threading.Event()
        other = threading.Thread(target=over.wait)
        other.start()
        try:
            generate("--config", write_recipe(tmp_path, server, inline))
        finally:
            over.set()
            other.join()
        assert contents(forked) == contents(inline)


def test_the_storyteller_gives_the_same_bytes_without_a_journal(tmp_path):
    for name in ("one", "two"):
        generate("--config", "recipes/base/generation.yaml", "--num_stories", 300, "--output_dir", tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert not list((tmp_path / "one").glob("journal*"))
    kept = rows(tmp_path / "one", "train")
    assert len(kept) > 270 and all(row["summary"] for row in kept)


# The engine and the phase in this process ---------------------------------------------------------------


class Echo(LLMProvider):
    """Answers with its seed; remembers what it was asked; fails where told."""

    def __init__(self, batch_size=4, failing=(), whole=False):
        self.model = "echo"
        self.batch_size = batch_size
        self.failing = set(failing)
        self.answers_depend_on_batch = whole
        self.batches: list[list[int]] = []

    async def complete(self, requests):
        self.batches.append([request.seed for request in requests])
        return [
            RequestFailed("no luck") if r.seed in self.failing else Completion(f"story {r.seed}", "stop", 1, 2, "echo")
            for r in requests
        ]


def ask(provider, journal, count):
    async def run():
        pairs = ((i, ChatRequest(({"role": "user", "content": "x"},), seed=i)) for i in range(count))
        return [(i, answer) async for i, _, answer in answer_all(pairs, Engine(provider, journal))]

    return asyncio.run(run())


def test_answers_come_in_order_and_failures_are_asked_again(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        first = ask(Echo(failing=[5]), journal, 10)
        assert [i for i, _ in first] == list(range(10)) and isinstance(first[5][1], RequestFailed)
        assert len(journal) == 9
        second = Echo()
        assert [answer.text for _, answer in ask(second, journal, 10)] == [f"story {i}" for i in range(10)]
        assert second.batches == [[5]]


def test_a_teacher_in_process_is_asked_whole_batches(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        ask(Echo(failing=[5], whole=True), journal, 10)
        provider = Echo(whole=True)
        ask(provider, journal, 10)
        assert provider.batches == [[4, 5, 6, 7]]


def test_nothing_but_failures_stops_early():
    provider = Echo(failing=range(10**6), batch_size=1)
    with pytest.raises(RunError, match="no luck"):
        ask(provider, None, 1000)
    assert len(provider.batches) == 20


def test_validation_is_exactly_the_share():
    chosen = [number for number in range(1, 1001) if validates(number, 0.02)]
    assert len(chosen) == 20 and chosen[0] > 1
    assert not any(validates(number, 0.0) for number in range(1, 1001))
