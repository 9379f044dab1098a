import json

import pytest

from silly_llm.core.errors import RecipeError
from silly_llm.evaluation.compare import main


def write(folder, value, digest="d", seed=1):
    metric = {"value": value, "low": value - 0.02, "high": value + 0.02, "n": 10}
    settings = {"window": "cut", "temperature": 1, "top_p": 1, "max_new_tokens": 9, "beginning_words": 3, "seed": seed}
    dataset = {"digest": digest, "split": "validation", "documents_scored": 10, "stories_asked_for": 5}
    models = {"model": {"metrics": {"bits_per_byte": metric}}}
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps({"models": models, "dataset": dataset, "settings": settings}))
    return str(folder)


def test_side_by_side_with_verdicts(tmp_path, capsys):
    runs = [write(tmp_path / name / "evaluation", v) for name, v in (("a", 0.9), ("b", 0.91), ("c", 1.0))]
    main([runs[0], runs[1] + "/results.json", runs[2], "--output_dir", str(tmp_path / "out")])
    assert "no clear winner; a/model (0.900) overlaps with b/model" in capsys.readouterr().out
    merged = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(merged["models"]) == ["a/model", "b/model", "c/model"]
    assert "b/model" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    main([*runs, "--output_dir", str(tmp_path / "out")])  # its own folder may be written again
    main([runs[0], runs[2]])
    assert "a/model is best (0.900); its interval overlaps with no other" in capsys.readouterr().out


@pytest.mark.parametrize(("other", "message"), [({"digest": "e"}, "different stories"), ({"seed": 2}, "seed is 1 in")])
def test_refuses_what_was_not_measured_alike(other, message, tmp_path):
    runs = [write(tmp_path / "a", 0.9), write(tmp_path / "b", 0.9, **other)]
    with pytest.raises(RecipeError, match=message) as caught:
        main(runs)
    assert "--allow_different" in str(caught.value) and "\n" not in str(caught.value)
    main([*runs, "--allow_different", "--output_dir", str(tmp_path / "out")])
    assert "Not measured alike" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("text", "said"), [(None, "no such file"), ("[]", "holds no results"), ("{", "is not JSON")])
def test_bad_inputs_are_one_line(text, said, tmp_path):
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    with pytest.raises(RecipeError, match=said):
        main([str(tmp_path)])
    with pytest.raises(RecipeError, match="not empty"):
        main([write(tmp_path / "a", 0.9), "--output_dir", str(tmp_path)])
