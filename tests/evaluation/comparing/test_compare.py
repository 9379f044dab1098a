import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from silly_llm.core.errors import RecipeError
from silly_llm.evaluation.compare import main
from silly_llm.evaluation.comparing.comparisons import compare_models, leaderboard, recipes_of
from silly_llm.evaluation.evidence import units_as_json, write_evidence
from silly_llm.evaluation.metrics.base import PREDICTING, TELLING
from silly_llm.evaluation.metrics.statistics import Label, Units, estimate
from silly_llm.evaluation.results import read_results

BITS = Label("Bits per byte", PREDICTING, higher_is_better=False)
ENDS = Label("Ends by itself", TELLING, higher_is_better=True, percent=True)
RNG = np.random.default_rng(0)
SIZES = RNG.integers(300, 1500, 60)
HARD = RNG.normal(0.95, 0.2, 60)


def bits(cost=0.0, seed=0, cut=None):
    """Units of a model that costs so much more a byte than another, of the first `cut` bytes of each document."""
    noise = np.random.default_rng([5, seed]).normal(cost, 0.004, 60)
    sizes = np.minimum(SIZES, cut or SIZES)
    return Units([f"document {i}" for i in range(60)], ((HARD + noise) * sizes).tolist(), sizes.astype(float).tolist())


def ends(share, n=40):
    return Units([f"request {i}" for i in range(n)], [float(i < share * n) for i in range(n)])


def model(metrics, **details):
    labels = {"bits_per_byte": BITS, "ends": ENDS}
    made = {name: estimate(units, label=labels[name], share=name == "ends") for name, units in metrics.items()}
    size = {"bits_per_byte": {"bytes": sum(metrics["bits_per_byte"].denominators)} | details.pop("bits_per_byte", {})}
    how = {name: {"type": "perplexity" if name == "bits_per_byte" else "completions"} for name in metrics}
    numbers = {name: metric.as_json() for name, metric in made.items()}
    return {"metrics": numbers, "details": size | {"parameters": 9} | details, "measured_by": how}


def write(folder, digest="d", seed=1, options=None, **units):
    """A folder as `evaluate` leaves it, of models by name."""
    folder.mkdir(parents=True)
    models = {name: model(found) for name, found in units.items()}
    for found in models.values():
        found["measured_by"]["bits_per_byte"] |= options or {}
    rows = [(name, m, units_as_json(u)) for name, found in units.items() for m, u in found.items()]
    texts = [{"model": name, "prompt": "Once", "completion": "upon a time"} for name in units]
    results = {
        "silly_llm_results": 2,
        "models": models,
        "dataset": {"digest": digest, "split": "validation", "documents_scored": 60, "stories_asked_for": 40},
        "settings": {
            "window": "cut",
            "temperature": 1,
            "top_p": 1,
            "max_new_tokens": 9,
            "beginning_words": 3,
            "seed": seed,
        },
        "evidence": write_evidence(folder, rows, texts),
    }
    (folder / "results.json").write_text(json.dumps(results))
    return str(folder)


def change(folder, edit):
    file = folder / "results.json"
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


@pytest.fixture
def runs(tmp_path):
    """A good model, an equal one, and a clearly worse one."""
    shares = {"a": (0.0, 0.5), "b": (0.0, 0.5), "c": (0.05, 0.9)}
    return [
        write(tmp_path / name / "evaluation", model={"bits_per_byte": bits(cost, seed), "ends": ends(share)})
        for seed, (name, (cost, share)) in enumerate(shares.items())
    ]


def test_side_by_side_with_verdicts(runs, tmp_path, capsys):
    main([runs[0], runs[1] + "/results.json", runs[2], "--output_dir", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    assert all(len(line) <= 100 for line in printed.splitlines() if str(tmp_path) not in line)
    text = " ".join(printed.split())
    assert "Are these checkpoints different on this kind of text? (paired" in text and "Holm over 6 tests" in text
    assert "a/model against b/model: no difference; one of 0.00" in text and "would have been seen" in text
    assert "a/model against c/model: a/model is better (-0.05" in text
    assert "a/model against c/model: c/model is better (-40.0 %" in text
    assert "These checkpoints differ; of the recipes nothing is known" in text
    ranks = [line.split("|")[1:3] for line in printed.splitlines() if "/model" in line and line.startswith("| ")]
    ranks = [row for row in ranks if row[0].strip()]  # of the leaderboard
    assert [rank.strip() for rank, _ in ranks] == ["1", "1", "3"] and ranks[2][1].strip() == "c/model"
    merged = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(merged["models"]) == ["a/model", "b/model", "c/model"]
    assert merged["best"] == {"bits_per_byte": None, "ends": "c/model"}
    row = merged["comparisons"][1]
    assert (row["a"], row["b"], row["question"]) == ("a/model", "c/model", "checkpoints")
    assert row["low"] < -0.05 < row["high"] < 0 and row["p"] <= row["p_holm"] < 0.01 and row["n"] == 60
    assert "b/model" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    texts = pq.read_table(tmp_path / "out" / "generations.parquet").to_pylist()
    assert {row["model"] for row in texts} == set(merged["models"])
    main([*runs, "--output_dir", str(tmp_path / "out")])  # its own folder may be written again
    main([str(tmp_path / "out")])  # and read
    assert leaderboard(merged)[0]["model"] in ("a/model", "b/model")


def test_names_of_any_length_fit_the_terminal(tmp_path, capsys):
    names = {f"{'very-long-name-of-a-model-' * 6}{i}": {"bits_per_byte": bits(i / 100, i)} for i in range(3)}
    main([write(tmp_path / "a", **names)])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_the_same_weights_at_fewer_positions_do_not_win(tmp_path, capsys):
    """Cut at 200 bytes none has the same bytes as the whole; at 400 a few short ones have."""
    whole, worse = bits(), bits(0.05, 1)
    easy = np.asarray(bits(cut=200).denominators)
    tiny = Units(whole.ids, (0.6 * easy).tolist(), easy.tolist())
    main([write(tmp_path / "a", whole={"bits_per_byte": whole}, tiny={"bits_per_byte": tiny}), "--output_dir",
          str(tmp_path / "two")])  # fmt: skip
    assert "not compared: no document of which the same bytes" in " ".join(capsys.readouterr().out.split())
    found = json.loads((tmp_path / "two" / "results.json").read_text())
    assert found["best"] == {"bits_per_byte": None} and [row["rank"] for row in leaderboard(found)] == [None, None]
    assert leaderboard(found)[0]["model"] == "whole"
    units = {"tiny": {"bits_per_byte": tiny}, "whole": {"bits_per_byte": whole}, "worse": {"bits_per_byte": worse}}
    main([write(tmp_path / "b", **units), "--output_dir", str(tmp_path / "three")])
    found = json.loads((tmp_path / "three" / "results.json").read_text())
    assert found["best"] == {"bits_per_byte": "whole"}
    assert [(r["rank"], r["model"]) for r in leaderboard(found)] == [(1, "whole"), (2, "worse"), (None, "tiny")]
    short = {"part": {"bits_per_byte": bits(cut=700)}, "whole": {"bits_per_byte": whole}}
    main([write(tmp_path / "c", **short), "--output_dir", str(tmp_path / "part")])
    found = json.loads((tmp_path / "part" / "results.json").read_text())
    (row,) = found["comparisons"]
    assert row["n"] == (SIZES <= 700).sum() and row["left_out"] == (SIZES > 700).sum() and row["p"] == 1
    assert [r["model"] for r in leaderboard(found)] == ["whole", "part"]  # equal, but not its text


def test_a_tokenizer_that_cannot_spell_is_never_best():
    found = {name: {"bits_per_byte": bits(cost, n)} for n, (name, cost) in enumerate({"unk": -0.9, "a": 0}.items())}
    models = {name: model(units) for name, units in found.items()}
    models["unk"]["details"]["bits_per_byte"]["lossy_share"] = 0.0011
    evidence = {(name, metric): u for name, units in found.items() for metric, u in units.items()}
    made = compare_models(models, evidence)
    assert made["best"]["bits_per_byte"] is None and "cannot spell 0.1 %" in made["comparisons"][0]["verdict"]
    assert [row["model"] for row in leaderboard({"models": models, **made})] == ["a", "unk"]
    models["unk"]["details"]["bits_per_byte"]["lossy_share"] = 0.001
    assert compare_models(models, evidence)["best"]["bits_per_byte"] == "unk"


def seeds(cost, noise, base, recipe):
    made = {f"{recipe}-{s}": {"bits_per_byte": bits(cost + noise.normal(0, 0.004), base + s)} for s in range(3)}
    models = {name: model(u, recipe_digest=recipe * 8, seed=s) for s, (name, u) in enumerate(made.items())}
    return models, {(name, metric): u for name, units in made.items() for metric, u in units.items()}


def test_recipes_are_told_apart_by_seeds_only():
    """Seeds of one recipe differ as checkpoints; as recipes in at most 2 of 40 comparisons."""
    noise, verdicts, checkpoints = np.random.default_rng(7), [], 0
    for repeat in range(40):
        (one, kept), (other, more) = seeds(0, noise, 10 * repeat, "x"), seeds(0, noise, 10 * repeat + 5, "y")
        found = compare_models(one | other, kept | more)["comparisons"]
        (row,) = [row for row in found if row["question"] == "recipes"]
        assert (row["a"], row["b"], row["n"]) == ("recipe of x-0", "recipe of y-0", 3)
        verdicts.append(row["verdict"])
        checkpoints += any(row["better"] for row in found if row["question"] == "checkpoints")
    assert sum(verdict.startswith("no difference; one of 0.0") for verdict in verdicts) >= 38 and checkpoints >= 30
    (one, kept), (other, more) = seeds(0, noise, 0, "x"), seeds(0.1, noise, 5, "y")
    row = compare_models(one | other, kept | more)["comparisons"][-1]
    assert row["better"] == "recipe of x-0" and row["low"] < -0.1 < row["high"] < 0


def test_groups_by_digest_seed_and_name(tmp_path, capsys):
    models = {name: {"details": {"recipe_digest": "d", "seed": seed}} for name, seed in (("a", 0), ("b", 0), ("c", 1))}
    models |= {"e": {"details": {"group": "mine", "recipe_digest": "d", "seed": 5}}, "f": {}}
    assert recipes_of(models) == {"recipe of a": ["a", "c"], "mine": ["e"]}  # the same seed again is no other
    names = {
        f"{g}{s}": {"bits_per_byte": bits(c, 3 * s + (g == "y"))} for g, c in (("x", 0), ("y", 0.1)) for s in (0, 1)
    }
    folder = write(tmp_path / "a", **names)
    main([folder, "--group", "X=x0,x1", "--group", "Y=y0,y1"])
    text = " ".join(capsys.readouterr().out.split())
    assert "Are these recipes different? (seeds as units" in text and "X against Y: X is better" in text
    assert "nothing is known" not in text
    for group, message in (("X=x0,x9", "no model 'x9'.*did you mean"), ("X=x0", "two models or more"), ("X", "NAME=")):
        with pytest.raises(RecipeError, match=message):
            main([folder, "--group", group])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"digest": "e"}, "different stories"),
        ({"seed": 2}, "seed is 1 in"),
        ({"options": {"limit": 9}}, "limit is None"),
    ],
)
def test_refuses_what_was_not_measured_alike(other, message, tmp_path, capsys):
    folders = [write(tmp_path / "a", m={"bits_per_byte": bits()})]
    folders += [write(tmp_path / "b", **other, m={"bits_per_byte": bits(0.1, 1)})]
    with pytest.raises(RecipeError, match=message) as caught:
        main(folders)
    assert "--allow_different" in str(caught.value) and "\n" not in str(caught.value)
    main([*folders, "--allow_different", "--output_dir", str(tmp_path / "out")])
    assert "Not measured alike" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert ("not compared: measured with other options" in capsys.readouterr().out) == ("options" in other)


def number(key, value, name="bits_per_byte"):
    return lambda content: content["models"]["model"]["metrics"][name].update({key: value})


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (number("value", 0.8), "is not within its interval"),
        (lambda c: [number(k, v)(c) for k, v in (("value", 0.8), ("low", 0.7))], "was it edited"),
        (number("low", 0.93), "low is 0.93, but its evidence gives"),
        (number("value", 0.51, "ends"), "value is 0.51"),
        (number("value", float("nan")), "NaN is no number"),
        (number("value", "0.8"), "'0.8' is not of type"),
        (number("high", 0.1), "is not within its interval"),
        (number("label", {"name": "B"}), "'group' is a required"),
        (lambda c: c["models"].clear(), "models"),
        (lambda c: c["models"]["model"]["metrics"].pop("ends"), "has lost ends of model"),
        (lambda c: c["models"].update(other=c["models"].pop("model")), "has lost bits_per_byte of model"),
        (
            lambda c: c["models"].update(other=c["models"]["model"]),
            "other: bits_per_byte: evidence.parquet has nothing",
        ),
        (lambda c: c.pop("evidence"), "'evidence' is a required"),
        (lambda c: c["evidence"].update({"evidence.parquet": "0"}), "is not the one of these results"),
        (lambda c: c.update(silly_llm_results=1), "evaluate again"),
        (lambda c: c.update(models=[]), "models: "),
    ],
)
def test_an_edited_file_is_one_line(edit, said, runs, tmp_path):
    change(tmp_path / "a" / "evaluation", edit)
    with pytest.raises(RecipeError, match=said) as caught:
        main([runs[1], runs[0]])
    assert "\n" not in str(caught.value) and "evaluation" in str(caught.value)


def test_texts_of_another_evaluation_are_refused(runs, tmp_path):
    (tmp_path / "a" / "evaluation" / "generations.parquet").write_bytes(b"PAR1")
    with pytest.raises(RecipeError, match="is not the one of these results"):
        main([*runs, "--output_dir", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_damaged_and_foreign_evidence_is_one_line(runs, tmp_path):
    import pyarrow as pa

    from silly_llm.core.folders.manifest import file_digest

    folder = tmp_path / "a" / "evaluation"
    file, whole = folder / "evidence.parquet", (folder / "evidence.parquet").read_bytes()
    twice = pa.concat_tables([pq.read_table(file)] * 2)
    texts = pq.read_table(file).set_column(4, "numerator", pa.array(["x"] * 100))
    for damage, said in (
        (lambda: file.unlink(), "no such file"),
        (lambda: file.write_bytes(whole[:-50]), "is not the one of these"),
    ):
        damage()
        with pytest.raises(RecipeError, match=said):
            main(runs)
    for content, said in ((whole[:-50], "cannot be read"), (pa.table({"x": [1]}), "column 'model' is missing"),
                          (texts, "column 'numerator' is string"), (twice, "stands twice")):  # fmt: skip
        file.write_bytes(content) if isinstance(content, bytes) else pq.write_table(content, file)
        change(folder, lambda c: c["evidence"].update({"evidence.parquet": file_digest(file)}))
        with pytest.raises(RecipeError, match=said) as caught:
            main(runs)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "said"), [(None, "no such file"), ("[]", "holds no results"), ("{", "is not JSON")])
def test_bad_inputs_are_one_line(text, said, tmp_path):
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    with pytest.raises(RecipeError, match=said):
        main([str(tmp_path)])
    with pytest.raises(RecipeError, match="not empty"):
        main([write(tmp_path / "a", m={"bits_per_byte": bits()}), "--output_dir", str(tmp_path)])


def test_few_documents_say_nothing(tmp_path, capsys):
    few = Units(["x", "y", "z"], [9.0, 7, 8], [10, 10, 10])
    better = Units(["x", "y", "z"], [1.0, 1, 1], [10, 10, 10])
    main([write(tmp_path / "a", a={"bits_per_byte": few}, b={"bits_per_byte": better})])
    printed = capsys.readouterr().out
    assert printed.count("too few to say") == 3 and "is better" not in printed


def test_reading_gives_the_units_that_were_written(tmp_path):
    write(tmp_path / "a", m={"bits_per_byte": bits()})
    results, evidence = read_results(tmp_path / "a")
    units = evidence["m", "bits_per_byte"]
    assert (units.ids, units.numerators, units.denominators) == (bits().ids, bits().numerators, bits().denominators)
    assert results["models"]["m"]["metrics"]["bits_per_byte"]["value"] == pytest.approx(
        sum(units.numerators) / sum(SIZES)
    )
