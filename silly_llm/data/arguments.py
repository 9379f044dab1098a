"""The keys of `vocabulary.yaml` and `generation.yaml`. Light, so that `--help` answers at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.hub.card_keys import CardKeys


@dataclass
class WordChecks:
    """What a word must satisfy to enter a vocabulary. `null` switches a check off."""

    min_length: int = 2
    """Letters."""
    max_length: int | None = 12
    """Letters."""
    max_syllables: int | None = 4
    min_frequency: float | None = 2.5
    """Zipf scale: log10 of occurrences per billion words; 3 is once in a million (van Heuven et al. 2014)."""
    profanity: bool = True
    """Refuse words one does not say to children."""
    part_of_speech: bool = True
    """Refuse words that are known as, or look like, another part of speech."""


@dataclass
class VocabularyArguments:
    """What `silly-llm vocabulary` understands."""

    provider: str | dict[str, Any] = field(
        default="storyteller",
        metadata={"help": "Who is asked for words: an LLM provider; storyteller reads the embedded list."},
    )
    words: int = field(default=1500, metadata={"help": "How many words in all."})
    language: str = field(
        default="en",
        metadata={
            "help": "Language of the words, as a code (es, zh); checks that know English only are off where the recipe names none."
        },
    )
    proportions: dict[str, float] = field(
        default_factory=lambda: {"nouns": 0.5, "verbs": 0.25, "adjectives": 0.25},
        metadata={"help": "Shares of nouns, verbs and adjectives; they are scaled to sum to 1."},
    )
    seed: int = field(default=0, metadata={"help": "Every choice derives from it."})
    output_dir: str = field(default="", metadata={"help": "Where vocabulary.json goes."})
    extend: str | None = field(
        default=None,
        metadata={"help": "A vocabulary (path or Hub id) whose words are kept; only what is missing is asked for."},
    )
    checks: WordChecks = field(
        default_factory=WordChecks,
        metadata={"help": "min_length, max_length, max_syllables, min_frequency (Zipf), profanity, part_of_speech."},
    )
    words_per_request: int = field(default=50, metadata={"help": "How many words one request asks for."})
    patience: int = field(
        default=5, metadata={"help": "Requests in a row that bring no new word before a part of speech is given up."}
    )
    max_tokens: int = field(default=512, metadata={"help": "Longest answer to one request, in tokens."})
    temperature: float = field(default=1.0, metadata={"help": "Sampling temperature of the provider."})

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
        """Other languages than English go without the checks that know English only."""
        if self.language == "en":
            return
        from silly_llm.text.languages import base, standard

        self.language = base(standard(self.language))
        if self.checks == WordChecks():
            self.checks = WordChecks(min_length=1, max_syllables=None, profanity=False, part_of_speech=False)
        import wordfreq

        if self.checks.min_frequency is not None and self.language not in wordfreq.available_languages():
            raise RecipeError(
                f"checks: min_frequency: knows no words of {self.language}; switch it off (min_frequency: null)"
            )
        english = ("max_syllables", "profanity", "part_of_speech")
        on = [name for name in english if getattr(self.checks, name) not in (None, False)]
        if on and self.language != "en":
            raise RecipeError(
                f"checks: {', '.join(on)}: know English only, and language is {self.language}; switch them off "
                "(max_syllables: null, profanity: false, part_of_speech: false)"
            )
        if self.provider == "storyteller" or (
            isinstance(self.provider, dict) and self.provider.get("type") == "storyteller"
        ):
            raise RecipeError(f"provider: the storyteller knows English words only, and language is {self.language}")


@dataclass
class GenerationArguments(CardKeys):
    """What `silly-llm generate` understands."""

    provider: str | dict[str, Any] = field(
        default="storyteller", metadata={"help": "Who writes: an LLM provider (`type`, `model`, `base_url` …)."}
    )
    vocabulary: str | None = field(
        default=None,
        metadata={"help": "vocabulary.json, its folder, or a Hub dataset id; default: the embedded list."},
    )
    num_stories: int = field(default=1000, metadata={"help": "How many stories to ask for (filters keep fewer)."})
    seed: int = field(default=0, metadata={"help": "Every choice derives from (seed, index of the story)."})
    output_dir: str = field(default="", metadata={"help": "Where the dataset folder goes."})
    features: dict[str, float] | list[str] | None = field(
        default=None,
        metadata={
            "help": "Which features stories may be asked for: a list, or probabilities by name; default: all six, each "
            "with feature_probability."
        },
    )
    feature_probability: float = field(
        default=0.3, metadata={"help": "Probability of a feature that `features` gives no probability for."}
    )
    feature_conflicts: list[list[str]] = field(
        default_factory=list, metadata={"help": "Pairs of features of which a story is asked for one at most."}
    )
    max_features: int | None = field(default=None, metadata={"help": "Most features that one story is asked for."})
    feature_descriptions: dict[str, str] = field(
        default_factory=dict,
        metadata={"help": "One's own features by name: what a prompt says of each ('the letter has a joke')."},
    )
    prompt_generator: str | dict[str, Any] = field(
        default="tinystories",
        metadata={
            "help": "Component that makes the prompts: tinystories, or slots, whose own `slots` are drawn from (any corpus)."
        },
    )
    corpus: str = field(
        default="stories", metadata={"help": "What the texts are, in the plural, for card and messages."}
    )
    template: str | list[str] | dict[str, float] = field(
        default="tinystories",
        metadata={
            "help": "A named template, a .jinja file, one's own text (Jinja: {{ noun }}, {{ verb }}, {{ adjective }}, {{ words }}, "
            "{{ features }}, {{ feature_phrases }}), a list to draw from, or weights by name."
        },
    )
    templates: dict[str, str] = field(
        default_factory=dict, metadata={"help": "One's own templates by name, for `template` to name."}
    )
    examples: str | dict[str, Any] | None = field(
        default=None,
        metadata={
            "help": "Stories to show before each request, as turns of the conversation: a path, a Hub id or a data provider, "
            "with `text` and `words` (or `prompt`)."
        },
    )
    num_examples: int = field(default=0, metadata={"help": "How many of them each request shows."})
    system: str | None = field(default=None, metadata={"help": "System message, put before every prompt."})
    cleaning: list[str | dict[str, Any]] | None = field(
        default=None,
        metadata={
            "help": "What is taken off texts before the filters see them: code_fences, titles, quotes, or {pattern: …, "
            "replacement: …}; default: code_fences and quotes, and titles where a filter would refuse them."
        },
    )
    filters: list[str | dict[str, Any]] = field(
        default_factory=lambda: [
            "finish_reason",
            "length",
            "refusals",
            "assistant_talk",
            "markup",
            "repetition",
            "language",
            "profanity",
            "personal_data",
            "required_words",
            "duplicates",
            "near_duplicates",
        ],
        metadata={"help": "Story filters, by name or with options; refused stories go to the split `rejected`."},
    )
    validation_fraction: float = field(
        default=0.01, metadata={"help": "Share of the kept stories that becomes the split `validation`."}
    )
    max_tokens: int = field(default=512, metadata={"help": "Longest story, in tokens of the provider."})
    temperature: float = field(default=1.0, metadata={"help": "Sampling temperature."})
    top_p: float = field(default=1.0, metadata={"help": "Nucleus sampling: the smallest set of tokens of this mass."})
    max_failed: int = field(
        default=0, metadata={"help": "Stories that may be missing because their request failed after all retries."}
    )
    max_attempts: int = field(
        default=1,
        metadata={
            "help": "How often a story may be asked for: one that the filters refuse is asked again with a new seed (copies "
            "are not)."
        },
    )
    max_cost: float | None = field(
        default=None, metadata={"help": "Stop before more than this is spent (needs provider.price_per_million)."}
    )
    max_requests: int | None = field(default=None, metadata={"help": "Stop when this many requests were answered."})
    max_tokens_total: int | None = field(
        default=None, metadata={"help": "Stop before prompts and answers have more tokens than this."}
    )
    num_shards: int = field(
        default=1,
        metadata={"help": "Into how many parts the work is split; without shard_index: merge the finished parts."},
    )
    shard_index: int | None = field(
        default=None, metadata={"help": "Which part this process does, from 0 to num_shards - 1."}
    )
    preview: int = field(
        default=0,
        metadata={
            "help": "Ask for this many stories, show prompts and answers, and estimate tokens, cost and time of the "
            "whole run."
        },
    )
    dry_run: bool = field(default=False, metadata={"help": "With preview: send and write nothing."})
    push_to_hub: bool = field(default=False, metadata={"help": "Publish the dataset folder when it is done."})
    hub_dataset_id: str | None = field(default=None, metadata={"help": "Where to publish it, as NAMESPACE/NAME."})
    hub_private: bool = field(default=False, metadata={"help": "Publish it as a private dataset."})

    def written_language(self) -> str | None:
        """The language that the texts are said to have: the recipe's, or the one that its filter keeps; `None`: neither."""
        named = [f if isinstance(f, dict) else {"type": f} for f in self.filters]
        kept = (f.get("language") or "en" for f in named if f.get("type") == "language")
        return self.language or next(kept, None)

    def __post_init__(self) -> None:
        self.check_card()
        _at_least(self, num_stories=1, max_tokens=1, max_failed=0, preview=0, max_attempts=1, num_shards=1)
        for name in ("max_cost", "max_requests", "max_tokens_total"):
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise RecipeError(f"{name}: must be above 0, got {getattr(self, name)}")
        if self.shard_index is not None and not 0 <= self.shard_index < self.num_shards:
            raise RecipeError(
                f"shard_index: must be between 0 and num_shards - 1 = {self.num_shards - 1}, got {self.shard_index}"
            )
        if self.num_shards > self.num_stories:
            raise RecipeError(f"num_shards: {self.num_shards} is more than num_stories: {self.num_stories}")
        if bool(self.examples) != bool(self.num_examples):
            raise RecipeError("examples and num_examples go together: examples: stories.jsonl, num_examples: 2")
        if self.dry_run and not self.preview:
            raise RecipeError("dry_run: goes with preview: --preview 3 --dry_run")
        if not 0 <= self.validation_fraction < 1:
            raise RecipeError(f"validation_fraction: must be between 0 and 1, got {self.validation_fraction}")
        if not 0 < self.top_p <= 1:
            raise RecipeError(f"top_p: must be between 0 and 1, got {self.top_p}")
        if self.temperature < 0:
            raise RecipeError(f"temperature: must not be negative, got {self.temperature}")
        if self.push_to_hub and not self.hub_dataset_id:
            raise RecipeError("push_to_hub: say where with hub_dataset_id: NAMESPACE/NAME")


def _at_least(arguments: object, **bounds: int) -> None:
    for name, bound in bounds.items():
        if getattr(arguments, name) < bound:
            raise RecipeError(f"{name}: must be at least {bound}, got {getattr(arguments, name)}")
