"""What tests of the package do not show of the stand-in: who sees what, and commits that come too late.

Datasets and models are published to it and loaded from it in tests/hub/test_hub.py."""

from servers.local_hub import LocalHub

CODE = """
from huggingface_hub import HfApi, HfFileSystem
from huggingface_hub.errors import HfHubHTTPError
def refused(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except HfHubHTTPError as error:
        return type(error).__name__, error.response.status_code
api, reader, repo = HfApi(), HfApi(token="hf_local_read"), "alice/secret"
api.create_repo(repo, private=True)
first = api.upload_file(path_or_fileobj=b"0123456789" * 300, path_in_repo="a/b.bin", repo_id=repo)
add = dict(path_or_fileobj=b"x", path_in_repo="c.txt", repo_id=repo)
assert reader.model_info(repo).private and HfFileSystem().read_bytes(f"{repo}/a/b.bin", start=12, end=15) == b"234"
print(refused(api.model_info, repo, token="hf_local_other"), refused(api.model_info, repo, token=False))
print(refused(reader.upload_file, **add), refused(api.create_repo, repo), refused(api.create_repo, "bob/x"))
second = api.upload_file(**add, parent_commit=first.oid)
print(refused(api.upload_file, **{**add, "path_or_fileobj": b"y"}, parent_commit=first.oid))
assert api.upload_file(**add).oid == second.oid, "an unchanged file makes no commit"
print(api.list_repo_files(repo), refused(api.hf_hub_download, repo, "gone"), refused(api.list_repo_files, repo, revision="x"))
"""


def test_the_real_client_raises_as_against_the_real_hub(tmp_path, python):
    with LocalHub(tmp_path / "hub") as hub:
        done = python(CODE, HF_HUB_OFFLINE="0", **hub.env(tmp_path / "hf"))
        assert hub.requests("/storage/") and not [r for r in hub.requests("/storage/") if r["authorization"]]
    assert done.stdout.splitlines() == [
        "('RepositoryNotFoundError', 404) ('RepositoryNotFoundError', 401)",
        "('HfHubHTTPError', 403) ('HfHubHTTPError', 409) ('HfHubHTTPError', 403)",
        "('HfHubHTTPError', 412)",
        "['.gitattributes', 'a/b.bin', 'c.txt'] ('RemoteEntryNotFoundError', 404) ('RevisionNotFoundError', 404)",
    ]
