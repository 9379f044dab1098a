"""Thinking is taken out under whatever markers, and a story stays what it is."""

import pytest

from silly_llm.text.thinking import split_thinking

STORY = "Once upon a time, a dog sat.\n\nThe end."
TAGS = ("think", "thinking", "Thought", "reasoning", "reflection", "seed:think", "mm:think")
TAGS += ("longcat_think", "think:opensource", "ifm|think_fast")
MARKERS = [
    *((f"<{name}>", f"</{name}>") for name in TAGS),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|think|>", "<|/think|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<unused94>thought\n", "<unused95>"),
    ("&lt;think&gt;", "&lt;/think&gt;"),
    ("[unused16]", "[unused17]"),
    ("<|plamo:begin_think:plamo|>", "<|plamo:end_think:plamo|>"),
]
PHRASES = [
    ("Here is my thought process:", "Here is my response:"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>analysis", "<|channel|>final"),
    ("analysisWe see", "assistantfinal"),
    ("Thinking...\n", "\n...done thinking.\n"),
    ('<details type="reasoning" done="true">', "</details>"),
    ("```thinking\n", "\n```"),
]


@pytest.mark.parametrize(("opens", "closes"), MARKERS + PHRASES)
def test_each_family(opens, closes):
    for thought in ("I must write.\n\nOk [x] <b>: a story", "", "\n\n"):
        found = split_thinking(f"{opens}{thought}{closes}\n\n{STORY}")
        assert found and found.text == STORY and not found.unfinished
        assert found.thinking.endswith(thought.strip())
    cut = split_thinking(f"\n{opens}I must write a story", cut=True)
    if opens == "analysisWe see":
        cut = split_thinking("analysisWe see that", cut=True)
    assert cut and cut.unfinished and cut.text == "" and cut.thinking


@pytest.mark.parametrize(("opens", "closes"), MARKERS)
def test_without_an_opening_one_and_in_between(opens, closes):
    assert split_thinking(f"I must write.{closes}{STORY}") == (STORY, "I must write.", False)
    between = split_thinking(f"One.\n{opens}hm{closes}\nTwo.")
    assert between and between.text == "One.\n\nTwo." and between.thinking == "hm"
    after = split_thinking(f"{STORY}\n{opens}Was that", cut=True)
    assert after and after.text == STORY and not after.unfinished


@pytest.mark.parametrize(
    "text",
    [
        STORY,
        'The robot wrote "<think>" on the wall. Then it wrote "</think>".',
        "The sign said [THINK] and so he did. He liked thinking.",
        "A <think> sign hung there.",
        "Thinking is hard, said Tim. [Thinking]",
        "Here is my thought: dogs are good.",
        "The analysis was done, and the assistant was glad. Finally!",
    ],
)
def test_prose_is_left_alone(text):
    assert split_thinking(text) is None and split_thinking(text, cut=True) is None


@pytest.mark.parametrize(
    "text",
    [
        f"<thinking>a<reflection>b</reflection>c</thinking><output>{STORY}</output>",
        f"<think><think>a</think>{STORY}",
        f"<think>a</think>\n</think>\n{STORY}",
        f"<think>a</think>{STORY}\n</think>",
        f"<think>a</thinking>{STORY}",
        f"<think>a</think>\n<answer>\n{STORY}\n</answer>",
        f"<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>{STORY}<|return|>",
        f"<|START_THINKING|>x<|END_THINKING|><|START_RESPONSE|>{STORY}<|END_RESPONSE|>",
    ],
)
def test_nested_repeated_and_wrapped(text):
    assert split_thinking(text).text == STORY
