"""Odd answers within a run: it ends, keeps the rest, says what it dropped, and a killed run ends with the same bytes."""

import json

import pytest
from folders import contents
from journals import journalled, kill
from servers.scripted_llm import ScriptedLLM
from servers.scripted_oddities import ODDITIES
from test_generation import delivered, every_row, generate, rows, write_recipe

from silly_llm.core.errors import RunError
from silly_llm.data.vocabulary import vocabulary

ODD = {"odd": sorted(ODDITIES), "odd_rate": 0.25}


def test_two_hundred_with_all_oddities_killed_and_resumed_end_the_same(tmp_path, capsys):
    with ScriptedLLM(tmp_path, **ODD) as server:
        calm, killed = tmp_path / "calm", tmp_path / "killed"
        generate("--config", write_recipe(tmp_path, server, calm, count=200))
        said = capsys.readouterr().out
        recipe = write_recipe(tmp_path, server, killed, count=200)
        server.behave(latency=0.02)
        before = delivered(server)
        kill("generate", "--config", recipe, when=lambda: delivered(server) >= before + 100)
        generate("--config", recipe)
    assert contents(killed) == contents(calm)
    assert (killed / "statistics.json").read_bytes() == (calm / "statistics.json").read_bytes()
    every = every_row(calm)
    assert sorted(row["index"] for row in every) == list(range(200))
    kept = len(every) - len(rows(calm, "rejected"))
    assert kept > 150 and f"{len(rows(calm, 'rejected')):,} rejected" in said
    statistics = json.loads((calm / "statistics.json").read_text())
    assert statistics["cleaned_by"]["characters"] and statistics["thinking"]["answers"]
    assert statistics["rejected_by"]["answer"] and statistics["rejected_by"]["thinking"]
    assert "cleaned of: characters" in said and "of the completion tokens (estimated)" in said
    texts = journalled(calm).values()
    assert any("<think>" in text for text in texts) and not any("<think" in row["text"] for row in every)


def test_an_answer_that_is_never_text_ends_no_run(tmp_path, capsys):
    with ScriptedLLM(tmp_path, odd=["parts", "number"], odd_rate=1.0) as server:
        recipe = write_recipe(tmp_path, server, output := tmp_path / "stories", count=30)
        generate("--config", recipe, "--provider.attempts", 2)
        asked = len(server.asked())
        assert "answer: its content is a number" in [r["rejected_by"][0] for r in rows(output, "rejected")]
        generate("--config", recipe, "--provider.attempts", 2, "--filters", "[length]", "--force")
        assert len(server.asked()) == asked


THOUGHT = "<think>\nThe user wants a story, with the words.\n</think>\n\n"


def test_thinking_is_shown_with_its_cost_in_preview_and_report(tmp_path, capsys):
    with ScriptedLLM(tmp_path, before=THOUGHT) as server:
        options = ["--config", str(write_recipe(tmp_path, server, output := tmp_path / "stories", count=20))]
        options += ["--provider.price_per_million", "{prompt: 1000, completion: 5000}"]
        generate(*options, "--preview", 2)
        said = capsys.readouterr().out
        assert "of them thinking, estimated), ended by stop; kept]" in said and "<think>" not in said
        assert "of it for thinking" in said
        generate(*options)
        said = capsys.readouterr().out
        assert "thinking in 20 answers: " in said and ", cost " in said
        row = rows(output, "train")[0]
        assert row["reasoning_tokens"] > 5 and row["reasoning_estimated"] and row["text"][0] != "<"
        provenance = json.loads((output / "provenance.json").read_text())
        assert provenance["thinking"]["tokens"] and provenance["thinking"]["cost"] > 0


@pytest.mark.parametrize(("count", "said"), [(6, "refused every story"), (60, "the first 2")])
def test_thinking_that_uses_up_the_limit_says_so_and_what_to_do(tmp_path, count, said):
    with ScriptedLLM(tmp_path, odd=["cut_in_thought"]) as server:
        recipe = write_recipe(tmp_path, server, tmp_path / "stories", count=count)
        with pytest.raises(RunError, match=r"used up max_tokens.*raise max_tokens, or switch") as raised:
            generate("--config", recipe, "--filters", "[duplicates]")
        assert said in str(raised.value) and len(server.asked()) <= 60


def test_a_budget_of_tokens_acts_where_the_server_counts_none(tmp_path, capsys):
    with ScriptedLLM(tmp_path, odd=["no_usage"]) as server:
        recipe = write_recipe(tmp_path, server, tmp_path / "stories", count=20)
        for _ in range(2):  # also of what an earlier run spent
            with pytest.raises(RunError, match="max_tokens_total leaves no room"):
                generate("--config", recipe, "--max_tokens_total", 4000)
            assert 0 < len(server.asked()) < 20 and "counts no tokens" in capsys.readouterr().out


def test_other_cleaning_asks_for_nothing_again(tmp_path, capsys):
    with ScriptedLLM(tmp_path, before="## A Dog\n\n") as server:
        options = ["--config", str(write_recipe(tmp_path, server, output := tmp_path / "stories", count=20))]
        generate(*options)
        assert all(row["text"].startswith("## A Dog") for row in rows(output, "train"))
        generate(*options, "--force", "--cleaning", "[titles, {pattern: 'days old', replacement: years old}]")
        assert "cleaned of: titles 20, /days old/ 20" in capsys.readouterr().out
        assert all("##" not in r["text"] and r["cleaned_by"][0] == "titles" for r in rows(output, "train"))
        assert len(server.asked()) == 20


@pytest.mark.parametrize("before", [THOUGHT, "[THINK]cat, dog[/THINK]"])
def test_a_vocabulary_is_read_behind_thinking(tmp_path, before):
    with ScriptedLLM(tmp_path, before=before) as server:
        provider = f"{{type: openai, base_url: {server.url}, model: scripted, first_wait: 0}}"
        argv = ["--provider", provider, "--words", "20", "--output_dir", str(tmp_path / "words"), "--patience", "1"]
        vocabulary.main([*argv, "--checks", "{min_frequency: null, profanity: false}"])
        words = json.loads((tmp_path / "words" / "vocabulary.json").read_text())
        assert len(words["nouns"]) >= 5 and "cat" not in words["nouns"]  # which the server only thinks
