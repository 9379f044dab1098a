"""The journal: nothing lost, nothing wrong kept."""

import asyncio
import json
import os
import signal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from silly_llm.asking.journal import Journal, request_key
from silly_llm.core.errors import RunError
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider


class Teacher(LLMProvider):
    """A provider that is never asked."""

    def __init__(self, model="m", uses_fields=False):
        self.model, self.uses_fields = model, uses_fields

    async def complete(self, requests):
        raise AssertionError("not asked")


def request(text="hello", **more) -> ChatRequest:
    return ChatRequest(({"role": "user", "content": text},), **more)


def completion(i: int) -> Completion:
    return Completion(f"story {i} “ß🙂\n\0" * i, "stop", 3, i, "m", {"summary": "s"} if i % 2 else {})


def key(i: int) -> str:
    return request_key(Teacher(), request(seed=i))


def fill(journal: Journal, numbers) -> None:
    for i in numbers:
        journal.append(key(i), completion(i))
        asyncio.run(journal.flush())


def holds(path, numbers) -> bool:
    with Journal(path) as journal:
        found = [i for i in range(300) if journal.get(key(i)) == completion(i)]
        assert journal.tokens() == (3 * len(found), sum(found))
        return found == list(numbers) and len(journal) == len(found)


def test_the_key_is_what_was_asked():
    base = request_key(Teacher(), request())
    assert base == request_key(Teacher(), request()) == request_key(Teacher(), request(fields={"task": "story"}))
    others = [
        request_key(Teacher("other"), request()),
        request_key(Teacher(uses_fields=True), request(fields={"task": "story"})),
        *(request_key(Teacher(), r) for r in (request("hullo"), request(seed=1), request(max_tokens=5))),
        *(request_key(Teacher(), r) for r in (request(temperature=0.5), request(top_p=0.5))),
    ]
    assert len({base, *others}) == len(others) + 1


def test_answers_come_back(tmp_path):
    path = tmp_path / "out" / "journal.sqlite"
    with Journal(path) as journal:
        fill(journal, range(200))
        assert journal.get(key(7)) == completion(7) and journal.get("0" * 32) is None
        with pytest.raises(RunError, match=r"journal\.sqlite: cannot be opened \(database is locked\)"):
            Journal(path)
    assert holds(path, range(200))
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(RunError, match=r"journal\.sqlite: cannot be opened \(file is not a database\)"):
        Journal(path)


@pytest.mark.parametrize("cut", [0, 1, 5_000])
def test_a_killed_process_loses_nothing_and_a_torn_tail_costs_only_itself(tmp_path, cut):
    """Power loss may tear what was written last."""
    path = tmp_path / "journal.sqlite"
    if (child := os.fork()) == 0:
        fill(Journal(path), range(50))
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    log = tmp_path / "journal.sqlite-wal"
    os.truncate(log, log.stat().st_size - cut)
    with Journal(path) as journal:
        kept = len(journal)
        assert kept == 50 if not cut else 45 < kept < 50
        fill(journal, range(kept, 60))
    assert holds(path, range(60))


def test_journals_of_earlier_versions_are_taken_over_once(tmp_path, capsys):
    path = tmp_path / "journal.sqlite"
    records = [{"key": key(i), **vars(completion(i))} for i in range(30)]
    records = [{name: value for name, value in record.items() if value != {}} for record in records]
    shard = [record | {"extra": json.dumps(record["extra"]) if "extra" in record else None} for record in records[:20]]
    pq.write_table(pa.Table.from_pylist(shard), tmp_path / "journal-00000.parquet")
    lines = [json.dumps(record) for record in records[15:]]  # five stand in both: it died between the two
    lines = [*lines[:8], "\0" * 50, "[1]", lines[0].replace(": 15", ": 15" + "0" * 20), *lines[8:], '{"key": "torn']
    (tmp_path / "journal.jsonl").write_text("\n".join(lines))
    for _ in range(2):
        assert holds(path, range(30))
        assert [p.suffix for p in sorted(tmp_path.iterdir())][1:] == [".sqlite"]
    assert "lines without a readable answer: 3; these are requested again" in capsys.readouterr().err


def test_a_damaged_journal_is_named_with_a_way_out(tmp_path):
    for name in ("journal-00000.parquet", "journal.sqlite"):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_text("PAR1")
        with pytest.raises(RunError, match=f"{name}: cannot be .*; put a copy in its place, or move it away"):
            Journal(folder / "journal.sqlite")


def test_it_leaves_no_empty_file(tmp_path):
    with Journal(tmp_path / "journal.sqlite"):
        pass
    assert not list(tmp_path.iterdir())
