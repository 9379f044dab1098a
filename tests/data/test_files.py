"""The files people have: each loads whole, every row as it was put in, or is one line with file, row and column."""

import bz2
import csv
import functools
import gzip
import http.server
import io
import json
import lzma
import threading
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from silly_llm.core.errors import RecipeError
from silly_llm.data import rows
from silly_llm.data.instructions.split import StorySplit
from silly_llm.data.sources import load_records, open_source

TEXTS = ['One "cat", 猫.\n\nIt sat.', "007", "NA", "Two dogs; naïve 🙂", "a\tb, <|eos|>", "  kept  ", ""]


def jsonl(texts, **more) -> bytes:
    rows = ({"id": 1, "text": text, **more} for text in texts)
    return "".join(json.dumps(row, ensure_ascii=i % 2 == 0) + "\n" for i, row in enumerate(rows)).encode()


def table(texts, delimiter=",", quoting=csv.QUOTE_MINIMAL) -> bytes:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, quoting=quoting).writerows([("id", "text"), *enumerate(texts)])
    return file.getvalue().encode()


def parquet(column, **more) -> bytes:
    pq.write_table(pa.table({"text": column, **more}), file := io.BytesIO())
    return file.getvalue()


def zst(data: bytes) -> bytes:
    return pa.compress(data, "zstd", asbytes=True)


def folder_of(path: Path, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return str(path)


FILES: dict[str, bytes] = {
    "a.jsonl": jsonl(TEXTS),
    "a.ndjson": jsonl(TEXTS).replace(b"\n", b"\r\n"),
    "blank lines.jsonl": jsonl(TEXTS).replace(b"}\n", b"}\n\n"),
    "bom.jsonl": b"\xef\xbb\xbf" + jsonl(TEXTS),
    "other columns.jsonl": jsonl(TEXTS[:3], n=1) + jsonl(TEXTS[3:], n="x", more=[1]),
    "list.json": json.dumps([{"text": t} for t in TEXTS]).encode(),
    "pretty.json": json.dumps([{"text": t, "n": [1, {"a": 2}]} for t in TEXTS], indent=2).encode(),
    "strings.json": json.dumps(TEXTS).encode(),
    "spread.json": "\n".join(json.dumps({"text": t}, indent=1) for t in TEXTS).encode(),
    "a.csv": table(TEXTS),
    "bom.csv": b"\xef\xbb\xbf" + table(TEXTS, quoting=csv.QUOTE_ALL),
    "semicolons.csv": table(TEXTS, ";"),
    "bars after blank lines.csv": b"\n\r\n" + table(TEXTS, "|"),
    "unnamed.csv": table(TEXTS).replace(b"\r\n", b",,\r\n", 1),
    "a.tsv": table(TEXTS, "\t"),
    "one column.csv": b"text\n"
    + b'"One ""cat"", \xe7\x8c\xab.\n\nIt sat."\n007\nNA\n"Two dogs; na\xc3\xafve \xf0\x9f\x99\x82"\n"a\tb, <|eos|>"\n  kept  \n\n',
    "a.parquet": parquet(TEXTS, id=list(range(len(TEXTS)))),
    "large.parquet": parquet(pa.array(TEXTS, pa.large_string())),
    "dictionary.parquet": parquet(pa.array(TEXTS).dictionary_encode()),
    "a.jsonl.gz": gzip.compress(jsonl(TEXTS[:2])) + gzip.compress(jsonl(TEXTS[2:])),
    "a.jsonl.bz2": bz2.compress(jsonl(TEXTS)),
    "a.jsonl.xz": lzma.compress(jsonl(TEXTS)),
    "a.jsonl.zst": zst(jsonl(TEXTS)),
    "a.csv.gz": gzip.compress(table(TEXTS)),
    "a.tsv.zst": zst(table(TEXTS, "\t")),
    "A.JSONL.GZ": gzip.compress(jsonl(TEXTS)),
    "odd [1] *? ünï.jsonl": jsonl(TEXTS),
    ".hidden.jsonl": jsonl(TEXTS),
    "20 MB in a line.jsonl": jsonl(TEXTS[:-1]) + jsonl(["x" * 20_000_000]),
}


@pytest.mark.parametrize("name", FILES)
def test_every_row_is_what_was_put_in(tmp_path, name):
    source = open_source(folder_of(tmp_path / "a [b] c", {name: FILES[name]}) + f"/{name}")
    found = source.texts("text")["text"][:]
    assert [t for t in found if len(t) < 1000] == [t for t in TEXTS if t or len(found[-1]) < 1000]
    assert [record["text"] for record in source.texts("text", streaming=True)] == found


PACKERS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress, ".zst": zst}
TXT = {"a.txt": "One.\n\nTwo.\n<|endoftext|>\nThree.\n"}
TXT |= {"crlf.txt": TXT["a.txt"].replace("\n", "\r\n"), "bom.txt": "\ufeff" + TXT["a.txt"]}


@pytest.mark.parametrize("name", TXT)
@pytest.mark.parametrize("pack", PACKERS)
def test_documents_of_text_files(tmp_path, name, pack):
    (tmp_path / f"{name}{pack}").write_bytes(PACKERS[pack](TXT[name].encode()))
    assert load_records(f"{tmp_path}/{name}{pack}")["text"][:] == ["One.\n\nTwo.", "Three."]


@pytest.mark.parametrize("separator", ["\n", "\\n", "\n\n", "\n---\n", " && "])
def test_what_separates_documents_is_a_key(tmp_path, monkeypatch, separator):
    monkeypatch.setattr(rows, "BLOCK", 7)  # separators lie across blocks
    texts = [f"Story {i}: a cat." for i in range(50)]
    (tmp_path / "a.txt").write_text(separator.replace("\\n", "\n").join(texts))
    assert load_records({"path": str(tmp_path / "a.txt"), "separator": separator})["text"][:] == texts


def bad(value) -> bytes:
    return jsonl(["a", "b"]) + json.dumps({"id": 1, "text": value}).encode() + b"\n" + jsonl(["c"])


WRONG: dict[str, tuple[bytes, str]] = {
    "number.jsonl": (bad(5), r"row 3: 'text' is a number \(5\), not text"),
    "numbers.jsonl": (jsonl([1, 2]), r"row 1: 'text' is a number \(1\)"),
    "list.jsonl": (bad(["a"]), "row 3: 'text' is a list, not text"),
    "chat.jsonl": (jsonl([[{"role": "user"}]]), "'text' is a list, not text; `silly-llm sft` reads chats"),
    "chats.jsonl": (b'{"messages": []}\n', "no column 'text'; the dataset has messages; `silly-llm sft` reads chats"),
    "surrogate.jsonl": (bad("a\ud83d"), r"row 3: 'text' contains \\ud83d"),
    "cut.jsonl": (jsonl(["a", "b"])[:-5], "row 2 is not JSON"),
    "cut.json": (json.dumps([{"text": "a"}] * 3).encode()[:-5], "row 3 is not JSON"),
    "array of numbers.json": (b"[1, 2]", "row 1 is a number, not an object"),
    "latin.jsonl": (b'{"text": "a"}\n{"text": "\xe9"}\n', r"row 2 \(byte 24\) .* \(0xe9\); .*iconv -f WINDOWS-1252"),
    "latin.txt": ("One\ncafé".encode("latin-1"), r"row 2 \(byte 7\) is not UTF-8"),
    "latin.csv": (table(["a", "é"]).decode().encode("latin-1"), r"row 3 .* not UTF-8"),
    "wide.jsonl": (jsonl(["a"]).decode().encode("utf-16"), "is UTF-16, not UTF-8; convert it: iconv"),
    "wide.txt": ("One\n".encode("utf-16-le"), "is UTF-16"),
    "wide.csv": ("text\nOne\n".encode("utf-16"), "is UTF-16"),
    "cells.csv": (b"id,text\n1,a\n2,a, b\n", r"row 2 \(line 3\) has 3 cells, the header 2"),
    "first cells.csv": (b"text\nOnce, there was\n", "row 1 .* has 2 cells, the header 1"),
    "quote.csv": (b'id,text\n1,"a\n2,b\n', "row 1 .* is not CSV"),
    "quote.tsv": (b'id\ttext\n1\t"Hi," said Tom.\n', "row 1 .* is not CSV"),
    "twice.csv": (b"text,text\na,b\n", "the column 'text' occurs twice"),
    "story.csv": (b"id,txt\n1,a\n", r"no column 'text' \(did you mean 'txt'\?\); the dataset has id, txt"),
    "numbers.parquet": (parquet([1, 2]), "row 1: 'text' is of the type int64, not text"),
    "bytes.parquet": (parquet([b"a"]), "row 1: 'text' is of the type binary, not text"),
    "lists.parquet": (parquet([["a"]]), "is of the type list"),
    "cut.parquet": (parquet(TEXTS)[:-9], "is damaged, or not of the type its name suggests"),
    "cut.jsonl.gz": (gzip.compress(jsonl(TEXTS))[:-9], "is damaged"),
    "cut.jsonl.zst": (zst(jsonl(TEXTS))[:-9], r"cannot be read \(Truncated|is damaged"),
    "plain.jsonl.xz": (jsonl(TEXTS), "is damaged, or not of the type its name suggests"),
    "plain.jsonl.gz": (jsonl(TEXTS), "is damaged, or not of the type its name suggests"),
    "a.zip": (b"PK", "is an archive; unpack it"),
    "a.tar.gz": (gzip.compress(b"x"), "is an archive"),
    "no ending": (jsonl(TEXTS), "unknown extension; supported: jsonl, json"),
    "a.pdf": (b"%PDF", "unknown extension"),
    "empty.jsonl": (b"", "is empty"),
    "lists.jsonl": (b'["a"]\n["b"]\n', "row 2 follows the end of the list; write one list, or an object per line"),
    "wider.txt": ("One\n".encode("utf-32"), "is UTF-32, not UTF-8; convert it: iconv -f UTF-32"),
    "twice.jsonl.gz": (gzip.compress(gzip.compress(jsonl(TEXTS))), r"is compressed \(gzip\), or twice"),
    "sheet.csv": (b"PK\x03\x04\0\xff" * 99, "is a zip archive or an Excel file; unpack it, or save it as CSV"),
    "lfs.parquet": (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS, not the data"),
    "returns.csv": (b"id,text\r1,a\r", "is damaged, or not of the type its name suggests"),
    "none.parquet": (parquet(pa.array([], pa.string())), "has no rows"),
    "a::b.parquet": (parquet(TEXTS), "reads the `::` in this path as a chain"),
    "a $HOME.parquet": (parquet(TEXTS), r"reads the \$ in this path as a variable"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_one_line_with_file_and_row(tmp_path, name):
    data, said = WRONG[name]
    (tmp_path / name).write_bytes(data)
    for streaming in (False, True):
        with pytest.raises(RecipeError, match=said) as error:
            list(open_source(str(tmp_path / name)).texts("text", streaming=streaming))
        assert name in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["number.jsonl", "latin.jsonl", "cut.jsonl", "latin.txt", "cells.csv", "cut.jsonl.gz", "plain.jsonl.xz"]
)
def test_so_it_is_where_all_columns_are_read(tmp_path, name):
    (tmp_path / name).write_bytes(WRONG[name][0])
    with pytest.raises(RecipeError, match=r"row 3|row 2|damaged|names") as error:
        StorySplit(open_source(str(tmp_path / name)), fraction=0.1, seed=0)
    assert "\n" not in str(error.value)


def test_a_pretraining_ends_with_exit_code_2_and_one_line(tmp_path, in_process):
    file = tmp_path / "number.jsonl"
    file.write_bytes(WRONG["number.jsonl"][0])
    done = in_process(*f"pretrain --dataset {file} --model silly-tiny --max_steps 1 --output_dir {tmp_path}/o".split())
    assert done.returncode == 2
    assert f"{file}: row 3: 'text' is a number (5), not text" in done.stderr.splitlines()[-1]


def test_a_folder_of_several_kinds_is_read_whole(tmp_path, capsys):
    texts = [f"{i}" for i in range(30)]
    files = {"a.jsonl": jsonl(texts), "b.csv": table(texts), "c/d.parquet": parquet(texts)}
    others = {"e.txt.gz": gzip.compress(b"0"), ".git/x.jsonl": b"x", "README.md": b"# Mine"}
    folder = folder_of(tmp_path / "x [y]", files | others)
    assert open_source(folder).texts("text")["text"][:] == [*texts * 3, "0"]
    assert len(list(open_source(folder).texts("text", streaming=True))) == 91
    assert load_records(folder)["text"][:] == [*texts * 3, "0"]
    assert capsys.readouterr().out == "dataset: columns left out because their types differ between files: id\n"


def test_splits_of_a_folder_are_in_its_names_and_nothing_is_left_out(tmp_path):
    folder = folder_of(tmp_path, {"my-train.txt": b"One.", "my-Valid.txt": b"Two."})
    assert open_source(folder).splits() == ["train", "validation"]
    assert load_records(folder, split="validation")["text"][:] == ["Two."]
    folder_of(tmp_path, {"extra.jsonl": jsonl(TEXTS)})
    said = "'extra.jsonl' belongs to no split, 'my-Valid.txt' to 'validation'; select the files to read with a glob"
    with pytest.raises(RecipeError, match=said):
        open_source(folder)


def test_a_link_to_a_folder_is_not_left_out_silently(tmp_path):
    folder = Path(folder_of(tmp_path / "a", {"one.jsonl": jsonl(TEXTS)}))
    other = folder_of(tmp_path / "b", {"two.jsonl": jsonl(TEXTS)})
    (folder / "linked").symlink_to(other)
    with pytest.raises(RecipeError, match="linked is a link to a folder, which is not followed"):
        open_source(str(folder))
    for link in (folder / "linked", folder / "linked.jsonl"):
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / "gone")
        for path in (folder, *[link] * (link.suffix != "")):
            with pytest.raises(RecipeError, match="is a broken link"):
                open_source(str(path))


@pytest.mark.parametrize("name", ["header.csv", "blank.jsonl", "empty.json", "blank.txt", "none.jsonl.gz"])
def test_files_without_rows_say_so(tmp_path, name):
    data = {"header.csv": b"id,text\n", "empty.json": b"[]", "none.jsonl.gz": gzip.compress(b"")}
    (tmp_path / name).write_bytes(data.get(name, b"\n \n"))
    with pytest.raises(RecipeError, match=f"{name}' has no rows"):
        open_source(str(tmp_path / name)).texts("text")


def test_what_is_not_read_of_a_folder_is_told(tmp_path, capsys):
    empty = {"a.parquet": parquet(TEXTS), "b.parquet": parquet(pa.array([], pa.string()))}
    folder = folder_of(tmp_path, empty | {"c.zip": b"PK", "LICENSE": b"", "README.md": b""})
    assert open_source(folder).texts("text")["text"][:] == TEXTS
    assert "of unknown kinds, not read: c.zip\n" in capsys.readouterr().out


def test_only_data_counts_in_a_folder_of_ours(tmp_path):
    beside = ("journal.jsonl", "journal-00000.parquet", ".silly/run.json", "provenance.json", "checkpoint-5/a.json")
    shard = ("journal-shards/x/journal.jsonl", "journal-shards/x/.silly/run.json")
    data = {"data/train-00000-of-00001.parquet": parquet(TEXTS)}
    folder = folder_of(tmp_path / "stories", data | dict.fromkeys((*beside, *shard), b"{}") | {"journal.jsonl": b""})
    assert load_records(folder)["text"][:] == TEXTS and open_source(folder).splits() == ["train"]
    with pytest.raises(RecipeError, match="contains the output of several phases; choose one of its folders: stories"):
        open_source(str(tmp_path))


def test_a_glob_needs_only_the_text_in_common(tmp_path):
    others = {"jsonl": jsonl(TEXTS, id="x", y=1), "parquet": parquet(TEXTS, id=["x"] * len(TEXTS))}
    for kind, other in others.items():
        (tmp_path / f"1.{kind}").write_bytes(FILES[f"a.{kind}"])
        (tmp_path / f"2.{kind}").write_bytes(other)
        assert open_source(f"{tmp_path}/*.{kind}").texts("text")["text"][:] == TEXTS * 2


def test_paths_mean_what_a_shell_user_expects(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a[1].jsonl").write_bytes(jsonl(TEXTS))
    for path in ("~/a[1].jsonl", "a[1].jsonl", f"file://{tmp_path}/a[1].jsonl", "~/*.jsonl"):
        assert open_source(path).texts("text")["text"][:] == TEXTS, path
    for path in (
        "a $HOME/a.jsonl",
        "a $HOME/a.csv",
        *(f"it's a [new] folder/a.{x}" for x in ("jsonl", "parquet", "csv")),
    ):
        folder_of(tmp_path, {path: FILES[Path(path).name]})
        assert open_source(path).texts("text")["text"][:] == TEXTS, path
    looked = f"looked for {tmp_path}/b.jsonl; relative paths are relative to the working folder"
    with pytest.raises(RecipeError, match=f"no such file: 'b.jsonl'.*{looked}"):
        open_source("b.jsonl")


@pytest.fixture
def served(tmp_path):
    (tmp_path / "www").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "www"))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path / "www", f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.jsonl.gz", "a.jsonl.zst", "a.parquet"])
def test_urls_are_read(served, name, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)  # loopback is allowed
    folder, url = served
    (folder / name).write_bytes(FILES[name])
    fsspec.filesystem("memory").pipe(f"/x/{name}", FILES[name])
    for path in (f"{url}/{name}", f"{url}/{name}?download=true", f"memory://x/{name}", f"memory://x/*{name[1:]}"):
        source = open_source(path)
        assert source.texts("text")["text"][:] == TEXTS, path
        assert source.inputs() == [path]
    fsspec.filesystem("memory").store.clear()


def test_urls_that_cannot_be_read_are_one_line(served):
    for url, said in {
        "s3://bucket/a.jsonl": "needs the package s3fs: pip install s3fs",
        "nix://a.jsonl": "nix://a.jsonl: Protocol not known",
        f"{served[1]}/a.jsonl": "no such file",
    }.items():
        with pytest.raises(RecipeError, match=said):
            open_source(url).texts("text")


def test_a_small_file_that_unpacks_to_a_huge_one_takes_no_memory(tmp_path, python):
    """300 MB of one line in 300 kB: refused before it is in memory."""
    with gzip.open(tmp_path / "a.jsonl.gz", "wb", compresslevel=1) as file:
        file.writelines([b'{"text": "', *[b"a" * 1_000_000] * 300])
    for name in ("a.txt.gz", "a.csv.gz"):
        (tmp_path / name).symlink_to(tmp_path / "a.jsonl.gz")
    code = f"""
import resource
from silly_llm.data import opening, rows
from silly_llm.data.sources import open_source
opening.LIMIT = rows.LIMIT = 20_000_000
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in ("a.jsonl.gz", "a.txt.gz", "a.csv.gz"):
    for read in (lambda s: s.texts("text"), lambda s: s.load()):
        try:
            read(open_source({str(tmp_path)!r} + "/" + name))
        except rows.RecipeError as error:
            assert "more than 20,000,000" in str(error) or "longer than 20,000,000" in str(error), error
        else:
            raise AssertionError(name)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    assert int(python(code).stdout) < 250_000, "kB"
