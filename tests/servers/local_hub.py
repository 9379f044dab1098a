"""A stand-in for the Hugging Face Hub: `huggingface_hub`, `datasets` and `transformers` talk to it where `HF_ENDPOINT` names it.

    with LocalHub() as hub:
        subprocess.run([...], env={**os.environ, **hub.env(hf_home=tmp_path)})
        hub.inject_fault(match=r"POST .*/commit/", status=503)

Modelled: users, organizations and tokens that may read or write; models and datasets, private ones too; commits on branches, with
the parent checked; LFS uploads to, and signed downloads from, a second port that plays the part of the storage host (no token may
go there); the error headers from which the clients choose their exceptions. Not modelled: tags, pull requests, multipart uploads,
discussions, git, search, and Xet (`hub.env()` switches it off).

Two deliberate differences from huggingface.co: a 401 for a missing or private repository says `X-Error-Code: RepoNotFound` (the client
deduces that for `https` alone), and every namespace of the users exists.
"""

import argparse
import base64
import hashlib
import json
import re
import secrets
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import yaml
from aiohttp import web

from servers.frame import Request, Response, StandIn, break_off
from servers.repositories import Entry, Fault, HubError, Repo, User, git_oid, header_of, listing

LFS = (".arrow", ".bin", ".gz", ".npz", ".parquet", ".pt", ".safetensors", ".zip", ".zst")
GITATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS).encode()
JSON = ("application/json", "application/vnd.git-lfs+json")
Handler = Callable[..., Awaitable[Response]]
ROUTES: list[tuple[str, re.Pattern[str], Handler]] = []
# Paths are matched while they are percent-encoded, so that "a%2Fb" is one segment.
REPO = r"(?P<repo_id>[^/]+(?:/[^/]+)?)"
API = rf"/api/(?P<kind>model|dataset)s/{REPO}"
WEB = rf"/(?:(?P<kind>dataset)s/)?{REPO}"
REVISION = r"(?P<revision>[^/]+)"


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        ROUTES.append((method, re.compile(pattern), handler))
        return handler

    return register


class LocalHub(StandIn):
    """The server; `hub.env()` is what a client's process must have set.

    Args:
        root: where the contents of files lie, by their sha256; default: a temporary folder.
        port: where it listens; 0: any free port.
        users: more users, by their token.
    """

    TOKEN = "hf_local_write"

    def __init__(self, root: Path | None = None, *, port: int = 0, users: dict[str, User] | None = None) -> None:
        super().__init__(port, more_ports=1)
        self._own_root = None if root else tempfile.TemporaryDirectory()
        self.root = root or Path(self._own_root.name)  # type: ignore[union-attr]
        alice = ("alice", ("story-org",))
        self.users = {self.TOKEN: User(*alice), "hf_local_read": User(*alice, "read"), "hf_local_other": User("bob")}
        self.users |= users or {}
        self.repos: dict[tuple[str, str], Repo] = {}
        self.faults: list[Fault] = []
        self.log: list[dict[str, Any]] = []
        self._signature = secrets.token_hex(16)
        self.root.mkdir(parents=True, exist_ok=True)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._own_root:
            self._own_root.cleanup()

    # ------------------------------------------------------------ for tests

    def env(self, hf_home: Path | None = None, token: str | None = TOKEN) -> dict[str, str]:
        env = dict.fromkeys(("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_UPDATE_CHECK"), "1")
        env |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost") | {"HF_ENDPOINT": self.url}
        return env | ({"HF_TOKEN": token} if token else {}) | ({"HF_HOME": str(hf_home)} if hf_home else {})

    def inject_fault(self, **fault: Any) -> Fault:
        """See `Fault` for the fields."""
        self.faults.append(Fault(**fault))
        return self.faults[-1]

    def requests(self, match: str = "") -> list[dict[str, Any]]:
        """`line` ("METHOD /path?query"), `status` and whether there was an `authorization`."""
        return [record for record in self.log if re.search(match, record["line"])]

    def files(self, kind: str, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """What is in a repository."""
        tree = self.repos[kind, repo_id].at(revision).tree
        return {name: (self.root / entry.sha256).read_bytes() for name, entry in tree.items()}

    # ------------------------------------------------------------ requests

    async def answer(self, request: Request) -> Response:
        line, data = f"{request.method} {request.path_qs}", await request.content.read()
        fault = next((fault for fault in self.faults if fault.fires(line)), None)
        if fault and not fault.lost:
            response: Any = HubError(fault.status, f"injected fault {fault.status}").response
        else:
            response = await self._answer(request, data)
        authorization = "Authorization" in request.headers
        self.log.append({"line": line, "status": response.status, "authorization": authorization})
        return await break_off(request, response, 0) if fault and fault.lost else response

    async def _answer(self, request: Request, data: bytes) -> Response:
        method, path = ("GET" if request.method == "HEAD" else request.method), request.rel_url.raw_path
        try:
            for known, pattern, handler in ROUTES:
                if known == method and (match := pattern.fullmatch(path)):
                    groups = {name: value and unquote(value) for name, value in match.groupdict().items()}
                    if "repo_id" in groups:
                        writes = method != "GET" and "/paths-info/" not in path
                        groups["repo"] = self._repo(request, groups.pop("kind"), groups.pop("repo_id"), writes)
                    body = json.loads(data) if data and request.content_type in JSON else data
                    return await handler(self, request=request, body=body, **groups)
            raise HubError(404, f"Not Found: {request.method} {path}")
        except HubError as error:
            return error.response

    def _user(self, request: Request) -> User | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.users:
            raise HubError(401, "Invalid credentials in Authorization header")
        return self.users.get(token)

    def _writer(self, request: Request, namespace: str | None = None) -> User:
        user = self._user(request)
        if user is None:
            raise HubError(401, "Invalid username or password.")
        if user.role != "write" or not user.owns(namespace or user.name):
            raise HubError(403, "Forbidden: you must use a write token with access to this repository")
        return user

    def _repo(self, request: Request, kind: str | None, repo_id: str, writes: bool) -> Repo:
        """The repository, if the sender may see it; otherwise the answer is the same as for one that does not exist."""
        user, repo = self._user(request), self.repos.get((kind or "model", repo_id))
        if repo is None or (repo.private and not (user and user.owns(repo.namespace))):
            raise HubError(404 if user else 401, "Repository not found", "RepoNotFound")
        if writes:
            self._writer(request, repo.namespace)
        return repo

    # ------------------------------------------------------------ accounts and repositories

    @route("GET", r"/api/whoami-v2")
    async def whoami(self, request: Request, body: Any) -> Response:
        user = self._user(request)
        if user is None:
            raise HubError(401, "Invalid username or password.")
        auth = {"type": "access_token", "accessToken": {"displayName": "local", "role": user.role}}
        orgs = [{"type": "org", "name": org, "roleInOrg": "write"} for org in user.orgs]
        return web.json_response({"type": "user", "name": user.name, "orgs": orgs, "auth": auth})

    @route("POST", r"/api/repos/create")
    async def create_repo(self, request: Request, body: Any) -> Response:
        user = self._user(request)
        namespace = body.get("organization") or (user.name if user else None)
        self._writer(request, namespace)
        repo = Repo(body.get("type") or "model", f"{namespace}/{body['name']}", body.get("visibility") == "private")
        known = self.repos.get((repo.kind, repo.id))
        if known:
            raise HubError(409, f"You already created this repo: {repo.id}", url=f"{self.url}/{known.path}")
        repo.add("main", "initial commit", {".gitattributes": self._regular(GITATTRIBUTES)})
        self.repos[repo.kind, repo.id] = repo
        return web.json_response({"url": f"{self.url}/{repo.path}", "name": repo.id, "id": repo.id})

    @route("POST", r"/api/validate-yaml")
    async def validate_yaml(self, request: Request, body: Any) -> Response:
        try:
            header_of(body["content"])
        except yaml.YAMLError as error:
            said = [{"message": f"Invalid YAML metadata: {error}"}]
            return web.json_response({"errors": said, "warnings": []}, status=400)
        return web.json_response({"errors": [], "warnings": []})

    # ------------------------------------------------------------ reading

    @route("GET", rf"{API}(?:/revision/{REVISION})?")
    async def repo_info(self, request: Request, body: Any, repo: Repo, revision: str | None) -> Response:
        commit = repo.at(revision or "main")
        card = header_of(self.files(repo.kind, repo.id, commit.id).get("README.md", b"").decode())
        info = {"_id": repo.id, "id": repo.id, "modelId": repo.id, "sha": commit.id, "lastModified": commit.date}
        info |= {"private": repo.private, "gated": False, "disabled": False, "downloads": 0, "likes": 0}
        info |= {"siblings": [entry.as_json(path) for path, entry in sorted(commit.tree.items())]}
        info |= {"tags": card.get("tags") or [], "cardData": json.loads(json.dumps(card, default=str))}
        return web.json_response(info)

    @route("GET", rf"{API}/tree/{REVISION}(?:/(?P<folder>.*))?")
    async def tree(self, request: Request, body: Any, repo: Repo, revision: str, folder: str | None) -> Response:
        items = dict(listing(repo.at(revision).tree, f"{folder}/" if folder else ""))
        if folder and not items:
            raise HubError(404, f'"{folder}" does not exist on "{revision}"', "EntryNotFound")
        deep = request.query.get("recursive", "").lower() == "true"
        depth = folder.count("/") + 1 if folder else 0
        return web.json_response([items[path] for path in sorted(items) if deep or path.count("/") == depth])

    @route("POST", rf"{API}/paths-info/{REVISION}")
    async def paths_info(self, request: Request, body: Any, repo: Repo, revision: str) -> Response:
        paths = body["paths"] if isinstance(body, dict) else parse_qs(body.decode()).get("paths", [])
        items = dict(listing(repo.at(revision).tree, ""))
        return web.json_response([items[path.rstrip("/")] for path in paths if path.rstrip("/") in items])

    @route("GET", rf"{WEB}/resolve/{REVISION}/(?P<path>.+)")
    async def resolve(self, request: Request, body: Any, repo: Repo, revision: str, path: str) -> Response:
        commit = repo.at(revision)
        entry = commit.tree.get(path)
        if entry is None:
            raise HubError(404, "Entry not found", "EntryNotFound")
        headers = {"X-Repo-Commit": commit.id, "X-Linked-Size": str(entry.size)}
        if not entry.lfs:
            headers["X-Linked-Etag"] = f'"{entry.git_oid}"'
            return web.FileResponse(self.root / entry.sha256, headers=headers)
        headers |= {"X-Linked-Etag": f'"{entry.sha256}"', "Location": self._storage(entry.sha256)}
        return web.Response(status=302, headers=headers)

    # ------------------------------------------------------------ writing

    @route("POST", rf"{API}/branch/(?P<branch>[^/]+)")
    async def create_branch(self, request: Request, body: Any, repo: Repo, branch: str) -> Response:
        if branch in repo.branches:
            raise HubError(409, "Reference already exists")
        repo.branches[branch] = repo.at((body or {}).get("startingPoint") or "main").id
        return web.json_response({})

    @route("POST", rf"{API}/preupload/{REVISION}")
    async def preupload(self, request: Request, body: Any, repo: Repo, revision: str) -> Response:
        tree, answers = repo.at(revision).tree, []
        for file in body["files"]:
            lfs = file["path"].endswith(LFS) or b"\0" in base64.b64decode(file.get("sample", ""))
            known = tree.get(file["path"])
            oid = (known.sha256 if known.lfs else known.git_oid) if known else None
            mode = "lfs" if lfs else "regular"
            answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return web.json_response({"files": answers})

    @route("POST", rf"{API}/commit/{REVISION}")
    async def commit(self, request: Request, body: bytes, repo: Repo, revision: str) -> Response:
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        base = repo.at(revision)
        if not base.id.startswith(header.get("parentCommit") or ""):
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        tree = dict(base.tree)
        for line in lines:
            self._apply(line["key"], line["value"], tree)
        commit = repo.add(revision, header["summary"], tree, base.id)
        url = f"{self.url}/{repo.path}/commit/{commit.id}"
        return web.json_response({"success": True, "commitOid": commit.id, "commitUrl": url, "hookOutput": ""})

    def _apply(self, key: str, value: dict[str, Any], tree: dict[str, Entry]) -> None:
        match key:
            case "file":
                content, packed = value["content"].encode(), value.get("encoding") == "base64"
                tree[value["path"]] = self._regular(base64.b64decode(content) if packed else content)
            case "lfsFile":
                size = self._blob(value["oid"]).stat().st_size
                tree[value["path"]] = Entry(value["oid"], size, True, git_oid(value["oid"].encode()))
            case "deletedFile":
                if tree.pop(value["path"], None) is None:
                    raise HubError(404, f"A file with this name doesn't exist: {value['path']}", "EntryNotFound")

    def _regular(self, data: bytes) -> Entry:
        sha256 = hashlib.sha256(data).hexdigest()
        (self.root / sha256).write_bytes(data)
        return Entry(sha256, len(data), False, git_oid(data))

    # ------------------------------------------------------------ LFS: the Hub says where, the bytes go to the storage host

    def _storage(self, sha256: str) -> str:
        return f"{self.urls[1]}/storage/{sha256}?signature={self._signature}"

    def _blob(self, sha256: str) -> Path:
        path = self.root / sha256
        if not path.is_file():
            raise HubError(404, "Object does not exist")
        return path

    @route("POST", rf"{WEB}\.git/info/lfs/objects/batch")
    async def lfs_batch(self, request: Request, body: Any, repo: Repo) -> Response:
        objects = []
        for wanted in body["objects"]:
            there = (self.root / wanted["oid"]).is_file()
            action = {body["operation"]: {"href": self._storage(wanted["oid"])}}
            objects.append({**wanted, "authenticated": True} | ({} if there else {"actions": action}))
        return web.json_response({"transfer": "basic", "objects": objects})

    @route("PUT", r"/storage/(?P<sha256>[0-9a-f]{64})")
    async def storage_put(self, request: Request, body: bytes, sha256: str) -> Response:
        self._check(request)
        if hashlib.sha256(body).hexdigest() != sha256:
            raise HubError(400, "The content does not have the announced sha256")
        (self.root / sha256).write_bytes(body)
        return web.Response()

    @route("GET", r"/storage/(?P<sha256>[0-9a-f]{64})")
    async def storage_get(self, request: Request, body: Any, sha256: str) -> Response:
        self._check(request)
        return web.FileResponse(self._blob(sha256))

    def _check(self, request: Request) -> None:
        if request.query.get("signature") != self._signature:
            raise HubError(403, "The signature is wrong")


def main() -> None:
    """`python -m servers.local_hub`: prints what to export and serves until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8765)
    with LocalHub(port=parser.parse_args().port) as hub:
        print("\n".join(f"export {name}={value}" for name, value in hub.env().items()), flush=True)
        hub.serve()


if __name__ == "__main__":
    main()
