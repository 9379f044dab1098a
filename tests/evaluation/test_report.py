import json
import re

import pytest
from markdown_it import MarkdownIt

from silly_llm.core.errors import RecipeError
from silly_llm.evaluation.metrics.statistics import Label, Metric
from silly_llm.evaluation.report.report import as_pairs, report_context, write_report
from silly_llm.evaluation.report.tables import best_of, metrics_table, table
from silly_llm.evaluation.report.texts import marked

EVIL = '<script>alert("x")</script><img src="https://evil.example/x.png">'


def metric(value, low, high, n=100):
    return {"value": value, "low": low, "high": high, "n": n}


def model(bits, chat):
    included = (0.9, 0.85, 0.95) if chat else (0.1, 0.05, 0.15)
    metrics = {"bits_per_byte": metric(bits, bits - 0.01, bits + 0.01), "loss": metric(1.3, None, None)}
    metrics |= {"ends_by_itself": metric(0.95, 0.9, 0.98), "words_included": metric(*included)}
    metrics |= {"my_plugin/score": metric(3.5, 3.0, 4.0)}
    beginning = {"kind": "beginning", "prompt": "Once upon", "completion": f" a time {EVIL}", "ended": True}
    request = {"kind": "instruction", "prompt": f"Words: dog, jump {EVIL}", "completion": "The dogs jumped."}
    request |= {"ended": not chat, "words": {"dog": True, EVIL: False}, "features": {"bad_ending": False}}
    details = {"chat": chat, "parameters": 2_160_000, "bits_per_byte": {"context": 512, "documents_cut": 0}}
    return {"metrics": metrics, "samples": [beginning, request], "details": details}


@pytest.fixture
def results():
    settings = {"window": "sliding", "temperature": 0.8, "top_p": 1.0, "max_new_tokens": 512, "seed": 1}
    return {
        "models": {f"base {EVIL}": model(0.9, False), "tuned": model(0.95, True)},
        "dataset": {"documents_scored": 100, "stories_asked_for": 50, "split": "validation"},
        "settings": settings | {"beginning_words": 3},
    }


@pytest.fixture
def folders(tmp_path):
    """What other phases leave behind, torn and odd in places."""
    log = [{"step": i, "tokens": i * 1000, "loss": 5 / i, "learning_rate": 0.001} for i in range(1, 20)]
    log += [{"step": 19, "tokens": 19000, "eval_loss": 1.0, "eval_bits_per_byte": 0.5}]
    for phase in ("stories", "pretrain", "sft"):
        (tmp_path / phase).mkdir()
        (tmp_path / phase / "provenance.json").write_text(json.dumps({"seconds": 100.0}))
        (tmp_path / phase / "recipe.yaml").write_text(f"seed: 42\nnote: {EVIL}\n")
        (tmp_path / phase / "training_log.jsonl").write_text("\n".join(map(json.dumps, log)) + '\n{"step": 20, "lo')
    statistics = {"stories": {"kept": 90, "rejected": 10}, "rejected_by": {"length": 10}, "openings": None, "odd": [1]}
    (tmp_path / "stories" / "statistics.json").write_text(json.dumps(statistics))
    return {phase: str(tmp_path / phase) for phase in ("stories", "pretrain", "sft")} | {"vocabulary": "nowhere"}


@pytest.fixture
def page(results, folders, tmp_path):
    write_report(results, tmp_path / "out", folders=folders, recipe={"model": "x"})
    return (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_page_runs_no_script_and_fetches_nothing(page):
    assert not {"script", "img", "link", "iframe", "object"} & set(re.findall(r"<(\w+)", page))
    assert not re.search(r"@import|url\((?!#)|\son\w+=\"", page)
    assert all(target.startswith("#") for target in re.findall(r'\b(?:src|href|data|poster)="([^"]*)', page))
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', page)
    assert "default-src 'none'" in policy and "script" not in policy
    assert page.index(policy) < min(page.index("<style"), page.index("<title"))  # before all that it governs


def test_page_shows_what_was_asked_for(page, results, folders, tmp_path):
    assert page.count("<svg") == 6  # loss, bits per byte and learning rate of both trainings
    shown = {"Bits per byte", "my_plugin/score", "Stories", "Pretraining", "Instruction tuning", "seed: 42"}
    shown |= {"<mark>dogs</mark>", "2.16 M parameters", "needs 0.900 bits for a byte", "and ends 95.0\u00a0%"}
    shown |= {"Together"}
    assert [text for text in shown if text not in page] == []
    write_report(results, tmp_path / "again", folders=folders, recipe={"model": "x"})
    assert (tmp_path / "again" / "report.html").read_text(encoding="utf-8") == page


def test_bare_results_are_enough(tmp_path):
    write_report({"models": {"m": {"metrics": {"loss": metric(1, None, None)}}}}, tmp_path)
    assert "Loss per token" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "report.md").read_text().startswith("# m\n")


def test_tables_have_a_line_a_metric(results, tmp_path):
    write_report(results, tmp_path)
    text = re.sub(" +", " ", (tmp_path / "report.md").read_text(encoding="utf-8"))
    assert "| Requested words included | 10.0 % (5.0 to 15.0 %; n = 100) | **90.0 %** (" in text
    lines = metrics_table(results).splitlines()
    assert lines[0].split()[-2] == "tuned" and any(" 0.900 (0.890 to 0.910) " in line for line in lines)
    assert len(set(map(len, lines))) == 1


def test_statistics_tolerate_what_is_missing(folders):
    found = report_context({"models": {}}, None, folders)["statistics"]
    assert ("stories kept", "90") in found["facts"]
    assert [bar["title"] for bar in found["bars"]] == ["Rejected by"]
    assert as_pairs([["a", 1], "b", ["c"], ["d", None]]) == [("a", 1)]


def test_a_winner_needs_intervals_that_do_not_overlap():
    low, high, wide = metric(0.90, 0.89, 0.91), metric(0.95, 0.94, 0.96), metric(0.95, 0.90, 0.99)
    assert best_of({"a": low, "b": high}, higher=False) == ("a", [])
    assert best_of({"a": low, "b": high}, higher=True) == ("b", [])
    assert best_of({"a": low, "b": wide}, higher=False) == ("a", ["b"])
    assert best_of({"a": low, "b": high}, higher=None) is None is best_of({"a": low, "b": None}, higher=False)


def test_marks_inflected_words_and_escapes_the_rest():
    assert marked("Dogs & <b>cats</b>", ["dog"]) == "<mark>Dogs</mark> &amp; &lt;b&gt;cats&lt;/b&gt;"


def test_nothing_of_a_model_or_a_story_is_markdown(results, tmp_path):
    story = "# A\n\n- b\n1. c\n---\n    d\n```\n<b>e</b> | [x](javascript:1) ![y](http://e/y.png)\n===\n"
    (_, first), *others = results["models"].items()
    for sample in first["samples"]:
        sample["completion"] = story
    results["models"] = {f"a|b\n# c {story}": first} | dict(others)
    results["dataset"]["split"] = results["settings"]["window"] = story
    write_report(results, tmp_path, title=story)
    tokens = MarkdownIt("commonmark").enable("table").parse((tmp_path / "report.md").read_text())
    inner = {child.type for token in tokens for child in token.children or ()}
    assert inner <= {"text", "text_special", "softbreak", "strong_open", "strong_close"}
    kinds = [token.type for token in tokens]
    assert not {"html_block", "code_block", "fence", "hr", "ordered_list_open"} & set(kinds)
    headings = [token.content for i, token in enumerate(tokens) if kinds[i - 1] == "heading_open"]
    assert headings[1:] == ["Results", "Stories", "Method"]
    rows = [kinds[i:].index("tr_close") for i, kind in enumerate(kinds) if kind == "tr_open"]
    assert len(set(rows)) == 1  # no cell more


def test_a_plugins_metric_is_shown_and_ranked_as_its_label_says(results):
    label = Label("Stories with digits", "Telling stories", "none is wanted", higher_is_better=False, percent=True)
    for found, value in zip(results["models"].values(), (0.5, 0.1), strict=True):
        for name, said in (("numbers", label), ("bare", None)):
            found["metrics"][name] = Metric(value, value - 0.05, value + 0.05, 20, label=said).as_json()
    groups = {group["title"]: {row["label"]: row for row in group["rows"]} for group in table(results)}
    shown = groups["Telling stories"]["Stories with digits"]
    assert [cell["best"] for cell in shown["cells"]] == [False, True] and shown["hint"] == "none is wanted"
    assert shown["cells"][1]["value"] == "10.0 %"
    assert not any(cell["best"] for cell in groups["Other metrics"]["bare"]["cells"])
    next(iter(results["models"].values()))["metrics"]["numbers"]["label"]["higher"] = True
    with pytest.raises(RecipeError, match=r"results\.json: numbers: label: unknown key 'higher'"):
        table(results)
