"""Phase 4: loss on the answer only, models that end by themselves, adapters, and training that survives its death."""

import json
import random

import pytest
import torch
from datasets import load_dataset
from journals import kill
from tiny import jsonl, tiny_llama
from tiny_runs import log_of
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from silly_llm.commands.chat import Talker
from silly_llm.core.config import load_recipe
from silly_llm.core.errors import RecipeError
from silly_llm.core.sampling import encode
from silly_llm.data.sources import open_source
from silly_llm.training.corpus.conversations import read_conversations
from silly_llm.training.corpus.tokenizer import TokenizerConfig, train_tokenizer
from silly_llm.training.model.chat import default_template, load_model, load_tokenizer
from silly_llm.training.sft import main
from silly_llm.training.sft_config import SftArguments
from silly_llm.training.trainers.sft import SmallModelSFTTrainer

FAST = ["--max_steps=2", "--per_device_train_batch_size=4", "--max_length=64", "--bf16=false", "--save_strategy=no"]


def story(index: int) -> str:
    rng = random.Random(index)
    name, thing = rng.choice(["Tom", "Mia", "Ben"]), rng.choice(["ball", "kite", "boat", "hat"])
    return f"Once {name} had a {thing}.\n\n" + f"{name} ran and ran. " * rng.randint(1, 3) + "The end."


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """A tiny random Llama with the tokenizer that pretraining leaves: no chat template."""
    tokenizer = train_tokenizer(map(story, range(50)), TokenizerConfig(vocab_size=320), max_length=128)
    sizes = {"hidden_size": 32, "intermediate_size": 96, "num_hidden_layers": 2, "max_position_embeddings": 128}
    return tiny_llama(tmp_path_factory.mktemp("base"), tokenizer, **sizes)


@pytest.fixture(scope="session")
def instructions(tmp_path_factory):
    """A dataset folder like those of phase 3."""
    folder = tmp_path_factory.mktemp("instructions")
    for split, numbers in (("train", range(60)), ("validation", range(60, 70))):
        rows = []
        for i in numbers:
            prompt = [{"role": "user", "content": f"Words: {story(i).split()[1]}"}]
            completion = [{"role": "assistant", "content": story(i)}]
            rows.append({"prompt": prompt, "completion": completion, "messages": prompt + completion})
        jsonl(folder / f"{split}.jsonl", rows)
    return folder


def arguments(base, instructions, folder, *more) -> list[str]:
    required = ["--model_name_or_path", base, "--dataset", instructions, "--output_dir", folder]
    return [str(a) for a in [*required, *FAST, *more]]


def make_trainer(base, instructions, folder, *more) -> SmallModelSFTTrainer:
    args = load_recipe(arguments(base, instructions, folder, *more), phase="sft", arguments=SftArguments).args
    tokenizer, _ = load_tokenizer(args)
    dataset = read_conversations(open_source(str(instructions)), "train")
    model = load_model(args, tokenizer)
    return SmallModelSFTTrainer(model=model, args=args, train_dataset=dataset, processing_class=tokenizer)


USER, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Once."}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "Hi", "completion": None}, "'completion' is null, not text"),
        ({"prompt": "Hi", "completion": [ANSWER]}, "'prompt' is a text, not a list of turns"),
        ({"messages": json.dumps([USER, ANSWER])}, "'messages' is a text, not a list of turns"),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, "'content' is null, not text"),
        ({"messages": [{"content": "Hi"}, ANSWER]}, "'messages' has a turn without a role"),
        ({"messages": [USER]}, "no assistant turn, only turns of user"),
    ],
)
def test_a_row_that_is_no_conversation_is_named(tmp_path, row, said):
    jsonl(tmp_path / "a.jsonl", [row])
    with pytest.raises(RecipeError, match=f"row 1 of train: .*{said}"):
        read_conversations(open_source(f"{tmp_path}/a.jsonl"), "train")


def test_the_roles_of_sharegpt_are_those_of_the_template(tmp_path):
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Once."}]
    jsonl(tmp_path / "a.jsonl", [{"conversations": turns}])
    assert read_conversations(open_source(f"{tmp_path}/a.jsonl"), "train")[0] == {"messages": [USER, ANSWER]}


def test_template_frames_the_answer_and_ends_it(base):
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = default_template()
    said = {"system": "Be kind.", "user": " Words: ball ", "assistant": "Once.\n"}
    messages = [{"role": role, "content": text} for role, text in said.items()]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    assert text == "<|bos|><|system|>\nBe kind.<|user|>\nWords: ball<|assistant|>\nOnce.<|eos|>"
    prompt = tokenizer.apply_chat_template(messages[:2], tokenize=False, add_generation_prompt=True)
    assert text.startswith(prompt) and text[len(prompt) :] == "Once.<|eos|>"


def test_loss_is_on_the_answer_only_its_end_included(base, instructions, tmp_path):
    trainer = make_trainer(base, instructions, tmp_path / "out")
    tokenizer = trainer.processing_class
    rows = load_dataset(str(instructions), split="train")
    for row, trained in zip(rows, trainer.train_dataset, strict=True):
        marked = tokenizer.apply_chat_template(row["messages"], return_dict=True, return_assistant_tokens_mask=True)
        masked = [t if m else -100 for t, m in zip(marked["input_ids"], marked["assistant_masks"], strict=True)]
        assert trained["input_ids"] == marked["input_ids"]
        assert trained["labels"] == masked
        answer = [label for label in trained["labels"] if label != -100]
        assert answer[-1] == tokenizer.eos_token_id and answer.count(tokenizer.eos_token_id) == 1
        assert tokenizer.decode(answer[:-1]) == row["completion"][0]["content"]
    batch = next(iter(trainer.get_train_dataloader()))
    assert (batch["labels"][batch["input_ids"] == tokenizer.pad_token_id] == -100).all()
    assert (batch["labels"] == tokenizer.eos_token_id).sum() == len(batch["labels"])


def test_plain_loss_is_that_of_trl(base, instructions, tmp_path, monkeypatch):
    trainer = make_trainer(base, instructions, tmp_path / "out")
    batch = next(iter(trainer.get_train_dataloader()))
    found = []
    for limit in (2**27, 0):
        monkeypatch.setattr("silly_llm.training.trainers.sft.LOGITS_AT_ONCE", limit)
        trainer.model.zero_grad()
        loss = trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=(batch["labels"] != -100).sum())
        loss.backward()
        found.append((loss.detach(), [p.grad.clone() for p in trainer.model.parameters()]))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)


def test_tuned_folder_loads_anywhere_and_chat_asks_as_in_training(base, instructions, tmp_path):
    main(arguments(base, instructions, tmp_path / "out"))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"model.safetensors", "tokenizer.json", "chat_template.jinja", "generation_config.json"} <= names
    talker = Talker.load(str(tmp_path / "out"), 0.8, 0.95, 8)
    assert (tmp_path / "out/chat_template.jinja").read_text() == default_template()
    assert talker.tuned
    assert talker.model.generation_config.eos_token_id == talker.tokenizer.eos_token_id == 1
    assert talker.model.generation_config.pad_token_id == talker.tokenizer.pad_token_id == 2
    trained = make_trainer(base, instructions, tmp_path / "other").train_dataset[0]
    row = load_dataset(str(instructions), split="train")[0]
    prompt = encode(talker.tokenizer, talker.asked(row["prompt"][0]["content"]))
    assert trained["input_ids"][: len(prompt)] == prompt
    assert trained["labels"][len(prompt) - 1] == -100 != trained["labels"][len(prompt)]


def test_time_limit_log_and_samples(base, instructions, tmp_path, capsys):
    options = ["--max_minutes", 0.05, "--max_steps", 100000, "--optimizer", "muon", "--logging_steps", 1]
    main(arguments(base, instructions, tmp_path / "out", *options))
    steps = log_of(tmp_path / "out")
    assert 2 <= steps[-1]["step"] < 100000 and steps[-1]["tokens"] > steps[0]["tokens"] > 0
    assert steps[-1]["learning_rate"] < steps[0]["learning_rate"]  # decayed by the clock
    assert log_of(tmp_path / "out", "eval_loss")
    (sample,) = [json.loads(line) for line in (tmp_path / "out/samples.jsonl").read_text().splitlines()]
    assert sample["prompt"] == [{"role": "user", "content": "Words: dog, jump, happy"}]
    assert (tmp_path / "out/README.md").read_text().count("silly-llm sft")
    page, printed = (tmp_path / "out/training.html").read_text(), capsys.readouterr().out
    assert "instruction tuning" in page and "Words: dog, jump, happy" in page and "<svg" in page
    assert "“Words: dog, jump, happy → " in printed and "nats a token on held-out text" in printed


def test_tuned_model_answers_and_ends_by_itself(base, tmp_path):
    row = {"prompt": [{"role": "user", "content": "Words: ball"}]}
    row |= {"completion": [{"role": "assistant", "content": "Tom had a ball. The end."}]}
    (tmp_path / "data.jsonl").write_text((json.dumps(row) + "\n") * 8)
    main(arguments(base, tmp_path / "data.jsonl", tmp_path / "out", "--max_steps", 60, "--learning_rate", 0.02))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    options = {"add_generation_prompt": True, "return_tensors": "pt", "return_dict": True}
    inputs = tokenizer.apply_chat_template(row["prompt"], **options)
    new = model.generate(**inputs, max_new_tokens=60, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert tokenizer.decode(new) == "Tom had a ball. The end.<|eos|>"


def test_examples_that_do_not_fit_are_left_out_not_cut(base, instructions, tmp_path):
    whole = make_trainer(base, instructions, tmp_path / "a", "--max_length", 128)
    short = make_trainer(base, instructions, tmp_path / "b", "--max_length", 30)
    assert whole.left_out == 0 and len(whole.train_dataset) == 60
    assert short.left_out > 0 and len(short.train_dataset) == 60 - short.left_out
    assert all(labels[-1] == 1 for labels in short.train_dataset["labels"])
    with pytest.raises(RecipeError, match="no example fits"):
        make_trainer(base, instructions, tmp_path / "c", "--max_length", 5)


@pytest.mark.parametrize("merge", [False, True])
def test_lora(base, instructions, tmp_path, merge):
    options = ["--use_peft", "--lora_r", 4, "--learning_rate", 0.05, "--lora_target_modules", "q_proj", "v_proj"]
    main(arguments(base, instructions, tmp_path / "out", *options, "--merge_adapter", merge))
    assert (tmp_path / "out/adapter_config.json").exists() is not merge
    assert (tmp_path / "out/model.safetensors").exists() is merge
    tuned = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    before = AutoModelForCausalLM.from_pretrained(base).eval()
    ids = torch.tensor([[0, 40, 50, 60]])
    assert not torch.allclose(tuned(ids).logits, before(ids).logits, atol=1e-4)
    if merge:
        assert type(tuned) is LlamaForCausalLM
        old = before.state_dict()
        changed = [name for name, new in tuned.state_dict().items() if not torch.equal(new, old[name])]
        assert changed and all("q_proj" in name or "v_proj" in name for name in changed)


def test_foreign_model_gets_the_tokens_it_lacks(base, instructions, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(base)
    state = tokenizer.backend_tokenizer.to_str().replace("<|user|>", "<|u|>").replace("<|assistant|>", "<|a|>")
    ends = {"bos_token": "<|bos|>", "eos_token": "<|eos|>", "pad_token": "<|eos|>"}
    foreign = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(state), **ends)
    foreign.save_pretrained(tmp_path / "foreign")
    AutoModelForCausalLM.from_pretrained(base).save_pretrained(tmp_path / "foreign")
    with pytest.raises(RecipeError, match="merge_adapter"):
        main(arguments(tmp_path / "foreign", instructions, tmp_path / "out", "--use_peft"))
    main(arguments(tmp_path / "foreign", instructions, tmp_path / "out"))
    tuned = AutoTokenizer.from_pretrained(tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert tuned.pad_token == "<|pad|>" != tuned.eos_token
    assert len(tuned(["<|user|>", "<|assistant|>"], add_special_tokens=False)["input_ids"][0]) == 1
    assert model.get_input_embeddings().weight.shape[0] == len(tuned) == len(tokenizer) + 2
    assert model.generation_config.pad_token_id == tuned.pad_token_id


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lerning_rate", "1"], "did you mean 'learning_rate'"),
        (["--lora_rr", "1"], "did you mean 'lora_r'"),
        (["--max_steps", "many"], "max_steps: expected a whole number"),
        (["--merge_adapter"], "use_peft"),
        (["--chat_template", "missing.jinja"], "missing.jinja"),
        (["--model_name_or_path", "missing/folder/here"], "no such file or folder"),
        (["--dataset", "missing.jsonl"], "missing.jsonl"),
        (["--fp16", "--bf16"], "fp16: a CPU"),
    ],
)
def test_bad_recipes_are_refused_before_anything_is_written(base, instructions, tmp_path, options, message):
    with pytest.raises(RecipeError, match=message):
        main(arguments(base, instructions, tmp_path / "out", *options))
    assert not (tmp_path / "out").exists()


def test_dataset_without_conversations(base, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"text": "Once."}\n')
    with pytest.raises(RecipeError, match="'prompt' and 'completion'"):
        main(arguments(base, tmp_path / "rows.jsonl", tmp_path / "out"))


@pytest.mark.slow
def test_killed_training_ends_as_if_undisturbed(base, instructions, tmp_path):
    options = ["--max_steps=24", "--save_strategy=steps", "--save_steps=3", "--eval_strategy=steps", "--eval_steps=6"]
    options += ["--logging_steps=1", "--learning_rate=0.01"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    main(arguments(base, instructions, whole, *options))
    saved = killed / "checkpoint-6/trainer_state.json"
    kill("sft", *arguments(base, instructions, killed, *options), when=saved.exists)
    assert not (killed / "model.safetensors").exists()
    main(arguments(base, instructions, killed, *options))
    for name in ("model.safetensors", "tokenizer.json", "chat_template.jinja"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
