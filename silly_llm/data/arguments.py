"""The keys of `vocabulary.yaml` and `generation.yaml`. Light, for a fast `--help`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.hub.card_keys import CardKeys

Spec = str | dict[str, Any]
"""A component: its name, or a mapping with `type` and options."""
FILTERS: list[Spec] = [
    "finish_reason", "length", "refusals", "assistant_talk", "markup", "repetition", "language", "profanity", "personal_data",
    "required_words", "duplicates", "near_duplicates",
]  # fmt: skip


def _key(default: Any, help: str) -> Any:
    """A key with its `--help` line; a callable default is called for each recipe."""
    metadata = {"help": help}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


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


@dataclass
class VocabularyArguments:
    """The keys of `silly-llm vocabulary`."""

    provider: Spec = _key("storyteller", "The LLM provider asked for words; storyteller reads the embedded list.")
    words: int = _key(1500, "Total number of words.")
    language: str = _key(
        "en", "Language of the words, as a code (es, zh); English-only checks are off by default in other languages."
    )
    proportions: dict[str, float] = _key(
        lambda: {"nouns": 0.5, "verbs": 0.25, "adjectives": 0.25},
        "Shares of nouns, verbs and adjectives; scaled to sum to 1.",
    )
    seed: int = _key(0, "Seed of all random choices.")
    output_dir: str = _key("", "Output folder of vocabulary.json.")
    extend: str | None = _key(
        None, "An existing vocabulary (path or Hub id) whose words are kept; only the rest is requested."
    )
    checks: WordChecks = _key(
        WordChecks, "min_length, max_length, max_syllables, min_frequency (Zipf), profanity, part_of_speech."
    )
    words_per_request: int = _key(50, "Number of words per request.")
    patience: int = _key(5, "Requests in a row without a new word after which a part of speech is abandoned.")
    max_tokens: int = _key(512, "Maximum length of an answer, in tokens.")
    temperature: float = _key(1.0, "Sampling temperature of the provider.")

    def __post_init__(self) -> None:
        self._check_language()
        _at_least(self, words=3, words_per_request=1, patience=1, max_tokens=1)
        if set(self.proportions) - {"nouns", "verbs", "adjectives"}:
            raise RecipeError(
                f"proportions: expected shares of nouns, verbs and adjectives, got {sorted(self.proportions)}"
            )
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
        if on := [
            name for name in english if getattr(self.checks, name) not in (None, False) and self.language != "en"
        ]:
            raise RecipeError(
                f"checks: {', '.join(on)}: English only, but language is {self.language}; switch them off "
                "(max_syllables: null, profanity: false, part_of_speech: false)"
            )
        if "storyteller" in (self.provider, isinstance(self.provider, dict) and self.provider.get("type")):
            raise RecipeError(f"provider: the storyteller has English words only, but language is {self.language}")


@dataclass
class GenerationArguments(CardKeys):
    """The keys of `silly-llm generate`."""

    provider: Spec = _key("storyteller", "The LLM provider that writes (`type`, `model`, `base_url` …).")
    vocabulary: str | None = _key(None, "vocabulary.json, its folder, or a Hub id; default: the embedded list.")
    num_stories: int = _key(1000, "Number of stories to request (filters keep fewer).")
    seed: int = _key(0, "All random choices derive from (seed, index of the story).")
    output_dir: str = _key("", "The output dataset folder.")
    features: dict[str, float] | list[str] | None = _key(
        None, "Features to request: a list, or probabilities by name; default: all six, each with feature_probability."
    )
    feature_probability: float = _key(0.3, "Probability of features without a probability in `features`.")
    feature_conflicts: list[list[str]] = _key(list, "Pairs of features that are never requested together.")
    max_features: int | None = _key(None, "Maximum number of features per story.")
    feature_descriptions: dict[str, str] = _key(
        dict, "Your own features by name, as described in prompts ('the letter has a joke')."
    )
    prompt_generator: Spec = _key(
        "tinystories", "How prompts are made: tinystories, or slots (any corpus, drawn from its `slots`)."
    )
    corpus: str = _key("stories", "Name of the texts, in the plural, for the card and messages.")
    template: str | list[str] | dict[str, float] = _key(
        "tinystories",
        "A named template, a .jinja file, your own text (Jinja: {{ noun }}, {{ verb }}, {{ adjective }}, {{ words "
        "}}, {{ features }}, {{ feature_phrases }}), a list to draw from, or weights by name.",
    )
    templates: dict[str, str] = _key(dict, "Your own templates by name, for use in `template`.")
    examples: Spec | None = _key(
        None,
        "Stories shown before each request, as turns of the conversation: a path, a Hub id or a data provider, with "
        "`text` and `words` (or `prompt`).",
    )
    num_examples: int = _key(0, "Number of examples per request.")
    system: str | None = _key(None, "System message, before every prompt.")
    cleaning: list[Spec] | None = _key(
        None,
        "Cleaning steps before the filters: code_fences, titles, quotes, or {pattern: …, "
        "replacement: …}; default: code_fences and quotes, plus titles if a filter would refuse them.",
    )
    filters: list[Spec] = _key(
        FILTERS.copy, "Story filters, by name or with options; refused stories form the split `rejected`."
    )
    validation_fraction: float = _key(0.01, "Share of the kept stories in the split `validation`.")
    max_tokens: int = _key(512, "Maximum length of a story, in the provider's tokens.")
    temperature: float = _key(1.0, "Sampling temperature.")
    top_p: float = _key(1.0, "Nucleus sampling: the smallest set of tokens of this mass.")
    max_failed: int = _key(0, "Number of stories that may be missing because their request failed after all retries.")
    max_attempts: int = _key(
        1, "Maximum requests per story: a refused story (not a copy) is requested again with a new seed."
    )
    max_cost: float | None = _key(None, "Stop before spending more than this (needs provider.price_per_million).")
    max_requests: int | None = _key(None, "Stop after this many answered requests.")
    max_tokens_total: int | None = _key(None, "Stop before prompts and answers exceed this many tokens.")
    num_shards: int = _key(1, "Number of parts the work is split into; without shard_index: merge the finished parts.")
    shard_index: int | None = _key(None, "The part this process generates, from 0 to num_shards - 1.")
    preview: int = _key(
        0, "Request this many stories, show prompts and answers, and estimate tokens, cost and time of the whole run."
    )
    dry_run: bool = _key(False, "With preview: send and write nothing.")
    push_to_hub: bool = _key(False, "Publish the dataset folder at the end.")
    hub_dataset_id: str | None = _key(None, "Repository to publish to, as NAMESPACE/NAME.")
    hub_private: bool = _key(False, "Publish it as a private dataset.")

    def written_language(self) -> str | None:
        """The declared language of the texts: from the recipe, or from its filter `language`; `None` if neither is set."""
        named = [f if isinstance(f, dict) else {"type": f} for f in self.filters]
        kept = (f.get("language") or "en" for f in named if f.get("type") == "language")
        return self.language or next(kept, None)

    def __post_init__(self) -> None:
        self.check_card()
        _at_least(self, num_stories=1, max_tokens=1, max_failed=0, preview=0, max_attempts=1, num_shards=1)
        for name in ("max_cost", "max_requests", "max_tokens_total"):
            limit = getattr(self, name)
            _require(self, name, limit is None or limit > 0, "must be above 0")
        if self.shard_index is not None:
            last = self.num_shards - 1
            bounds = f"must be between 0 and num_shards - 1 = {last}"
            _require(self, "shard_index", 0 <= self.shard_index <= last, bounds)
        if self.num_shards > self.num_stories:
            raise RecipeError(f"num_shards: {self.num_shards} is more than num_stories: {self.num_stories}")
        if bool(self.examples) != bool(self.num_examples):
            raise RecipeError(
                "examples and num_examples must be set together: examples: stories.jsonl, num_examples: 2"
            )
        if self.dry_run and not self.preview:
            raise RecipeError("dry_run: requires preview: --preview 3 --dry_run")
        _require(self, "validation_fraction", 0 <= self.validation_fraction < 1, "must be between 0 and 1")
        _require(self, "top_p", 0 < self.top_p <= 1, "must be between 0 and 1")
        _require(self, "temperature", self.temperature >= 0, "must not be negative")
        if self.push_to_hub and not self.hub_dataset_id:
            raise RecipeError("push_to_hub: set hub_dataset_id: NAMESPACE/NAME as the destination")


def _require(arguments: object, name: str, holds: bool, what: str) -> None:
    if not holds:
        raise RecipeError(f"{name}: {what}, got {getattr(arguments, name)}")


def _at_least(arguments: object, **bounds: int) -> None:
    for name, bound in bounds.items():
        _require(arguments, name, getattr(arguments, name) >= bound, f"must be at least {bound}")
