import json
import re
from dataclasses import asdict

import pytest
from markdown_it import MarkdownIt

from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.evaluation.metrics.base import BENCHMARKS, COST, KNOWING
from silly_llm.evaluation.metrics.following import OF_TYPE
from silly_llm.evaluation.metrics.perplexity import BITS_PER_BYTE, LOSS
from silly_llm.evaluation.metrics.statistics import Label, Metric
from silly_llm.evaluation.metrics.stories import ENDS
from silly_llm.evaluation.report.report import as_pairs, report_context, write_report
from silly_llm.evaluation.report.scores import PUBLISHED
from silly_llm.evaluation.report.tables import metrics_table, table
from silly_llm.evaluation.report.texts import PAGE, browse, hero_story, marked

EVIL = '<script>alert("x")</script><img src="https://evil.example/x.png">'


def metric(value, low, high, n=100, label=None):
    return {"value": value, "low": low, "high": high, "n": n} | ({"label": asdict(label)} if label else {})


def model(bits, chat):
    included = (0.9, 0.85, 0.95) if chat else (0.1, 0.05, 0.15)
    metrics = {"bits_per_byte": metric(bits, bits - 0.01, bits + 0.01, label=BITS_PER_BYTE)}
    metrics |= {"loss": metric(1.3, None, None, label=LOSS), "ends_by_itself": metric(0.95, 0.9, 0.98, label=ENDS)}
    metrics |= {"words_included": metric(*included, label=OF_TYPE["words"])}
    metrics |= {"my_plugin/score": metric(3.5, 3.0, 4.0)}
    beginning = {"kind": "beginning", "prompt": "Once upon", "completion": f" a time {EVIL}", "ended": True}
    request = {"kind": "instruction", "prompt": f"Words: dog, jump {EVIL}", "completion": "The dogs jumped."}
    request |= {"ended": not chat, "words": {"dog": True, EVIL: False}, "features": {"bad_ending": False}}
    details = {"chat": chat, "parameters": 2_160_000, "bits_per_byte": {"context": 512, "documents_cut": 0}}
    return {"metrics": metrics, "samples": [beginning, request], "details": details}


def compared(models):
    """Results of some models as `evaluate` writes them, with a comparison of the first two."""
    a, b, *_ = models
    pair = {"a": b, "b": a, "question": "checkpoints", "n": 100}
    found = {"difference": 0.8, "low": 0.75, "high": 0.85, "p_holm": 1e-6, "better": b, "verdict": f"{b} is better"}
    unsure = {
        "difference": -0.01,
        "low": -0.03,
        "high": 0.01,
        "p_holm": 0.4,
        "better": None,
        "verdict": "no difference",
    }
    comparisons = [{"metric": "words_included", **pair, **found}, {"metric": "bits_per_byte", **pair, **unsure}]
    best = {"words_included": b, "bits_per_byte": None}
    return {"models": models, "comparisons": comparisons, "best": best}


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
    write_report({"models": {"m": {"metrics": {"loss": metric(1, None, None, label=LOSS)}}}}, tmp_path)
    assert "Loss per token" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "report.md").read_text().startswith("# m\n")


def test_tables_have_a_line_a_metric(results, tmp_path):
    results["best"] = {"words_included": "tuned", "bits_per_byte": None}
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
    results["best"] = {"numbers": "tuned"}
    groups = {group["title"]: {row["label"]: row for row in group["rows"]} for group in table(results)}
    shown = groups["Telling stories"]["Stories with digits"]
    assert [cell["best"] for cell in shown["cells"]] == [False, True] and shown["hint"] == "none is wanted"
    assert shown["cells"][1]["value"] == "10.0 %"
    assert not any(cell["best"] for cell in groups["Other metrics"]["bare"]["cells"])
    next(iter(results["models"].values()))["metrics"]["numbers"]["label"]["higher"] = True
    with pytest.raises(RecipeError, match=r"results\.json: numbers: label: unknown key 'higher'"):
        table(results)


def rows_of(results):
    return {row["label"]: row for group in table(results) for row in group["rows"]}


def test_only_a_paired_test_makes_a_best_model(results):
    assert not any(
        cell["best"] for row in rows_of(results).values() for cell in row["cells"]
    )  # though intervals lie apart
    results |= compared(results["models"])
    best = {name: [cell["best"] for cell in row["cells"]] for name, row in rows_of(results).items()}
    assert best["Requested words included"] == [False, True] and best["Bits per byte"] == [False, False]


def test_differences_stand_with_their_intervals_in_words_and_say_which_question_they_answer(results, tmp_path):
    results |= compared(results["models"])
    words, bits = (rows_of(results)[name]["differences"][0] for name in ("Requested words included", "Bits per byte"))
    assert (words["value"], words["interval"], words["p"]) == ("+80.0 points", "+75.0 to +85.0 points", "p < 0.001")
    assert words["found"] and not bits["found"] and bits["value"] == "\u22120.010"
    left, width, dot = bits["bar"].values()
    assert left < 50 < left + width and left < dot < 50  # zero is in the middle
    write_report(results, tmp_path)
    page, text = ((tmp_path / f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "md"))
    for shown in (page, text):
        assert "Are these checkpoints different" in shown and "Are these recipes different" not in shown
        assert "no difference" in shown and "tuned is better" in shown
    nothing = dict.fromkeys(("difference", "low", "high", "p_holm", "better"))
    few = {"metric": "loss", "p_holm": None, "better": None, "verdict": "too few to say (n = 3)"}
    results["comparisons"] += [results["comparisons"][1] | few]
    results["comparisons"] += [results["comparisons"][2] | nothing | {"verdict": "not compared: no evidence"}]
    (asked,) = report_context(results)["summary"]
    assert asked["pairs"][0]["outcomes"] == [
        ("better", ["Requested words included"]),
        ("no difference", ["Bits per byte"]),
        ("too few to say", ["Loss per token"]),
        ("not compared", ["Loss per token"]),
    ]
    results["comparisons"] = [c | {"question": "recipes"} for c in results["comparisons"]]
    assert [asked["question"][:30] for asked in report_context(results)["summary"]] == [
        "Are these recipes different? T"
    ]


def test_what_could_not_be_measured_says_why(results, tmp_path):
    _, tuned = results["models"].values()
    tuned["metrics"]["bits_per_byte"]["value"] = None
    tuned["not_measured"] = {"bits_per_byte": "its weights are NaN", "llm_judge": f"no server {EVIL}"}
    write_report(results, tmp_path)
    page, text = ((tmp_path / f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "md"))
    assert page.count("its weights are NaN") == 2 and "tuned: Bits per byte: not measured:" in text
    results["notes"] = ["tuned: bits_per_byte not measured: its weights are NaN."]
    assert [what for _, what, _ in report_context(results)["not_measured"]] == ["llm judge"]  # the note says the other
    assert "tuned: llm judge: not measured:" in page and EVIL not in page and EVIL not in text


def test_details_of_parts_are_folded_below_their_metric_with_n_and_intervals(results):
    tuned = results["models"]["tuned"]
    counts = {"asked": 8, "share_asked": metric(0.75, 0.4, 0.9, n=8), "share_not_asked": metric(0.9, 0.7, 1.0, n=20)}
    counts["difference"] = {"value": -0.15, "low": -0.5, "high": 0.1}
    tuned["details"]["words_included"] = {"by_feature": {"bad_ending": counts}, "asked_by": "x"}
    tuned["details"]["ends_by_itself"] = {"by_combination": {"sentence + words": metric(0.5, 0.431, 0.569)}}
    (part,) = rows_of(results)["Requested words included"]["parts"]
    asked, unasked, difference = part["rows"]
    labels = ["bad ending, asked", "bad ending, not asked", "bad ending, difference"]
    assert [row["label"] for row in part["rows"]] == labels
    base, found = asked["cells"]
    assert base["value"] == "–" and (found["value"], found["n"], found["few"]) == ("75.0 %", 8, True)
    assert unasked["cells"][1]["interval"] == "70.0 to 100.0 %" and not unasked["cells"][1]["few"]
    assert difference["cells"][1]["interval"] == "-50.0 to 10.0 %" and difference["cells"][1]["bar"]["dot"] == 42.5
    ((together,),) = (part["rows"] for part in rows_of(results)["Ends by itself"]["parts"])
    assert together["label"] == "sentence + words" and together["cells"][1]["interval"] == "43.1 to 56.9 %"


def test_fields_are_folded_below_their_suite_and_groups_stand_in_order(results, tmp_path):
    labels = {"cost": Label("Speed", COST, higher_is_better=True), "blimp/acc": Label("blimp: acc", BENCHMARKS)}
    labels |= {"blimp": Label("BLiMP", KNOWING), "blimp/syntax": Label("BLiMP: syntax", KNOWING, percent=True)}
    results["models"]["tuned"]["metrics"] |= {n: metric(0.5, 0.4, 0.6, label=label) for n, label in labels.items()}
    groups = {group["title"]: group["rows"] for group in table(results)}
    assert list(groups)[-4:] == [KNOWING, BENCHMARKS, COST, "Other metrics"]
    ((suite,), (benchmark,)) = groups[KNOWING], groups[BENCHMARKS]
    assert [row["label"] for row in suite["fields"]] == ["BLiMP: syntax"] and benchmark["label"] == "blimp: acc"
    page, lines = page_of(results, tmp_path), metrics_table(results)
    assert "Fields (1)" in page and "BLiMP: syntax" in page and "BLiMP: syntax" not in lines
    assert "BLiMP: syntax" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_few_units_are_warned_of(results, page, tmp_path):
    assert "too few<" not in page
    results["models"]["tuned"]["metrics"]["bits_per_byte"]["n"] = 9
    write_report(results, tmp_path)
    assert (tmp_path / "report.html").read_text().count("too few<") == 1
    assert "n = 9, too few)" in (tmp_path / "report.md").read_text()


def test_the_story_on_top_is_the_first_one(results):
    samples = results["models"]["tuned"]["samples"]
    samples += [dict(samples[1], completion="A perfect dog jumped.", words={"dog": True, "jump": True}, ended=True)]
    assert hero_story(results["models"])["html"] == "The <mark>dogs</mark> jumped."


def test_every_text_is_there_to_browse_side_by_side(results, tmp_path):
    a, b = results["models"]
    said = json.dumps([{"role": "user", "content": "Write a story."}])
    rows = [
        {"model": b, "prompt": f"Alone {i}", "sample": 1, "text": f"text {i}", "ended": False} for i in range(PAGE)
    ]
    rows += [{"model": a, "prompt": "Write a story.\n\n", "sample": n, "text": f"plain {n} {EVIL}"} for n in (1, 2)]
    rows += [{"model": b, "prompt": said, "sample": n, "text": f"chat {n}"} for n in (1, 2)]
    rows += [{"model": "gone", "prompt": "x", "text": "y"}]
    results["models"][b]["samples"][1] |= {"completion": " chat 2", "grades": {"grammar": 7}}
    found = browse(rows, results["models"])
    assert [page["first"] for page in found["pages"]] == [1, PAGE + 1]
    assert (found["shown"], found["prompts"], found["texts"]) == (PAGE + 2, PAGE + 2, PAGE + 4)
    first, second, third, *_ = found["pages"][0]["samples"]
    assert [list(entry["texts"]) for entry in (first, second, third)] == [[a, b], [a, b], [b]]  # the same prompt first
    assert second["texts"][b]["grades"] == {"grammar": 7} and first["texts"][b]["grades"] == {}
    write_report(results, tmp_path, generations=rows)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(f"text {i}" in page for i in range(PAGE)) and EVIL not in page and "grammar <b>7</b>" in page


def test_more_texts_than_a_page_holds_are_counted(results, monkeypatch, tmp_path):
    monkeypatch.setattr("silly_llm.evaluation.report.texts.MOST_CHARACTERS", 100)
    rows = [{"model": "tuned", "prompt": str(i), "text": "x" * 30} for i in range(9)]
    write_report(results, tmp_path, generations=rows)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "All 9 texts for 9 prompts" in page and "Of them 3 prompts are here" in page


def test_scores_stand_against_cost_where_models_differ_in_it(results, tmp_path):
    base, tuned = results["models"].values()
    assert "scale" not in re.findall(r'id="(\w+)"', page_of(results, tmp_path))  # both have as many parameters
    base["details"]["parameters"] = 500_000
    for found, operations in ((base, 1e12), (tuned, 3e12)):
        found["metrics"]["training_flops"] = metric(operations, None, None)
        found["metrics"]["odd"] = metric(1.0, 0.9, 1.1, label=Label(f"$x {EVIL}", "Other", higher_is_better=True))
    page = page_of(results, tmp_path)
    plots = re.findall("<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(plots) == 2 * 3 and EVIL not in page  # of three groups, against parameters and FLOPs
    assert all("var(--series-0)" in plot and "var(--series-1)" in plot for plot in plots)
    assert "stories260K" not in page


def test_published_points_stand_only_beside_what_was_measured_on_the_same_text(results, tmp_path):
    (texts,) = PUBLISHED
    results["dataset"]["texts"] = texts
    assert page_of(results, tmp_path).count("stories260K") >= 2
    results["settings"]["window"] = "cut"
    assert "stories260K" not in page_of(results, tmp_path)


def test_the_published_texts_are_those_of_the_shared_validation_split(tinystories):
    assert list(PUBLISHED) == [fingerprint(sorted(tinystories))[:16]]


def page_of(results, folder):
    write_report(results, folder)
    return (folder / "report.html").read_text(encoding="utf-8")
