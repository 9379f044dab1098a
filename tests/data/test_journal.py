"""The journal: nothing lost, nothing wrong kept."""

from __future__ import annotations

import os

import pytest

from silly_llm.asking.journal import Journal, request_key
from silly_llm.core.errors import RunError
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider


class Teacher(LLMProvider):
    """A provider that is never asked."""

    def __init__(self, model="m", uses_fields=False):
        self.model = model
        self.uses_fields = uses_fields

    async def complete(self, requests):
        raise AssertionError("not asked")


def request(text="hello", **more) -> ChatRequest:
    return ChatRequest(({"role": "user", "content": text},), **more)


def completion(text: str) -> Completion:
    return Completion(text, "stop", 3, len(text.split()), "m", {"summary": "s"} if "s" in text else {})


def test_the_key_is_what_was_asked():
    base = request_key(Teacher(), request())
    assert base == request_key(Teacher(), request())
    assert base == request_key(Teacher(), request(fields={"task": "story"}))
    others = [
        request_key(Teacher("other"), request()),
        request_key(Teacher(), request("hullo")),
        request_key(Teacher(), request(seed=1)),
        request_key(Teacher(), request(max_tokens=5)),
        request_key(Teacher(), request(temperature=0.5)),
        request_key(Teacher(), request(top_p=0.5)),
        request_key(Teacher(uses_fields=True), request(fields={"task": "story"})),
    ]
    assert len({base, *others}) == len(others) + 1


def test_answers_come_back_also_in_another_process(tmp_path):
    path = tmp_path / "out" / "journal.jsonl"
    keys = [request_key(Teacher(), request(seed=i)) for i in range(200)]
    with Journal(path) as journal:
        for i, key in enumerate(keys):
            journal.append(key, completion(f"story {i} “ß🙂\n" * i))
        assert journal.get(keys[7]) == completion("story 7 “ß🙂\n" * 7)
    with Journal(path) as journal:
        assert len(journal) == 200
        assert all(journal.get(key) == completion(f"story {i} “ß🙂\n" * i) for i, key in enumerate(keys))
        assert journal.get("0" * 32) is None


@pytest.mark.parametrize("cut", [1, 10, 60, 10**6])
def test_a_torn_record_is_cut_off_and_the_rest_stays(tmp_path, cut):
    path = tmp_path / "journal.jsonl"
    keys = [request_key(Teacher(), request(seed=i)) for i in range(3)]
    with Journal(path) as journal:
        for key in keys[:2]:
            journal.append(key, completion("whole"))
        whole = path.stat().st_size
        journal.append(keys[2], completion("torn"))
    os.truncate(path, max(whole + 1, path.stat().st_size - cut))
    with Journal(path) as journal:
        assert (len(journal), journal.damaged) == (2, 1)
        assert path.stat().st_size == whole
        journal.append(keys[2], completion("again"))
    with Journal(path) as journal:
        assert (len(journal), journal.damaged) == (3, 0)
        assert journal.get(keys[2]) == completion("again")


def test_damage_in_the_middle_costs_only_that_record(tmp_path):
    path = tmp_path / "journal.jsonl"
    keys = [request_key(Teacher(), request(seed=i)) for i in range(3)]
    with Journal(path) as journal:
        for key in keys:
            journal.append(key, completion("whole"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\0" * (len(lines[1]) - 1) + b"\n" + lines[2])
    with Journal(path) as journal:
        assert [key in journal for key in keys] == [True, False, True]


def test_a_full_disk_is_one_line_and_keeps_what_was_written(tmp_path):
    path = tmp_path / "journal.jsonl"
    first, second = (request_key(Teacher(), request(seed=i)) for i in range(2))
    with Journal(path) as journal:
        journal.append(first, completion("whole"))
    journal = Journal(path)
    os.close(journal._file)
    journal._file = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises((RunError, OSError)):
        journal.append(second, completion("no room"))
    with Journal(path) as journal:
        assert first in journal and second not in journal


def test_it_becomes_parquet_shards_as_it_grows(tmp_path):
    path = tmp_path / "journal.jsonl"
    keys = [request_key(Teacher(), request(seed=i)) for i in range(95)]
    with Journal(path, rows_per_shard=20) as journal:
        for i, key in enumerate(keys):
            journal.append(key, completion(f"story {i} “ß🙂\n"))
            assert journal.get(key) == completion(f"story {i} “ß🙂\n")
        assert len(journal) == 95 and journal.get(keys[3]) == completion("story 3 “ß🙂\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *(f"journal-{i:05d}.parquet" for i in range(4)),
        "journal.jsonl",
    ]
    assert path.read_bytes().count(b"\n") == 15
    with Journal(path, rows_per_shard=20) as journal:
        assert len(journal) == 95 and journal.tokens == [3 * 95, 3 * 95]
        assert all(journal.get(key) == completion(f"story {i} “ß🙂\n") for i, key in enumerate(keys))
        assert journal.get("0" * 32) is None and "0" * 32 not in journal


def test_dying_between_shard_and_new_file_counts_nothing_twice(tmp_path):
    path = tmp_path / "journal.jsonl"
    keys = [request_key(Teacher(), request(seed=i)) for i in range(20)]
    with Journal(path, rows_per_shard=1000) as journal:
        for key in keys:
            journal.append(key, completion("whole"))
    lines = path.read_bytes()
    (tmp_path / ".journal-00000.parquet.tmp").write_bytes(b"half a shard")
    with Journal(path, rows_per_shard=20) as journal:
        journal.append(request_key(Teacher(), request(seed=99)), completion("last"))
    path.write_bytes(lines)  # as if the shard had been made and the file not yet emptied
    with Journal(path, rows_per_shard=20) as journal:
        assert len(journal) == 21 and journal.tokens[0] == 3 * 21
        assert all(key in journal for key in keys)
    assert not (tmp_path / ".journal-00000.parquet.tmp").exists()


@pytest.mark.parametrize("answers", [0, 40])
def test_it_leaves_no_empty_file(tmp_path, answers):
    """Readers of the folder would take it for data without rows."""
    path = tmp_path / "journal.jsonl"
    keys = [request_key(Teacher(), request(seed=i)) for i in range(answers)]
    with Journal(path, rows_per_shard=20) as journal:
        for key in keys:
            journal.append(key, completion("whole"))
    assert not path.exists() and len(list(tmp_path.glob("journal-*.parquet"))) == answers // 20
    with Journal(path, rows_per_shard=20) as journal:
        assert len(journal) == answers and all(key in journal for key in keys)
