"""`silly-llm chat` as people meet it: a process with a terminal's streams."""

import pytest
from tiny import tiny_llama, tiny_tokenizer

from silly_llm.commands.chat import HINT_BASE, HINT_TUNED, Talker, main
from silly_llm.core.errors import RecipeError
from silly_llm.training.model.chat import default_template


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A random model, which never ends a text by itself."""
    roles = ["<|system|>", "<|user|>", "<|assistant|>"]
    return tiny_llama(tmp_path_factory.mktemp("tuned"), tiny_tokenizer(extra=roles, chat_template=default_template()))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_llama(tmp_path_factory.mktemp("base"), tiny_tokenizer())


def test_talk_until_the_input_ends(tuned, silly_llm):
    typed = "Words: dog, jump, happy\nWords: cat\n"
    done = silly_llm("chat", tuned, "--max_new_tokens", 5, "--seed", 1, input=typed)
    assert done.returncode == 0, done.stderr
    assert HINT_TUNED in done.stdout and done.stdout.endswith("Bye!\n")
    assert "<|" not in done.stdout


def test_prompt_answers_once(tuned, capsys):
    texts = []
    for seed in (1, 1, 2):
        main([str(tuned), "--prompt", "Words: dog", "--max_new_tokens", "12", "--seed", str(seed)])
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert "Words" not in texts[0]


def test_base_model_continues(base, capsys):
    main([str(base), "--prompt", "Once upon", "--max_new_tokens", "5", "--temperature", "0"])
    assert capsys.readouterr().out.startswith("Once upon")
    assert Talker.load(str(base), 1.0, 1.0, 5).hint == HINT_BASE


def test_prompt_longer_than_the_context(base):
    with pytest.raises(RecipeError, match="more than the model's context"):
        main([str(base), "--prompt", "a" * 100])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nowhere"], "nowhere: no such folder, and it cannot be loaded from the Hub"),
        (["./no/where"], "no such file or folder"),
        (["."], "holds no model"),
        ([], "MODEL"),
        (["x", "--temperature", "-1"], "temperature"),
        (["x", "--temperature", "nan"], "temperature"),
        (["x", "--temprature", "1"], "temprature"),
    ],
)
def test_what_is_wrong_takes_one_line_and_code_2(tmp_path, in_process, argv, message):
    wrong = in_process("chat", *argv, cwd=tmp_path)
    assert wrong.returncode == 2 and message in wrong.stderr and wrong.stderr.count("\n") == 1
