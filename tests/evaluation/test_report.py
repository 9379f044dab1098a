import json
import re
from html.parser import HTMLParser

import pytest

from silly_llm.core.errors import RecipeError
from silly_llm.evaluation.compare import verdicts
from silly_llm.evaluation.metrics.statistics import Label, Metric
from silly_llm.evaluation.report.report import as_pairs, report_context, write_report
from silly_llm.evaluation.report.tables import best_of, metrics_table, table
from silly_llm.evaluation.report.texts import marked

EVIL = '<script>alert("x")</script><img src="https://evil.example/x.png">'


def metric(value, low, high, n=100):
    return {"value": value, "low": low, "high": high, "n": n}


@pytest.fixture
def results():
    def model(bits, chat):
        samples = [
            {"kind": "beginning", "prompt": "Once upon", "completion": f" a time {EVIL}", "ended": True},
            {
                "kind": "instruction",
                "prompt": f"Words: dog, jump {EVIL}",
                "completion": "The dogs jumped.",
                "ended": not chat,
                "words": {"dog": True, EVIL: False},
                "features": {"bad_ending": False},
            },
        ]
        return {
            "metrics": {
                "bits_per_byte": metric(bits, bits - 0.01, bits + 0.01),
                "loss": metric(1.3, None, None),
                "ends_by_itself": metric(0.95, 0.9, 0.98),
                "words_included": metric(0.9 if chat else 0.1, 0.85 if chat else 0.05, 0.95 if chat else 0.15),
                "my_plugin/score": metric(3.5, 3.0, 4.0),
            },
            "samples": samples,
            "details": {"chat": chat, "parameters": 2_160_000, "bits_per_byte": {"context": 512, "documents_cut": 0}},
        }

    return {
        "models": {f"base {EVIL}": model(0.9, False), "tuned": model(0.95, True)},
        "dataset": {"documents_scored": 100, "stories_asked_for": 50, "split": "validation"},
        "settings": {"window": "sliding", "temperature": 0.8, "top_p": 1.0, "max_new_tokens": 512, "seed": 1, "beginning_words": 3},
    }  # fmt: skip


@pytest.fixture
def folders(tmp_path):
    """What other phases leave behind, torn and odd in places."""
    for phase in ("stories", "pretrain", "sft"):
        (tmp_path / phase).mkdir()
        (tmp_path / phase / "provenance.json").write_text(json.dumps({"seconds": 100.0}))
        (tmp_path / phase / "recipe.yaml").write_text(f"seed: 42\nnote: {EVIL}\n")
    log = [{"step": i, "tokens": i * 1000, "loss": 5 / i, "learning_rate": 0.001} for i in range(1, 20)]
    log += [{"step": 19, "tokens": 19000, "eval_loss": 1.0, "eval_bits_per_byte": 0.5}]
    for phase in ("pretrain", "sft"):
        (tmp_path / phase / "training_log.jsonl").write_text("\n".join(map(json.dumps, log)) + '\n{"step": 20, "lo')
    statistics = {"stories": {"kept": 90, "rejected": 10}, "rejected_by": {"length": 10}, "openings": None, "odd": [1]}
    (tmp_path / "stories" / "statistics.json").write_text(json.dumps(statistics))
    return {phase: str(tmp_path / phase) for phase in ("stories", "pretrain", "sft")} | {"vocabulary": "nowhere"}


class Page(HTMLParser):
    """Collects what a page loads, its tags, and whether they are closed in order."""

    VOID = frozenset({"meta", "br", "img", "link", "hr", "input"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.loads, self.open, self.unbalanced = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [v for k, v in attributes if k in ("src", "href", "xlink:href", "data", "poster") and v]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)


@pytest.fixture
def page(results, folders, tmp_path):
    write_report(results, folders, tmp_path / "out", recipe={"model": "x"})
    return (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_page_is_one_self_contained_file(page):
    parsed = Page(page)
    assert not parsed.unbalanced and not parsed.open
    assert all(target.startswith("#") for target in parsed.loads), parsed.loads
    assert not re.search(r"@import|url\(\s*['\"]?http", page)
    assert "script" not in parsed.tags and "img" not in parsed.tags and "link" not in parsed.tags


def test_page_shows_what_was_asked_for(page):
    parsed = Page(page)
    assert parsed.tags.count("svg") == 6  # loss, bits per byte and learning rate of both trainings
    for text in (
        "Bits per byte",
        "my_plugin/score",
        "Stories",
        "Pretraining",
        "Instruction tuning",
        "seed: 42",
        "Together",
    ):
        assert text in page
    assert "<mark>dogs</mark>" in page
    assert "2.16 M parameters" in page


def test_page_is_the_same_again(results, folders, tmp_path, page):
    write_report(results, folders, tmp_path / "again", recipe={"model": "x"})
    assert (tmp_path / "again" / "report.html").read_text(encoding="utf-8") == page


def test_bare_results_are_enough(results, tmp_path):
    bare = {"models": {"m": {"metrics": {"loss": metric(1, None, None)}, "samples": [], "details": {}}}}
    write_report(bare, {}, tmp_path)
    assert "Loss per token" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "report.md").read_text().startswith("# m\n")


def test_markdown_table_has_a_line_a_metric(results, tmp_path):
    write_report(results, {}, tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    quoted = [line for line in text.splitlines() if "<script>" in line]
    assert all(line.startswith("    ") for line in quoted)  # only in indented code, which shows it as it is
    assert "| Requested words included | 10.0 % (5.0 to 15.0 %; n = 100) | **90.0 %**" in text


def test_statistics_tolerate_what_is_missing(folders):
    found = report_context({"models": {}}, folders)["statistics"]
    assert ("stories kept", "90") in found["facts"]
    assert [bar["title"] for bar in found["bars"]] == ["Rejected by"]
    assert as_pairs([["a", 1], "b", ["c"], ["d", None]]) == [("a", 1)]


def test_a_winner_needs_intervals_that_do_not_overlap():
    low, high, wide = metric(0.90, 0.89, 0.91), metric(0.95, 0.94, 0.96), metric(0.95, 0.90, 0.99)
    assert best_of([low, high], higher=False) == 0
    assert best_of([low, high], higher=True) == 1
    assert best_of([low, wide], higher=False) is None
    assert best_of([low, high], higher=None) is None
    assert best_of([low, None], higher=False) is None


def test_marks_inflected_words_and_escapes_the_rest():
    assert marked("Dogs & <b>cats</b>", ["dog"]) == "<mark>Dogs</mark> &amp; &lt;b&gt;cats&lt;/b&gt;"
    assert marked("a < b", []) == "a &lt; b"


def test_terminal_table(results):
    lines = metrics_table(results).splitlines()
    assert lines[0].split()[-1] == "tuned" and any("0.900  (0.890 to 0.910)" in line for line in lines)


def test_nothing_of_a_model_or_a_story_is_markdown(results, tmp_path):
    from markdown_it import MarkdownIt

    story = "# A\n\n- b\n1. c\n---\n    d\n```\n<b>e</b> | [x](javascript:1) ![y](http://e/y.png)\n===\n"
    (_, model), *others = results["models"].items()
    for sample in model["samples"]:
        sample["completion"] = story
    results["models"] = {f"a|b\n# c {story}": model} | dict(others)
    results["dataset"]["split"] = results["settings"]["window"] = story
    write_report(results, {}, tmp_path, title=story)
    tokens = MarkdownIt("commonmark").enable("table").parse((tmp_path / "report.md").read_text())
    inner = {child.type for token in tokens for child in token.children or ()}
    assert inner <= {"text", "text_special", "softbreak", "strong_open", "strong_close"}
    kinds = [token.type for token in tokens]
    assert not {"html_block", "code_block", "fence", "hr", "ordered_list_open"} & set(kinds)
    headings = [token.content for i, token in enumerate(tokens) if kinds[i - 1] == "heading_open"]
    assert headings[1:] == ["Results", "Stories", "Method"]
    rows = [kinds[i:].index("tr_close") for i, kind in enumerate(kinds) if kind == "tr_open"]
    assert len(set(rows)) == 1  # no cell more


def test_the_page_runs_no_script_and_fetches_nothing(results, tmp_path):
    write_report(results, {}, tmp_path)

    class Page(HTMLParser):
        policy, seen = "", []

        def handle_starttag(self, tag, attributes):
            given = dict(attributes)
            self.seen.append(tag)
            if given.get("http-equiv") == "Content-Security-Policy":
                assert "style" not in self.seen and "title" not in self.seen  # before all that it governs
                self.policy = given["content"]

    page = Page()
    page.feed((tmp_path / "report.html").read_text())
    assert "default-src 'none'" in page.policy and "script" not in page.policy and "script" not in page.seen


def test_a_plugins_metric_is_shown_and_ranked_as_its_label_says(results):
    label = Label("Stories with digits", "Telling stories", "none is wanted", higher_is_better=False, percent=True)
    for model, value in zip(results["models"].values(), (0.5, 0.1), strict=True):
        model["metrics"]["numbers"] = Metric(value, value - 0.05, value + 0.05, 20, label=label).as_json()
        model["metrics"]["bare"] = Metric(value, value - 0.05, value + 0.05, 20).as_json()
    groups = {group["title"]: {row["label"]: row for row in group["rows"]} for group in table(results)}
    shown = groups["Telling stories"]["Stories with digits"]
    assert [cell["best"] for cell in shown["cells"]] == [False, True] and shown["hint"] == "none is wanted"
    assert shown["cells"][1]["value"] == "10.0 %"
    assert not any(cell["best"] for cell in groups["Other metrics"]["bare"]["cells"])
    first, second = results["models"]
    assert f"Stories with digits: {second} is best (10.0 %); its interval overlaps with no other" in verdicts(
        results["models"]
    )
    results["models"][first]["metrics"]["numbers"]["label"]["higher"] = True
    with pytest.raises(RecipeError, match=r"results\.json: numbers: label: unknown key 'higher'"):
        table(results)
