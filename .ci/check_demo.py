"""What `make demo` must have left behind."""

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN = ROOT / "runs" / "quickstart"


def metric(model: str, name: str) -> float:
    results = json.loads((RUN / "evaluation" / "results.json").read_text(encoding="utf-8"))
    return results["models"][model]["metrics"][name]["value"]


def test_every_phase_is_finished():
    for name in ("vocabulary", "stories", "pretrain", "instructions", "sft", "evaluation"):
        assert json.loads((RUN / name / ".silly" / "run.json").read_text(encoding="utf-8"))["finished"], name


def test_all_of_it_took_about_ten_minutes_at_most():
    """README says less than ten on two idle cores. Shared ones have trained at half their speed for hours with the same code (lab log):
    what fails here is half as much again."""
    seconds = [json.loads(p.read_text(encoding="utf-8"))["seconds"] for p in RUN.glob("*/provenance.json")]
    print(f"the demo took {sum(seconds):.0f} s")
    assert len(seconds) == 6 and sum(seconds) < 900, seconds


def test_the_models_end_their_stories_and_the_tuned_one_uses_the_words():
    assert metric("tuned", "ends_by_itself") >= 0.9
    assert metric("base", "ends_by_itself") >= 0.9
    assert metric("tuned", "words_included") >= 0.8


def test_the_report_is_one_file_with_its_plots_inside():
    report = (RUN / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert "<svg" in report
    assert not re.search(r"""(?:src|href)=["'](?!#|data:|https://(?:arxiv|github|huggingface))""", report)


def test_the_model_folder_loads_with_transformers_alone_and_the_stories_with_datasets():
    code = (
        "import sys\nfrom transformers import pipeline\nfrom datasets import load_dataset\n"
        f"tell = pipeline('text-generation', model={str(RUN / 'sft')!r})\n"
        "print(tell([{'role': 'user', 'content': 'Words: dog, jump, happy'}])[0]['generated_text'][-1]['content'])\n"
        f"print(load_dataset({str(RUN / 'stories')!r}))\n"
        "assert not any(name.startswith('silly_llm') for name in sys.modules)"
    )
    subprocess.run([ROOT / ".venv/bin/python", "-c", code], check=True)
