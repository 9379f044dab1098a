"""The keys of `vocabulary.yaml` and `generation.yaml`. Light, for a fast `--help`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.schema import at_least, key, require
from silly_llm.hub.card_keys import CardKeys

Spec = str | dict[str, Any]
"""A component: its name, or a mapping with `type` and options."""
FILTERS: list[Spec] = [
    "finish_reason", "length", "refusals", "assistant_talk", "markup", "repetition", "language", "profanity", "personal_data",
    "required_words", "duplicates", "near_duplicates",
]  # fmt: skip


@dataclass
class WordChecks:
    """What a word must satisfy to enter a vocabulary. `null` disables a check."""

    min_length: int = 2
    """Letters."""
    max_length: int | None = 12
    """Letters."""
    max_syllables: int | None = 4
    min_frequency: float | None = 2.5
    """Zipf scale: log10 of occurrences per billion words; 3 is once in a million (van Heuven et al. 2014)."""
    profanity: bool = True
    """Refuse words that are not for children."""
    part_of_speech: bool = True
    """Refuse words that are known as, or look like, another part of speech."""

    def __post_init__(self) -> None:
        at_least(self, min_length=0, max_length=max(1, self.min_length), max_syllables=1)


@dataclass
class VocabularyArguments:
    """The keys of `silly-llm vocabulary`."""

    provider: Spec = key("storyteller", "The LLM provider asked for words; storyteller reads the embedded list.")
    words: int = key(1500, "Total number of words.")
    language: str = key(
        "en", "Language of the words, as a code (es, zh); English-only checks are off by default in other languages."
    )
    proportions: dict[str, float] = key(
        lambda: {"nouns": 0.5, "verbs": 0.25, "adjectives": 0.25},
        "Shares of nouns, verbs and adjectives; scaled to sum to 1.",
    )
    seed: int = key(0, "Seed of all random choices.")
    output_dir: str = key("", "Output folder of vocabulary.json.")
    extend: str | None = key(
        None, "An existing vocabulary (path or Hub id) whose words are kept; only the rest is requested."
    )
    checks: WordChecks = key(
        WordChecks, "min_length, max_length, max_syllables, min_frequency (Zipf), profanity, part_of_speech."
    )
    words_per_request: int = key(50, "Number of words that one request asks for.")
    patience: int = key(5, "Give up on a part of speech after this many requests in a row without a new word.")
    max_tokens: int = key(512, "Maximum length of an answer, in tokens.")
    temperature: float = key(1.0, "Sampling temperature of the provider.")

    def __post_init__(self) -> None:
        self._check_language()
        at_least(self, words=3, words_per_request=1, patience=1, max_tokens=1, temperature=0)
        if set(self.proportions) - {"nouns", "verbs", "adjectives"}:
            known = "expected shares of nouns, verbs and adjectives"
            raise RecipeError(f"proportions: {known}, got {sorted(self.proportions)}")
        if not self.proportions or min(self.proportions.values()) < 0 or sum(self.proportions.values()) <= 0:
            raise RecipeError("proportions: expected shares that are not negative and not all zero")

    def _check_language(self) -> None:
        """Switch off the English-only checks by default for other languages."""
        if self.language == "en":
            return
        from silly_llm.text.languages import base, standard

        self.language = base(standard(self.language))
        if self.checks == WordChecks():
            self.checks = WordChecks(min_length=1, max_syllables=None, profanity=False, part_of_speech=False)
        import wordfreq

        if self.checks.min_frequency is not None and self.language not in wordfreq.available_languages():
            raise RecipeError(
                f"checks: min_frequency: has no word frequencies for {self.language}; switch it off (min_frequency: null)"
            )
        english = ("max_syllables", "profanity", "part_of_speech")
        on = [key for key in english if self.language != "en" and getattr(self.checks, key) not in (None, False)]
        if on:
            raise RecipeError(
                f"checks: {', '.join(on)}: English only, but language is {self.language}; switch them off "
                "(max_syllables: null, profanity: false, part_of_speech: false)"
            )
        if "storyteller" in (self.provider, isinstance(self.provider, dict) and self.provider.get("type")):
            raise RecipeError(f"provider: the storyteller has English words only, but language is {self.language}")


@dataclass
class PromptSettings:
    """What a recipe says about prompts. Its methods raise a RecipeError for an unknown feature and a probability outside 0-1."""

    features: dict[str, float] | list[str] | None = key(
        None, "Features to ask for: a list, or probabilities by name; default: all six, each with feature_probability."
    )
    feature_probability: float = key(0.3, "Probability of a feature that `features` gives no probability for.")
    feature_conflicts: list[list[str]] = key(list, "Pairs of features that are never asked for together.")
    max_features: int | None = key(None, "Maximum number of features that one prompt asks for.")
    feature_descriptions: dict[str, str] = key(
        dict, "Your own features: name to description, as prompts word it ('the letter has a joke')."
    )
    template: str | list[str] | dict[str, float] = key(
        "tinystories",
        "A named template, a .jinja file, your own text (Jinja: {{ noun }}, {{ verb }}, {{ adjective }}, {{ words "
        "}}, {{ features }}, {{ feature_phrases }}), a list to draw from, or weights by name.",
    )
    templates: dict[str, str] = key(dict, "Your own templates by name, to be named in `template`.")
    examples: Spec | None = key(
        None,
        "Few-shot examples, shown as earlier turns of the conversation: a path, a Hub id or a data provider, with "
        "`text` and `words` (or `prompt`).",
    )
    num_examples: int = key(0, "Number of few-shot examples per request.")
    system: str | None = key(None, "System message of every request.")

    @property
    def descriptions(self) -> dict[str, str]:
        """What a prompt says of each feature: ours, then the recipe's own."""
        from silly_llm.text.features import DESCRIPTIONS

        return {**DESCRIPTIONS, **self.feature_descriptions}

    def probabilities(self, default: Sequence[str] | None = None) -> dict[str, float]:
        """The probability of each feature, in the order of `descriptions`; without `features`, of `default` (ours) and the recipe's own."""
        every = list(self.descriptions) if default is None else [*default, *self.feature_descriptions]
        given = every if self.features is None else self.features
        self._check_features("features", given)
        by_name = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given, self.feature_probability)
        for name, value in by_name.items():
            if not 0 <= value <= 1:
                raise RecipeError(f"features: {name}: a probability is between 0 and 1, got {value}")
        return {name: by_name[name] for name in self.descriptions if name in by_name}

    def conflicts(self) -> list[list[str]]:
        """Pairs of features that no story has both of."""
        for pair in self.feature_conflicts:
            self._check_features("feature_conflicts", pair)
            if len(pair) != 2 or pair[0] == pair[1]:
                raise RecipeError(f"feature_conflicts: expected pairs of two features, got {pair}")
        if self.max_features is not None and self.max_features < 0:
            raise RecipeError(f"max_features: must not be negative, got {self.max_features}")
        return self.feature_conflicts

    def _check_features(self, key: str, names: Iterable[str]) -> None:
        known = self.descriptions
        for name in names:
            if name not in known:
                near = suggestion(name, known)
                raise RecipeError(f"{key}: unknown feature {name!r}{near}; known: {', '.join(known)}")


@dataclass
class GenerationArguments(PromptSettings, CardKeys):
    """What `silly-llm generate` understands."""

    provider: Spec = key("storyteller", "The teacher: an LLM provider (`type`, `model`, `base_url` …).")
    vocabulary: str | None = key(None, "vocabulary.json, its folder, or a Hub id; default: the embedded vocabulary.")
    num_stories: int = key(1000, "Number of stories to request (filters keep fewer).")
    seed: int = key(0, "Seed of all random choices, together with the index of the story.")
    output_dir: str = key("", "The dataset folder to write.")
    prompt_generator: Spec = key(
        "tinystories", "The prompt generator: tinystories, or slots (for any corpus: fills `slots` at random)."
    )
    corpus: str = key("stories", "What the texts are called, in the plural, in the card and in messages.")
    cleaning: list[Spec] | None = key(
        None,
        "Cleaning steps before the filters: code_fences, titles, quotes, or {pattern: …, "
        "replacement: …}; default: code_fences and quotes, plus titles if a filter would refuse them.",
    )
    filters: list[Spec] = key(
        FILTERS, "Story filters, by name or with options; rejected stories go to the split `rejected`."
    )
    validation_fraction: float = key(0.01, "Fraction of the accepted stories that goes to the split `validation`.")
    max_tokens: int = key(512, "Maximum length of a story, in tokens of the provider.")
    temperature: float = key(1.0, "Sampling temperature.")
    top_p: float = key(
        1.0, "Nucleus sampling: sample from the most likely tokens that together have this probability."
    )
    max_failed: int = key(0, "How many requests may fail after all retries before the run counts as failed.")
    max_attempts: int = key(
        1, "Maximum requests per story: a rejected one (unless it is a duplicate) is requested again with a new seed."
    )
    max_cost: float | None = key(None, "Stop before spending more than this (needs provider.price_per_million).")
    max_requests: int | None = key(None, "Stop after this many answered requests.")
    max_tokens_total: int | None = key(None, "Stop before prompts and answers exceed this many tokens in total.")
    num_shards: int = key(
        1, "Number of parts that the work is split into; without shard_index, merges the finished parts."
    )
    shard_index: int | None = key(None, "The part that this process handles, from 0 to num_shards - 1.")
    preview: int = key(
        0, "Request this many stories, show prompts and answers, and estimate tokens, cost and time of the whole run."
    )
    dry_run: bool = key(False, "With preview: send nothing and write nothing.")
    push_to_hub: bool = key(False, "Publish the dataset folder when it is finished.")
    hub_dataset_id: str | None = key(None, "Where to publish it, as NAMESPACE/NAME.")
    hub_private: bool = key(False, "Publish it as a private dataset.")

    def written_language(self) -> str | None:
        """The declared language of the texts: from the recipe, or from its filter `language`; `None` if neither is set."""
        named = [f if isinstance(f, dict) else {"type": f} for f in self.filters]
        kept = (f.get("language") or "en" for f in named if f.get("type") == "language")
        return self.language or next(kept, None)

    def __post_init__(self) -> None:
        self.check_card()
        at_least(self, num_stories=1, max_tokens=1, max_failed=0, preview=0, max_attempts=1, num_shards=1)
        for name in ("max_cost", "max_requests", "max_tokens_total"):
            limit = getattr(self, name)
            require(self, name, limit is None or limit > 0, "must be above 0")
        if self.shard_index is not None:
            last = self.num_shards - 1
            bounds = f"must be between 0 and num_shards - 1 = {last}"
            require(self, "shard_index", 0 <= self.shard_index <= last, bounds)
        if self.num_shards > self.num_stories:
            raise RecipeError(f"num_shards: {self.num_shards} is more than num_stories: {self.num_stories}")
        if bool(self.examples) != bool(self.num_examples):
            raise RecipeError(
                "examples and num_examples must be set together: examples: stories.jsonl, num_examples: 2"
            )
        if self.dry_run and not self.preview:
            raise RecipeError("dry_run: goes with preview: --preview 3 --dry_run")
        require(self, "validation_fraction", 0 <= self.validation_fraction < 1, "must be between 0 and 1")
        require(self, "top_p", 0 < self.top_p <= 1, "must be between 0 and 1")
        require(self, "temperature", self.temperature >= 0, "must not be negative")
        if self.push_to_hub and not self.hub_dataset_id:
            raise RecipeError("push_to_hub: say where with hub_dataset_id: NAMESPACE/NAME")
