"""What the real clients do to a Hub, each function in a process of its own (see test_local_hub.py): HF_ENDPOINT is read at
import, and a round trip is worth something only if the reader has nothing cached."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path


def control(method, path, body=None):
    request = urllib.request.Request(
        os.environ["HF_ENDPOINT"] + "/_hub/" + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def fault(**kwargs):
    control("POST", "faults", kwargs)


def fired():
    return [f["fired"] for f in control("GET", "faults")["faults"]]


def expect(exception, function, status=None):
    try:
        function()
    except exception as error:
        code = getattr(getattr(error, "response", None), "status_code", None)
        assert status is None or code == status, (code, status, error)
        return f"{type(error).__name__}({code})"
    raise AssertionError(f"{exception} not raised")


def fresh_home():
    """A new empty cache for a reader in this same process."""
    return tempfile.mkdtemp(dir=os.environ["HF_HOME"])


# ---------------------------------------------------------------------------------------------- huggingface_hub


def account_and_repos():
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    api = HfApi()
    me = api.whoami()
    assert me["name"] == "alice" and me["auth"]["accessToken"]["role"] == "write"
    seen = [expect(HfHubHTTPError, lambda: HfApi(token="hf_wrong").whoami(), 401)]
    url = api.create_repo("alice/secret", private=True)
    assert url.repo_id == "alice/secret" and url.repo_type == "model", url
    assert api.create_repo("secret", exist_ok=True).repo_id == "alice/secret"
    seen.append("again:" + expect(HfHubHTTPError, lambda: api.create_repo("alice/secret"), 409))
    assert api.create_repo("story-org/tales", repo_type="dataset").repo_id == "story-org/tales"
    seen.append("read token:" + expect(HfHubHTTPError, lambda: HfApi(token="hf_local_read").create_repo("x"), 403))
    seen.append("other ns:" + expect(HfHubHTTPError, lambda: api.create_repo("bob/x"), 403))
    seen.append(
        "private, other user:"
        + expect(RepositoryNotFoundError, lambda: api.model_info("alice/secret", token="hf_local_other"), 404)
    )
    seen.append(
        "private, anonymous:"
        + expect(RepositoryNotFoundError, lambda: api.model_info("alice/secret", token=False), 401)
    )
    seen.append("missing:" + expect(RepositoryNotFoundError, lambda: api.model_info("alice/nope"), 404))
    assert HfApi(token="hf_local_read").model_info("alice/secret").private
    seen.append(
        "read token writes:"
        + expect(
            HfHubHTTPError,
            lambda: HfApi(token="hf_local_read").upload_file(
                path_or_fileobj=b"x", path_in_repo="x", repo_id="alice/secret"
            ),
            403,
        )
    )
    api.update_repo_settings("alice/secret", visibility="public")
    assert api.model_info("alice/secret", token=False).private is False
    assert [m.id for m in api.list_models(author="alice")] == ["alice/secret"]
    assert api.repo_exists("alice/secret") and not api.repo_exists("alice/nope")
    api.delete_repo("alice/secret")
    api.delete_repo("story-org/tales", repo_type="dataset")
    assert not api.repo_exists("alice/secret")
    return seen


def files_and_revisions():
    from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError

    api, repo = HfApi(), "alice/files"
    api.create_repo(repo)
    first = api.upload_file(path_or_fileobj=b"hello", path_in_repo="a/b/hello.txt", repo_id=repo)
    binary = os.urandom(3_000_000)
    second = api.upload_file(path_or_fileobj=binary, path_in_repo="weights.bin", repo_id=repo, parent_commit=first.oid)
    seen = [
        "stale parent:"
        + expect(
            HfHubHTTPError,
            lambda: api.upload_file(path_or_fileobj=b"z", path_in_repo="z", repo_id=repo, parent_commit=first.oid),
            412,
        )
    ]
    same = api.upload_file(path_or_fileobj=binary, path_in_repo="weights.bin", repo_id=repo)
    assert same.oid == second.oid, "an unchanged file must make no commit"
    assert Path(hf_hub_download(repo, "weights.bin", cache_dir=fresh_home())).read_bytes() == binary
    assert Path(hf_hub_download(repo, "a/b/hello.txt", cache_dir=fresh_home())).read_text() == "hello"
    api.create_tag(repo, tag="v1.0", revision=first.oid)
    seen.append("tag again:" + expect(HfHubHTTPError, lambda: api.create_tag(repo, tag="v1.0"), 409))
    api.create_branch(repo, branch="dev/x", revision="v1.0")
    seen.append("branch again:" + expect(HfHubHTTPError, lambda: api.create_branch(repo, branch="dev/x"), 409))
    api.upload_file(path_or_fileobj=b"on dev", path_in_repo="dev.txt", repo_id=repo, revision="dev/x")
    assert sorted(api.list_repo_files(repo, revision="dev/x")) == [".gitattributes", "a/b/hello.txt", "dev.txt"]
    assert sorted(api.list_repo_files(repo)) == [".gitattributes", "a/b/hello.txt", "weights.bin"]
    refs = api.list_repo_refs(repo, include_pull_requests=True)
    assert {b.name for b in refs.branches} == {"main", "dev/x"} and [t.name for t in refs.tags] == ["v1.0"]
    seen.append(
        "no revision:"
        + expect(RevisionNotFoundError, lambda: hf_hub_download(repo, "a/b/hello.txt", revision="nope"), 404)
    )
    seen.append("no entry:" + expect(EntryNotFoundError, lambda: hf_hub_download(repo, "nope.txt"), 404))
    api.create_commit(
        repo,
        [
            CommitOperationAdd("new.txt", b"new"),
            CommitOperationDelete("a/"),
            CommitOperationCopy("weights.bin", "copy.bin"),
        ],
        commit_message="mixed",
    )
    assert sorted(api.list_repo_files(repo)) == [".gitattributes", "copy.bin", "new.txt", "weights.bin"]
    tree = {e.path: e for e in api.list_repo_tree(repo, recursive=True, expand=True)}
    assert tree["weights.bin"].lfs.size == 3_000_000 and tree["weights.bin"].last_commit.oid == second.oid
    assert [e.path for e in api.get_paths_info(repo, ["new.txt", "gone"])] == ["new.txt"]
    info = api.model_info(repo, files_metadata=True)
    assert {s.rfilename: s.size for s in info.siblings}["weights.bin"] == 3_000_000
    pr = api.upload_file(path_or_fileobj=b"pr", path_in_repo="pr.txt", repo_id=repo, create_pr=True)
    assert pr.pr_revision == "refs/pr/1" and "pr.txt" in api.list_repo_files(repo, revision="refs/pr/1")
    api.delete_file("new.txt", repo)
    api.delete_tag(repo, tag="v1.0")
    api.delete_branch(repo, branch="dev/x")
    titles = [c.title for c in api.list_repo_commits(repo)]
    api.super_squash_history(repo, branch="main")
    assert len(api.list_repo_commits(repo)) == 1
    seen.append(f"{len(titles)} commits before squash")
    leaks = [
        r for r in control("GET", "requests")["requests"] if r["path"].startswith("/storage/") and r["authorization"]
    ]
    assert not leaks, f"token sent to the storage host: {leaks[:2]}"
    return seen


def multipart_lfs():
    """The server of this check has lfs_multipart_chunk=1 MiB."""
    from huggingface_hub import HfApi, hf_hub_download

    api, repo = HfApi(), "alice/large"
    api.create_repo(repo)
    data = os.urandom(5_500_000)
    path = Path(os.environ["HF_HOME"]) / "large.bin"
    path.write_bytes(data)
    api.upload_file(path_or_fileobj=str(path), path_in_repo="large.bin", repo_id=repo)
    parts = [r for r in control("GET", "requests")["requests"] if r["method"] == "PUT"]
    assert Path(hf_hub_download(repo, "large.bin")).read_bytes() == data
    return f"{len(parts)} parts"


def many_files():
    """More than 100 files, tree pages of 50; snapshot_download, patterns, HfFileSystem, resumption."""
    from huggingface_hub import HfApi, HfFileSystem, snapshot_download

    api, repo = HfApi(), "alice/many"
    api.create_repo(repo, repo_type="dataset", private=True)
    folder = Path(fresh_home())
    for n in range(130):
        file = folder / f"part-{n // 100}" / f"file-{n:04d}.{'bin' if n % 5 == 0 else 'txt'}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(f"content {n}".encode() * 10)
    t0 = time.time()
    commit = api.upload_folder(folder_path=folder, repo_id=repo, repo_type="dataset", path_in_repo="data")
    up = time.time() - t0
    again = api.upload_folder(folder_path=folder, repo_id=repo, repo_type="dataset", path_in_repo="data")
    assert again.oid == commit.oid, "nothing changed: no new commit"
    assert len(api.list_repo_files(repo, repo_type="dataset")) == 131
    pages = [r for r in control("GET", "requests")["requests"] if "/tree/" in r["path"]]
    t0 = time.time()
    target = snapshot_download(repo, repo_type="dataset", local_dir=fresh_home())
    down = time.time() - t0
    for file in folder.rglob("*"):
        if file.is_file():
            assert (Path(target) / "data" / file.relative_to(folder)).read_bytes() == file.read_bytes()
    few = snapshot_download(repo, repo_type="dataset", allow_patterns="data/part-1/*.bin", cache_dir=fresh_home())
    assert len([f for f in Path(few).rglob("*") if f.is_file()]) == 6
    fs = HfFileSystem()
    assert len(fs.glob(f"datasets/{repo}/data/part-0/*.txt")) == 80
    with fs.open(f"datasets/{repo}/new/with-fs.txt", "w") as file:
        file.write("written through fsspec")
    assert fs.cat(f"datasets/{repo}/new/with-fs.txt") == b"written through fsspec"
    return f"{len(pages)} tree pages, upload {up:.1f} s, download {down:.1f} s"


def faults():
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    api, repo, seen = HfApi(), "alice/faults", []
    api.create_repo(repo)

    def timed(name, function, *args, **kwargs):
        t0 = time.time()
        try:
            function(*args, **kwargs)
            outcome = "ok"
        except Exception as error:
            outcome = f"{type(error).__name__}"
        seen.append(f"{name}: {outcome} in {time.time() - t0:.1f} s, fired {fired()}")
        control("DELETE", "faults")
        return outcome

    data = os.urandom(400_000)
    fault(match="POST .*/preupload/", status=503, times=2)
    assert (
        timed("2x503 at preupload", api.upload_file, path_or_fileobj=b"1", path_in_repo="1.txt", repo_id=repo) == "ok"
    )
    fault(match="PUT /storage", kind="drop", times=1)
    assert timed("dropped LFS PUT", api.upload_file, path_or_fileobj=data, path_in_repo="1.bin", repo_id=repo) == "ok"
    fault(match="objects/batch", status=429, retry_after=2, times=1)
    assert (
        timed(
            "429 Retry-After 2 at LFS batch",
            api.upload_file,
            path_or_fileobj=os.urandom(1000),
            path_in_repo="2.bin",
            repo_id=repo,
        )
        == "ok"
    )
    fault(match="POST .*/commit/", status=500, times=1)
    assert (
        timed(
            "500 at commit (client does not retry)",
            api.upload_file,
            path_or_fileobj=b"3",
            path_in_repo="3.txt",
            repo_id=repo,
        )
        != "ok"
    )
    assert "3.txt" not in api.list_repo_files(repo)
    fault(match="POST .*/commit/", kind="drop", when="after", times=1)
    assert (
        timed("answer to commit lost", api.upload_file, path_or_fileobj=b"4", path_in_repo="4.txt", repo_id=repo)
        != "ok"
    )
    assert "4.txt" in api.list_repo_files(repo), "the commit took effect"
    fault(match="GET /storage", kind="truncate", times=1)
    assert timed("download cut in half", hf_hub_download, repo, "1.bin", cache_dir=fresh_home()) == "ok"
    ranges = [
        r for r in control("GET", "requests")["requests"] if r["path"].startswith("/storage") and r["method"] == "GET"
    ]
    seen.append(f"download resumed with statuses {[r['status'] for r in ranges]}")
    fault(match="HEAD .*/resolve/", status=503, times=1)
    timed("503 at HEAD", hf_hub_download, repo, "1.bin", cache_dir=fresh_home())
    fault(match="GET .*/api/models/", kind="slow", delay=1.5, times=1)
    assert timed("slow", api.model_info, repo) == "ok"
    fault(match=".*", status=429)
    seen.append("always 429: " + expect(HfHubHTTPError, lambda: api.whoami(), 429))
    control("DELETE", "faults")
    return seen


def cards():
    from huggingface_hub import DatasetCard, DatasetCardData, HfApi, ModelCard, ModelCardData

    api = HfApi()
    api.create_repo("alice/carded")
    data = ModelCardData(
        license="apache-2.0",
        language="en",
        library_name="transformers",
        tags=["stories"],
        pipeline_tag="text-generation",
    )
    ModelCard.from_template(data, model_id="alice/carded").push_to_hub("alice/carded")
    assert ModelCard.load("alice/carded").data.license == "apache-2.0"
    info = api.model_info("alice/carded")
    assert (
        info.card_data.library_name == "transformers"
        and "stories" in info.tags
        and info.pipeline_tag == "text-generation"
    )
    api.create_repo("alice/carded", repo_type="dataset")
    DatasetCard.from_template(DatasetCardData(license="cc0-1.0", size_categories="n<1K"), pretty_name="T").push_to_hub(
        "alice/carded"
    )
    assert DatasetCard.load("alice/carded").data.license == "cc0-1.0"
    return expect(
        ValueError,
        lambda: api.upload_file(
            path_or_fileobj=b"---\nlicense: [\n---\n", path_in_repo="README.md", repo_id="alice/carded"
        ),
    )


# ---------------------------------------------------------------------------------------------- datasets


def datasets_round_trip():
    from datasets import Dataset, DatasetDict, get_dataset_config_names, load_dataset, load_dataset_builder

    repo = "alice/tales"
    rows = Dataset.from_dict(
        {
            "story": [f"Once upon a time {n}. " * 20 for n in range(500)],
            "words": [["cat", "hat", str(n)] for n in range(500)],
        }
    )
    DatasetDict(train=rows, validation=rows.select(range(50))).push_to_hub(
        repo, private=True, num_shards={"train": 5, "validation": 1}
    )
    rows.select(range(20)).push_to_hub(repo, "instruct", split="train", commit_message="instruct config")
    rows.select(range(7)).push_to_hub(repo, "instruct", split="test")
    assert sorted(get_dataset_config_names(repo)) == ["default", "instruct"]
    loaded = load_dataset(repo, cache_dir=fresh_home())
    assert loaded["train"].num_rows == 500 and loaded["validation"].num_rows == 50
    assert loaded["train"][499] == rows[499]
    instruct = load_dataset(repo, "instruct", cache_dir=fresh_home())
    assert {k: v.num_rows for k, v in instruct.items()} == {"train": 20, "test": 7}
    streamed = list(load_dataset(repo, split="train", streaming=True).take(3))
    assert streamed[2] == rows[2]
    rows.select(range(10)).push_to_hub(repo, "v2", revision="next", split="train")
    assert load_dataset(repo, "v2", revision="next", split="train", cache_dir=fresh_home()).num_rows == 10
    from huggingface_hub import HfApi

    files = sorted(f for f in HfApi().list_repo_files(repo, repo_type="dataset") if f.endswith(".parquet"))
    return f"{len(files)} parquet files; features {load_dataset_builder(repo).info.features}"


def byte_ranges():
    """Parts of a file, as `HfFileSystem`, streaming readers of Parquet and resumed downloads ask for them."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from huggingface_hub import HfApi, HfFileSystem

    api, repo = HfApi(), "alice/ranges"
    api.create_repo(repo)
    data = os.urandom(300_000)
    api.upload_file(path_or_fileobj=data, path_in_repo="weights.bin", repo_id=repo)
    api.upload_file(path_or_fileobj=b"0123456789", path_in_repo="digits.txt", repo_id=repo)

    def get(name, wanted):
        url = f"{os.environ['HF_ENDPOINT']}/{repo}/resolve/main/{name}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Range": wanted})) as answer:
                return answer.status, answer.headers["Content-Range"], answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Range"], b""

    assert get("digits.txt", "bytes=2-4") == (206, "bytes 2-4/10", b"234")
    assert get("digits.txt", "bytes=7-") == (206, "bytes 7-9/10", b"789")
    assert get("digits.txt", "bytes=-3") == (206, "bytes 7-9/10", b"789")
    assert get("digits.txt", "bytes=8-99") == (206, "bytes 8-9/10", b"89")
    assert get("digits.txt", "bytes=10-") == (416, "bytes */10", b"")
    assert get("weights.bin", "bytes=100-199") == (206, "bytes 100-199/300000", data[100:200])
    filesystem = HfFileSystem()
    with filesystem.open(f"{repo}/weights.bin", block_size=4096) as file:
        file.seek(123_456)
        assert file.read(100) == data[123_456:123_556]
    path = Path(fresh_home()) / "rows.parquet"
    pq.write_table(
        pa.table({"n": list(range(50_000)), "noise": [os.urandom(20) for _ in range(50_000)]}),
        path,
        row_group_size=5_000,
    )
    api.upload_file(path_or_fileobj=str(path), path_in_repo="rows.parquet", repo_id=repo)
    filesystem.invalidate_cache()
    control("DELETE", "requests")
    with filesystem.open(f"{repo}/rows.parquet", block_size=65_536) as file:
        assert pq.ParquetFile(file).read_row_group(7, columns=["n"])["n"][0].as_py() == 35_000
    statuses = {r["status"] for r in control("GET", "requests")["requests"] if r["path"].startswith("/storage")}
    assert statuses == {206}, statuses


if __name__ == "__main__":
    print(globals()[sys.argv[1]]())
