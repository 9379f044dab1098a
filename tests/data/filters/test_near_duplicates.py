"""Near-copies: planted ones are found, others are kept, the original is named."""

import sys

import pytest
from locations import ROOT

from silly_llm.core.container import Container
from silly_llm.data.filters.base import Refusal
from silly_llm.data.filters.near_duplicates import SimilarityIndex, shingles, signature

sys.path.insert(0, str(ROOT / "scripts" / "benchmarks"))
import near_duplicates as benchmark


def found(stories) -> dict[str, str]:
    story_filter = Container().build("story_filter", "near_duplicates")
    refusals = {story["id"]: story_filter.refuse(story) for story in stories}
    return {name: refusal.duplicate_of for name, refusal in refusals.items() if isinstance(refusal, Refusal)}


def check(background: list[str], copies: int) -> None:
    stories, planted = benchmark.corpus(background, copies)
    refused = found(stories)
    right = [copy for copy in refused if copy in planted]
    assert len(right) >= 0.98 * len(planted)
    assert len(right) >= 0.98 * len(refused)
    assert sum(refused[copy] == planted[copy] for copy in right) >= 0.98 * len(right)


def test_planted_copies_are_found_among_stories_of_one_grammar():
    check(list(benchmark.storyteller(5_000)), 200)


@pytest.mark.slow
def test_two_thousand_copies_are_found_among_fifty_thousand_stories():
    check(list(benchmark.storyteller(50_000)), 2_000)


def test_planted_copies_are_found_among_real_stories(tinystories):
    check(tinystories, len(tinystories) // 10)


def test_a_name_is_masked_however_it_is_mentioned():
    story = "One day, Tim saw a dog. The dog liked Tim. So Tim went home with Tim's dog."
    assert shingles(story) == shingles(story.replace("Tim", "Anna"))
    assert shingles("Yes, yes.") == ["yesyes"] and shingles("") == [] and shingles("yes") == ["yes"]
    # A word that begins a sentence is none, if the text has it in lower case, or it is a function word.
    assert shingles("Dogs bark. Big dogs bark. Then cats run. They run.")[0] == "dogsbark"
    assert shingles("Then cats run.")[0] == "thencats"


def test_the_estimate_is_near_the_jaccard_similarity():
    one, other = (" ".join(f"w{i}" for i in range(a, a + 400)) for a in (0, 100))
    a, b = set(shingles(one)), set(shingles(other))
    assert (signature(one) == signature(other)).mean() == pytest.approx(len(a & b) / len(a | b), abs=0.1)


def test_the_table_grows_and_forgets_nothing():
    index = SimilarityIndex(0.9)
    texts = [" ".join(f"w{i}x{j}" for j in range(30)) for i in range(6_000)]
    assert all(index.find_or_add(signature(text)) is None for text in texts)
    assert [index.find_or_add(signature(text)) for text in texts] == list(range(6_000))


def test_a_beginning_that_all_share_neither_refuses_nor_hides():
    same = " ".join(f"same{i}" for i in range(40))
    texts = [same + " " + " ".join(f"w{i}x{j}" for j in range(60)) for i in range(1_000)]
    index = SimilarityIndex(0.7)
    assert all(index.find_or_add(signature(text)) is None for text in texts)
    assert [index.find_or_add(signature(text + " the end")) for text in texts] == list(range(1_000))


def test_of_several_alike_the_most_alike_is_named_and_the_first_of_equals():
    def text(changed: int) -> str:
        return " ".join(f"{'x' if i < changed else 'w'}{i}" for i in range(200))

    index = SimilarityIndex(0.9)
    assert index.find_or_add(signature(text(60))) is None
    assert index.find_or_add(signature(text(30))) is None
    assert index.find_or_add(signature(text(28))) == 1


def test_it_depends_on_no_hash_seed_of_python(python):
    code = "from silly_llm.data.filters.near_duplicates import signature; print(signature('a b c d e')[:4].tolist())"
    assert python(code, PYTHONHASHSEED="1").stdout.strip() == str(signature("a b c d e")[:4].tolist())
