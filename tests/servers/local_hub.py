"""A local stand-in for the Hugging Face Hub, for end-to-end tests over real HTTP.

The real clients (``huggingface_hub``, ``datasets``, ``transformers``, ``trl``) talk to it when
``HF_ENDPOINT`` names it. Needs only ``aiohttp`` and ``PyYAML``, both already dependencies of ``datasets``.

In a test::

    with LocalHub() as hub:
        subprocess.run([...], env={**os.environ, **hub.env(hf_home=tmp_path)})
        hub.inject_fault(match=r"POST .*/commit/", status=503, times=1)

From a shell::

    python tests/servers/local_hub.py --port 8765 --root ./hub-data      # prints the variables to export

What is modelled: users, organizations and tokens (read or write); model, dataset and space repos, private and
gated; commits (ndjson) on branches with optimistic locking; tags; pull-request refs; ``.gitattributes``-driven
LFS; LFS basic and multipart uploads to, and signed downloads from, a second port that plays the part of the
storage host (so the clients' rule "no token leaves the Hub" is exercised); tree pages; range requests; the
error headers from which the clients pick their exception classes. What is not: discussions, git-over-HTTP,
search ranking, the dataset viewer, and Xet (``hub.env()`` sets ``HF_HUB_DISABLE_XET=1``: since version 2
``huggingface_hub`` no longer asks the server whether to use Xet).

Two deliberate differences from huggingface.co: a 401 for a missing or private repo carries
``X-Error-Code: RepoNotFound`` (the client deduces that itself, but only for ``https`` URLs), and every
namespace of the configured users exists from the start.

Everything on disk lies under ``root``: ``blobs/<sha256>`` and one JSON file per repo, written atomically.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import fnmatch
import hashlib
import hmac
import json
import logging
import re
import secrets
import tempfile
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

import yaml
from aiohttp import web

log = logging.getLogger("local_hub")

KINDS = {"model": "models", "dataset": "datasets", "space": "spaces"}
DEFAULT_LFS_PATTERNS = [
    "*.7z",
    "*.arrow",
    "*.bin",
    "*.bz2",
    "*.ckpt",
    "*.ftz",
    "*.gz",
    "*.h5",
    "*.joblib",
    "*.lfs.*",
    "*.mlmodel",
    "*.model",
    "*.msgpack",
    "*.npy",
    "*.npz",
    "*.onnx",
    "*.ot",
    "*.parquet",
    "*.pb",
    "*.pickle",
    "*.pkl",
    "*.pt",
    "*.pth",
    "*.rar",
    "*.safetensors",
    "saved_model/**/*",
    "*.tar.*",
    "*.tar",
    "*.tflite",
    "*.tgz",
    "*.wasm",
    "*.xz",
    "*.zip",
    "*.zst",
    "*tfevents*",
]
GITATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in DEFAULT_LFS_PATTERNS)
LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"


# --------------------------------------------------------------------------------------------------------------
# Data


@dataclass(frozen=True)
class User:
    name: str
    orgs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identity:
    """Who sent a request: a user, and what their token may do."""

    user: User
    role: str  # "read" or "write"

    def owns(self, namespace: str) -> bool:
        return namespace == self.user.name or namespace in self.user.orgs


@dataclass
class Entry:
    """One file of one commit."""

    sha256: str
    size: int
    git_oid: str
    lfs: bool
    commit: str = ""  # the last commit that changed the file

    def as_json(self, path: str) -> dict:
        info: dict = {"type": "file", "oid": self.git_oid, "size": self.size, "path": path}
        if self.lfs:
            info["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": self.pointer_size}
        return info

    @property
    def pointer_size(self) -> int:
        return len(LFS_POINTER.format(oid=self.sha256, size=self.size))


@dataclass
class Commit:
    id: str
    parent: str | None
    title: str
    message: str
    author: str
    date: str
    tree: dict[str, Entry]


@dataclass
class Repo:
    kind: str
    id: str
    private: bool = False
    gated: str | bool = False
    created_at: str = ""
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pulls: dict[str, str] = field(default_factory=dict)  # "refs/pr/1" -> commit
    commits: dict[str, Commit] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.id.partition("/")[0]

    @property
    def url_path(self) -> str:
        return self.id if self.kind == "model" else f"{KINDS[self.kind]}/{self.id}"

    def find(self, revision: str) -> Commit | None:
        """The commit named by a branch, a tag, a pull-request ref or a commit id (at least 7 digits)."""
        for name in (revision, revision.removeprefix("refs/heads/"), revision.removeprefix("refs/tags/")):
            for refs in (self.branches, self.tags, self.pulls):
                if name in refs:
                    return self.commits[refs[name]]
        if re.fullmatch(r"[0-9a-f]{7,40}", revision):
            return next((c for oid, c in self.commits.items() if oid.startswith(revision)), None)
        return None

    def history(self, commit: Commit) -> list[Commit]:
        commits: list[Commit] = []
        cursor: str | None = commit.id
        while cursor:
            commits.append(self.commits[cursor])
            cursor = commits[-1].parent
        return commits


@dataclass
class Fault:
    """Misbehaviour asked for by a test: the ``every``-th matching request goes wrong, ``times`` times at most."""

    match: str = ".*"  # searched in "METHOD /path?query"
    kind: str = "status"  # status | drop | slow | truncate
    status: int = 503
    retry_after: float | None = None
    every: int = 1
    times: int | None = None
    delay: float = 1.0  # for slow, in seconds
    when: str = "before"  # "after": the request takes effect, and only its answer is lost
    seen: int = 0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("status", "drop", "slow", "truncate") or self.when not in ("before", "after"):
            raise ValueError(f"unknown fault: kind={self.kind!r} when={self.when!r}")
        re.compile(self.match)

    def fires(self, line: str) -> bool:
        if (self.times is not None and self.fired >= self.times) or not re.search(self.match, line):
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        self.fired += 1
        return True


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def git_blob_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def header_json(text: str) -> dict:
    """The YAML front matter of a README. Raises ``yaml.YAMLError`` if it can't be read."""
    match = re.match(r"\A\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", text, re.DOTALL)
    if match is None:
        return {}
    data = yaml.safe_load(match.group(1))
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise yaml.YAMLError("the metadata must be a mapping")
    return data


def hub_error(status: int, message: str, code: str | None = None, **headers: str) -> web.Response:
    """An error answer shaped as huggingface.co shapes it."""
    all_headers = {"X-Error-Message": message, **{k.replace("_", "-"): v for k, v in headers.items()}}
    if code:
        all_headers["X-Error-Code"] = code
    return web.json_response({"error": message}, status=status, headers=all_headers)


class HubError(Exception):
    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.response = hub_error(status, message, code, **headers)


# --------------------------------------------------------------------------------------------------------------
# Storage


class Store:
    """Blobs by sha256, and repos; all calls come from the one event-loop thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = root / "blobs"
        self.parts = root / "parts"
        self.repos: dict[tuple[str, str], Repo] = {}
        for folder in (self.blobs, self.parts, root / "repos"):
            folder.mkdir(parents=True, exist_ok=True)
        for path in (root / "repos").glob("*/*.json"):
            self._load(path)

    def blob(self, sha256: str) -> Path:
        return self.blobs / sha256

    def put_blob(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        if not self.blob(sha256).exists():
            self._write_atomically(self.blob(sha256), data)
        return sha256

    def save(self, repo: Repo) -> None:
        path = self._repo_file(repo)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write_atomically(path, json.dumps(asdict(repo)).encode())
        self.repos[repo.kind, repo.id] = repo

    def delete(self, repo: Repo) -> None:
        self._repo_file(repo).unlink(missing_ok=True)
        del self.repos[repo.kind, repo.id]

    def commit(
        self,
        repo: Repo,
        ref: str,
        tree: dict[str, Entry],
        *,
        author: str,
        title: str,
        message: str = "",
        parent: str | None = None,
        save: bool = True,
    ) -> Commit:
        date = now()
        seed = json.dumps([repo.id, parent, title, date, secrets.token_hex(8)])
        oid = hashlib.sha1(seed.encode()).hexdigest()
        before = repo.commits[parent].tree if parent else {}
        for path, entry in tree.items():
            if before.get(path) is not entry:
                entry.commit = oid
        commit = Commit(oid, parent, title, message, author, date, tree)
        repo.commits[oid] = commit
        (repo.pulls if ref.startswith("refs/pr/") else repo.branches)[ref] = oid
        if save:
            self.save(repo)
        return commit

    def _repo_file(self, repo: Repo) -> Path:
        return self.root / "repos" / KINDS[repo.kind] / (quote(repo.id, safe="") + ".json")

    @staticmethod
    def _write_atomically(path: Path, data: bytes) -> None:
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
        temporary.write_bytes(data)
        temporary.replace(path)

    def _load(self, path: Path) -> None:
        raw = json.loads(path.read_bytes())
        commits = {}
        for oid, commit in raw.pop("commits").items():
            tree = {name: Entry(**entry) for name, entry in commit.pop("tree").items()}
            commits[oid] = Commit(**commit, tree=tree)
        repo = Repo(**raw, commits=commits)
        self.repos[repo.kind, repo.id] = repo


# --------------------------------------------------------------------------------------------------------------
# The HTTP application

Handler = Callable[..., Awaitable[web.StreamResponse]]
ROUTES: list[tuple[str, re.Pattern[str], Handler]] = []

# Fragments of the routes below. Paths are matched still percent-encoded, so "refs%2Fpr%2F1" is one segment.
_REPO = r"(?P<repo_id>[^/]+(?:/[^/]+)?)"
_API = rf"/api/(?P<kind>models|datasets|spaces)/{_REPO}"
_WEB = rf"/(?:(?P<kind>datasets|spaces)/)?{_REPO}"
_REV = r"(?P<revision>[^/]+)"


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        ROUTES.append((method, re.compile(pattern), handler))
        return handler

    return register


class HubApp:
    def __init__(
        self,
        store: Store,
        tokens: dict[str, Identity],
        *,
        tree_page_size: int = 1000,
        lfs_multipart_chunk: int = 32 << 20,
        lfs_size_threshold: int = 10 << 20,
    ) -> None:
        self.store = store
        self.tokens = tokens
        self.tree_page_size = tree_page_size
        self.lfs_multipart_chunk = lfs_multipart_chunk
        self.lfs_size_threshold = lfs_size_threshold
        self.faults: list[Fault] = []
        self._truncated: set[int] = set()
        self.requests: deque[dict] = deque(maxlen=20_000)
        self.endpoint = ""  # set once the ports are known
        self.storage_endpoint = ""
        self._signing_key = secrets.token_bytes(16)

    # ---- dispatch, faults, request log

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        line = f"{request.method} {request.raw_path}"
        control = request.path.startswith("/_hub/")
        fault = None if control else next((f for f in self.faults if f.fires(line)), None)
        status = 0
        try:
            if fault and fault.kind == "slow":
                await asyncio.sleep(fault.delay)
            elif fault and fault.when == "before" and fault.kind != "truncate":
                await self._drain(request)
                return self._misbehave(request, fault)
            response = await self._handle(request, truncate=bool(fault and fault.kind == "truncate"))
            if fault and fault.when == "after" and fault.kind in ("status", "drop"):
                return self._misbehave(request, fault)
            status = response.status
            return response
        finally:
            self._truncated.discard(id(request))
            if not control:
                identity = self.tokens.get(self._bearer(request) or "")
                self.requests.append(
                    {
                        "method": request.method,
                        "path": request.raw_path,
                        "status": status,
                        "user": identity.user.name if identity else None,
                        "fault": fault.kind if fault else None,
                        "authorization": "Authorization" in request.headers,
                        "port": request.url.port,
                        "ms": round(1000 * (time.monotonic() - started), 1),
                    }
                )

    async def _handle(self, request: web.Request, truncate: bool) -> web.StreamResponse:
        path = request.rel_url.raw_path
        method = "GET" if request.method == "HEAD" else request.method
        if truncate:
            self._truncated.add(id(request))
        try:
            for route_method, pattern, handler in ROUTES:
                match = pattern.fullmatch(path)
                if match and route_method == method:
                    arguments = {k: unquote(v) if v is not None else None for k, v in match.groupdict().items()}
                    return await handler(self, request, **arguments)
            return hub_error(404, f"Not Found: {request.method} {request.path}")
        except HubError as error:
            return error.response
        except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError, ValueError) as error:
            log.warning("bad request %s %s: %r", request.method, path, error)
            return hub_error(400, f"Invalid request: {error!r}")

    @staticmethod
    async def _drain(request: web.Request) -> None:
        async for _ in request.content.iter_chunked(1 << 20):
            pass

    @staticmethod
    def _misbehave(request: web.Request, fault: Fault) -> web.Response:
        if fault.kind == "drop":
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        headers = {}
        if fault.retry_after is not None:
            headers["Retry-After"] = f"{fault.retry_after:g}"
        if fault.status == 429:
            wait = int(fault.retry_after or 1)
            headers["RateLimit"] = f'"api";r=0;t={wait}'
            headers["RateLimit-Policy"] = '"fixed window";"api";q=500;w=300'
        return hub_error(fault.status, f"injected fault {fault.status}", **headers)

    # ---- who may do what

    @staticmethod
    def _bearer(request: web.Request) -> str | None:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return value.strip()
        if scheme.lower() == "basic":  # git and git-lfs clients: any user name, the token as password
            return base64.b64decode(value).decode().partition(":")[2]
        return None

    def identity(self, request: web.Request, required: bool = False) -> Identity | None:
        token = self._bearer(request)
        if token is None:
            if required:
                raise HubError(401, "Invalid username or password.")
            return None
        if token not in self.tokens:
            raise HubError(401, "Invalid credentials in Authorization header")
        return self.tokens[token]

    @staticmethod
    def _can_read(repo: Repo, identity: Identity | None) -> bool:
        return not repo.private or (identity is not None and identity.owns(repo.namespace))

    def repo(
        self, request: web.Request, kind: str | None, repo_id: str, *, write: bool = False, content: bool = False
    ) -> Repo:
        """The repo, if the sender may see it; otherwise the same answer as for one that does not exist."""
        identity = self.identity(request)
        repo = self.store.repos.get(((kind or "models")[:-1], repo_id))
        if repo is None or not self._can_read(repo, identity):
            if identity is None:
                raise HubError(401, "Invalid username or password.", "RepoNotFound")
            raise HubError(404, "Repository not found", "RepoNotFound")
        owner = identity is not None and identity.owns(repo.namespace)
        if write:
            if identity is None:
                raise HubError(401, "Invalid username or password.")
            if not owner or identity.role != "write":
                raise HubError(403, "Forbidden: you must use a write token with access to this repository")
        if content and repo.gated and not owner:
            raise HubError(
                403 if identity else 401,
                f"Access to {repo.kind} {repo.id} is restricted and you are not in the authorized list.",
                "GatedRepo",
            )
        return repo

    @staticmethod
    def commit_at(repo: Repo, revision: str) -> Commit:
        commit = repo.find(revision)
        if commit is None:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    # ---- account and repo life cycle

    @route("GET", r"/api/whoami-v2")
    async def whoami(self, request: web.Request) -> web.Response:
        identity = self.identity(request, required=True)
        assert identity is not None
        return web.json_response(
            {
                "type": "user",
                "id": git_blob_oid(identity.user.name.encode())[:24],
                "name": identity.user.name,
                "fullname": identity.user.name,
                "email": f"{identity.user.name}@example.invalid",
                "emailVerified": True,
                "isPro": False,
                "canPay": False,
                "avatarUrl": "",
                "periodEnd": None,
                "orgs": [
                    {"type": "org", "name": org, "fullname": org, "roleInOrg": "write"} for org in identity.user.orgs
                ],
                "auth": {
                    "type": "access_token",
                    "accessToken": {"displayName": "local", "role": identity.role, "createdAt": now()},
                },
            }
        )

    @route("POST", r"/api/repos/create")
    async def create_repo(self, request: web.Request) -> web.Response:
        identity = self.identity(request, required=True)
        assert identity is not None
        body = await request.json()
        kind = body.get("type") or "model"
        namespace = body.get("organization") or identity.user.name
        if kind not in KINDS or not re.fullmatch(r"[\w.-]{1,96}", body["name"]):
            raise HubError(400, f"Invalid repo name or type: {body['name']!r}, {kind!r}")
        if identity.role != "write" or not identity.owns(namespace):
            raise HubError(403, f'You don\'t have the rights to create a {kind} under the namespace "{namespace}"')
        repo_id = f"{namespace}/{body['name']}"
        if (kind, repo_id) in self.store.repos:
            url = f"{self.endpoint}/{self.store.repos[kind, repo_id].url_path}"
            message = f"You already created this {kind} repo: {repo_id}"
            return web.json_response({"error": message, "url": url}, status=409, headers={"X-Error-Message": message})
        private = body.get("visibility") == "private" or bool(body.get("private"))
        repo = Repo(kind, repo_id, private=private, created_at=now())
        tree = {".gitattributes": self._regular_entry(GITATTRIBUTES.encode())}
        self.store.commit(repo, "main", tree, author=identity.user.name, title="initial commit")
        return web.json_response(
            {"url": f"{self.endpoint}/{repo.url_path}", "name": repo_id, "id": repo_id, "private": private}
        )

    @route("DELETE", r"/api/repos/delete")
    async def delete_repo(self, request: web.Request) -> web.Response:
        identity = self.identity(request, required=True)
        assert identity is not None
        body = await request.json()
        repo_id = f"{body.get('organization') or identity.user.name}/{body['name']}"
        self.store.delete(self.repo(request, KINDS[body.get("type") or "model"], repo_id, write=True))
        return web.json_response({})

    @route("POST", r"/api/repos/move")
    async def move_repo(self, request: web.Request) -> web.Response:
        body = await request.json()
        identity = self.identity(request, required=True)
        assert identity is not None
        repo = self.repo(request, KINDS[body.get("type") or "model"], body["fromRepo"], write=True)
        if not identity.owns(body["toRepo"].partition("/")[0]):
            raise HubError(403, "You don't have the rights to write to the destination namespace")
        if (repo.kind, body["toRepo"]) in self.store.repos:
            raise HubError(409, "A repo of that name exists already")
        self.store.delete(repo)
        repo.id = body["toRepo"]
        self.store.save(repo)
        return web.json_response({})

    @route("PUT", rf"{_API}/settings")
    async def settings(self, request: web.Request, kind: str, repo_id: str) -> web.Response:
        repo = self.repo(request, kind, repo_id, write=True)
        body = await request.json()
        if "visibility" in body:
            repo.private = body["visibility"] == "private"
        if "private" in body:
            repo.private = bool(body["private"])
        if "gated" in body:
            repo.gated = body["gated"]
        self.store.save(repo)
        return web.json_response({"private": repo.private, "gated": repo.gated})

    @route("POST", r"/api/validate-yaml")
    async def validate_yaml(self, request: web.Request) -> web.Response:
        body = await request.json()
        try:
            metadata = header_json(body["content"])
        except yaml.YAMLError as error:
            return web.json_response(
                {"errors": [{"message": f"Invalid YAML metadata: {error}"}], "warnings": []}, status=400
            )
        warnings = [] if metadata else [{"message": "empty or missing yaml metadata in repo card"}]
        return web.json_response({"errors": [], "warnings": warnings})

    @route("GET", rf"{_API}/auth-check")
    async def auth_check(self, request: web.Request, kind: str, repo_id: str) -> web.Response:
        self.repo(request, kind, repo_id, content=True)
        return web.json_response({})

    # ---- information

    @route("GET", r"/api/(?P<kind>models|datasets|spaces)")
    async def list_repos(self, request: web.Request, kind: str) -> web.Response:
        identity = self.identity(request)
        author, search = request.query.get("author"), request.query.get("search", "").lower()
        found = [
            self._repo_info(repo, repo.commits[repo.branches["main"]])
            for (repo_kind, _), repo in sorted(self.store.repos.items())
            if KINDS[repo_kind] == kind
            and self._can_read(repo, identity)
            and (author is None or repo.namespace == author)
            and search in repo.id.lower()
        ]
        tags = request.query.getall("filter", [])
        found = [info for info in found if all(tag in info["tags"] for tag in tags)]
        return self._page(request, found, int(request.query.get("limit", 1000)))

    @route("GET", rf"{_API}/refs")
    async def refs(self, request: web.Request, kind: str, repo_id: str) -> web.Response:
        repo = self.repo(request, kind, repo_id)

        def listing(refs: dict[str, str], prefix: str) -> list[dict]:
            return [{"name": name, "ref": prefix + name, "targetCommit": oid} for name, oid in refs.items()]

        answer = {
            "branches": listing(repo.branches, "refs/heads/"),
            "tags": listing(repo.tags, "refs/tags/"),
            "converts": [],
        }
        if "include_prs" in request.query:
            answer["pullRequests"] = listing(repo.pulls, "")
        return web.json_response(answer)

    @route("GET", rf"{_API}/commits/{_REV}")
    async def commits(self, request: web.Request, kind: str, repo_id: str, revision: str) -> web.Response:
        repo = self.repo(request, kind, repo_id)
        items = [
            {
                "id": c.id,
                "title": c.title,
                "message": c.message,
                "date": c.date,
                "authors": [{"user": c.author, "avatar": ""}],
            }
            for c in repo.history(self.commit_at(repo, revision))
        ]
        return self._page(request, items, int(request.query.get("limit", 50)))

    @route("GET", rf"{_API}/tree/{_REV}(?:/(?P<folder>.*))?")
    async def tree(
        self, request: web.Request, kind: str, repo_id: str, revision: str, folder: str | None
    ) -> web.Response:
        repo = self.repo(request, kind, repo_id)
        commit = self.commit_at(repo, revision)
        prefix = f"{folder.strip('/')}/" if folder else ""
        recursive, expand = (request.query.get(k, "").lower() == "true" for k in ("recursive", "expand"))
        items: dict[str, dict] = {}
        for path, entry in commit.tree.items():
            if not path.startswith(prefix):
                continue
            parts = path[len(prefix) :].split("/")
            for depth in range(1, len(parts) if recursive else min(2, len(parts))):
                directory = prefix + "/".join(parts[:depth])
                items.setdefault(directory, self._directory_info(directory))
            if recursive or len(parts) == 1:
                items[path] = self._path_info(repo, path, entry, expand)
        if prefix and not items:
            raise HubError(404, f'"{folder}" does not exist on "{revision}"', "EntryNotFound")
        page_size = min(int(request.query.get("limit", self.tree_page_size)), self.tree_page_size)
        return self._page(request, [items[path] for path in sorted(items)], page_size)

    @route("POST", rf"{_API}/paths-info/{_REV}")
    async def paths_info(self, request: web.Request, kind: str, repo_id: str, revision: str) -> web.Response:
        repo = self.repo(request, kind, repo_id)
        commit = self.commit_at(repo, revision)
        if request.content_type == "application/json":
            body = await request.json()
            paths, expand = body["paths"], bool(body.get("expand"))
        else:
            form = await request.post()
            paths, expand = form.getall("paths", []), str(form.get("expand", "")).lower() == "true"
        answer = []
        for path in paths:
            if path in commit.tree:
                answer.append(self._path_info(repo, path, commit.tree[path], expand))
            elif any(name.startswith(f"{path.rstrip('/')}/") for name in commit.tree):
                answer.append(self._directory_info(path.rstrip("/")))
        return web.json_response(answer)

    @route("GET", rf"{_API}(?:/revision/{_REV})?")
    async def repo_info(self, request: web.Request, kind: str, repo_id: str, revision: str | None) -> web.Response:
        repo = self.repo(request, kind, repo_id)
        info = self._repo_info(
            repo,
            self.commit_at(repo, revision or "main"),
            blobs=request.query.get("blobs", "").lower() in ("1", "true"),
        )
        return web.json_response(info)

    # ---- branches and tags

    @route("POST", rf"{_API}/branch/(?P<branch>[^/]+)")
    async def create_branch(self, request: web.Request, kind: str, repo_id: str, branch: str) -> web.Response:
        repo = self.repo(request, kind, repo_id, write=True)
        start = (await request.json()).get("startingPoint") if request.can_read_body else None
        commit = self.commit_at(repo, start or "main")
        if branch in repo.branches:
            raise HubError(409, "Reference already exists")
        repo.branches[branch] = commit.id
        self.store.save(repo)
        return web.json_response({})

    @route("DELETE", rf"{_API}/branch/(?P<branch>[^/]+)")
    async def delete_branch(self, request: web.Request, kind: str, repo_id: str, branch: str) -> web.Response:
        repo = self.repo(request, kind, repo_id, write=True)
        if branch == "main":
            raise HubError(403, "Cannot delete the main branch")
        if repo.branches.pop(branch, None) is None:
            raise HubError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        self.store.save(repo)
        return web.json_response({})

    @route("POST", rf"{_API}/tag/{_REV}")
    async def create_tag(self, request: web.Request, kind: str, repo_id: str, revision: str) -> web.Response:
        repo = self.repo(request, kind, repo_id, write=True)
        tag = (await request.json())["tag"]
        commit = self.commit_at(repo, revision)
        if tag in repo.tags:
            raise HubError(409, f"Tag reference exists already: {tag}")
        repo.tags[tag] = commit.id
        self.store.save(repo)
        return web.json_response({})

    @route("DELETE", rf"{_API}/tag/(?P<tag>[^/]+)")
    async def delete_tag(self, request: web.Request, kind: str, repo_id: str, tag: str) -> web.Response:
        repo = self.repo(request, kind, repo_id, write=True)
        if repo.tags.pop(tag, None) is None:
            raise HubError(404, f"Invalid rev id: {tag}", "RevisionNotFound")
        self.store.save(repo)
        return web.json_response({})

    @route("POST", rf"{_API}/super-squash/(?P<branch>[^/]+)")
    async def super_squash(self, request: web.Request, kind: str, repo_id: str, branch: str) -> web.Response:
        repo = self.repo(request, kind, repo_id, write=True)
        body = await request.json()
        commit = self.commit_at(repo, branch)
        self.store.commit(
            repo,
            branch,
            dict(commit.tree),
            author=commit.author,
            title=body.get("message") or "Super-squash branch",
            parent=None,
        )
        return web.json_response({})

    # ---- writing

    @route("POST", rf"{_API}/preupload/{_REV}")
    async def preupload(self, request: web.Request, kind: str, repo_id: str, revision: str) -> web.Response:
        repo = self.repo(request, kind, repo_id, write=True)
        commit = self.commit_at(repo, revision)
        body = await request.json()
        ignored = body.get("gitIgnore")
        if ignored is None and ".gitignore" in commit.tree:
            ignored = self.store.blob(commit.tree[".gitignore"].sha256).read_text()
        attributes = (
            self.store.blob(commit.tree[".gitattributes"].sha256).read_text()
            if ".gitattributes" in commit.tree
            else GITATTRIBUTES
        )
        lfs_patterns = [line.split()[0] for line in attributes.splitlines() if "filter=lfs" in line]
        answer = []
        for item in body["files"]:
            path, size = item["path"], item["size"]
            binary = b"\0" in base64.b64decode(item.get("sample", ""))
            lfs = binary or size >= self.lfs_size_threshold or _matches(path, lfs_patterns)
            known = commit.tree.get(path)
            answer.append(
                {
                    "path": path,
                    "uploadMode": "lfs" if lfs else "regular",
                    "shouldIgnore": _matches(path, (ignored or "").split("\n")),
                    "oid": (known.sha256 if known.lfs else known.git_oid) if known else None,
                }
            )
        return web.json_response({"files": answer})

    @route("POST", rf"{_API}/commit/{_REV}")
    async def commit(self, request: web.Request, kind: str, repo_id: str, revision: str) -> web.Response:
        repo = self.repo(request, kind, repo_id, write=True)
        identity = self.identity(request)
        assert identity is not None
        lines = [json.loads(line) for line in (await request.read()).splitlines() if line.strip()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        # From here on nothing awaits: reading the branch head and moving it are one step for other requests.
        base = self.commit_at(repo, revision)
        create_pr = request.query.get("create_pr") == "1"
        if not create_pr and revision not in repo.branches and revision not in repo.pulls:
            raise HubError(400, f"Cannot commit to {revision}: not a branch")
        expected = header.get("parentCommit")
        if expected and not base.id.startswith(expected):
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        tree = dict(base.tree)
        for line in lines:
            self._apply(line["key"], line["value"], tree, base)
        ref = f"refs/pr/{len(repo.pulls) + 1}" if create_pr else revision
        commit = self.store.commit(
            repo,
            ref,
            tree,
            author=identity.user.name,
            title=header["summary"],
            message=header.get("description", ""),
            parent=base.id,
        )
        answer = {
            "success": True,
            "commitOid": commit.id,
            "commitUrl": f"{self.endpoint}/{repo.url_path}/commit/{commit.id}",
            "hookOutput": "",
        }
        if create_pr:
            answer["pullRequestUrl"] = f"{self.endpoint}/{repo.url_path}/discussions/{len(repo.pulls)}"
        return web.json_response(answer)

    def _apply(self, key: str, value: dict, tree: dict[str, Entry], base: Commit) -> None:
        if key == "header":
            return
        path = value["path"]
        if path.startswith("/") or any(part in ("", ".", "..", ".git") for part in path.rstrip("/").split("/")):
            raise HubError(400, f"Invalid path: {path!r}")
        if key == "file":
            data = (
                base64.b64decode(value["content"]) if value.get("encoding") == "base64" else value["content"].encode()
            )
            entry = self._regular_entry(data)
        elif key == "lfsFile":
            blob = self.store.blob(value["oid"])
            if not re.fullmatch(r"[0-9a-f]{64}", value["oid"]) or not blob.exists():
                raise HubError(400, f'LFS pointer pointed to a file that does not exist: "{path}"')
            size = blob.stat().st_size
            pointer = LFS_POINTER.format(oid=value["oid"], size=size).encode()
            entry = Entry(value["oid"], size, git_blob_oid(pointer), lfs=True)
        elif key == "deletedFile":
            if tree.pop(path, None) is None:
                raise HubError(404, f'A file with this name doesn\'t exist: "{path}"', "EntryNotFound")
            return
        elif key == "deletedFolder":
            doomed = [name for name in tree if name.startswith(path.rstrip("/") + "/")]
            if not doomed:
                raise HubError(404, f'A file with this name doesn\'t exist: "{path}"', "EntryNotFound")
            for name in doomed:
                del tree[name]
            return
        else:
            raise HubError(400, f"Unknown operation in commit: {key}")
        known = base.tree.get(path)
        tree[path] = known if known and known.git_oid == entry.git_oid else entry

    def _regular_entry(self, data: bytes) -> Entry:
        return Entry(self.store.put_blob(data), len(data), git_blob_oid(data), lfs=False)

    # ---- LFS: the batch call goes to the Hub, the bytes to the storage host

    @route("POST", rf"{_WEB}\.git/info/lfs/objects/batch")
    async def lfs_batch(self, request: web.Request, kind: str | None, repo_id: str) -> web.Response:
        body = await request.json()
        upload = body["operation"] == "upload"
        self.repo(request, kind, repo_id, write=upload, content=not upload)
        multipart = "multipart" in body.get("transfers", [])
        objects = []
        for item in body["objects"]:
            oid, size = item["oid"], int(item["size"])
            if not re.fullmatch(r"[0-9a-f]{64}", oid):
                raise HubError(422, f"Invalid oid: {oid!r}")
            answer: dict = {"oid": oid, "size": size, "authenticated": True}
            exists = self.store.blob(oid).exists()
            if not upload and not exists:
                answer["error"] = {"code": 404, "message": "Object does not exist"}
            elif not upload:
                answer["actions"] = {"download": {"href": self._signed(f"/storage/{oid}")}}
            elif not exists:
                answer["actions"] = self._upload_actions(oid, size, multipart)
            objects.append(answer)
        chosen = (
            "multipart"
            if any("chunk_size" in o.get("actions", {}).get("upload", {}).get("header", {}) for o in objects)
            else "basic"
        )
        return web.json_response({"transfer": chosen, "objects": objects}, content_type="application/vnd.git-lfs+json")

    def _upload_actions(self, oid: str, size: int, multipart: bool) -> dict:
        verify = {"href": f"{self.endpoint}/_lfs/{oid}/verify"}
        if not multipart or size <= self.lfs_multipart_chunk:
            return {"upload": {"href": self._signed(f"/storage/{oid}")}, "verify": verify}
        upload_id = secrets.token_hex(8)
        count = -(-size // self.lfs_multipart_chunk)
        header = {str(n): self._signed(f"/storage/{oid}/{upload_id}/{n}") for n in range(1, count + 1)}
        header["chunk_size"] = str(self.lfs_multipart_chunk)
        complete = self._signed(f"/_lfs/{oid}/{upload_id}/complete", host=self.endpoint)
        return {"upload": {"href": complete, "header": header}, "verify": verify}

    @route("PUT", r"/storage/(?P<oid>[0-9a-f]{64})")
    async def storage_put(self, request: web.Request, oid: str) -> web.Response:
        self._check_signature(request)
        temporary = await self._receive(request)
        try:
            return self._keep(oid, [temporary])
        finally:
            temporary.unlink(missing_ok=True)

    @route("PUT", r"/storage/(?P<oid>[0-9a-f]{64})/(?P<upload_id>[0-9a-f]+)/(?P<number>\d+)")
    async def storage_put_part(self, request: web.Request, oid: str, upload_id: str, number: str) -> web.Response:
        self._check_signature(request)
        temporary = await self._receive(request)
        etag = hashlib.md5(temporary.read_bytes()).hexdigest()
        temporary.replace(self.store.parts / f"{upload_id}.{int(number)}.{etag}")
        return web.Response(headers={"ETag": f'"{etag}"'})

    @route("POST", r"/_lfs/(?P<oid>[0-9a-f]{64})/(?P<upload_id>[0-9a-f]+)/complete")
    async def lfs_complete(self, request: web.Request, oid: str, upload_id: str) -> web.Response:
        self._check_signature(request)
        parts = [
            self.store.parts / f"{upload_id}.{int(part['partNumber'])}.{part['etag'].strip(chr(34))}"
            for part in (await request.json())["parts"]
        ]
        if not all(part.exists() for part in parts):
            raise HubError(400, "A part is missing")
        response = self._keep(oid, parts)
        for part in parts:
            part.unlink(missing_ok=True)
        return response

    @route("POST", r"/_lfs/(?P<oid>[0-9a-f]{64})/verify")
    async def lfs_verify(self, request: web.Request, oid: str) -> web.Response:
        self.identity(request, required=True)
        size = int((await request.json())["size"])
        blob = self.store.blob(oid)
        if not blob.exists() or blob.stat().st_size != size:
            raise HubError(404, "Object not found or of another size")
        return web.json_response({"message": "Verified"})

    async def _receive(self, request: web.Request) -> Path:
        path = self.store.parts / f"{secrets.token_hex(8)}.incoming"
        with path.open("wb") as file:
            async for chunk in request.content.iter_chunked(1 << 20):
                file.write(chunk)
        return path

    def _keep(self, oid: str, parts: list[Path]) -> web.Response:
        digest = hashlib.sha256()
        temporary = self.store.parts / f"{secrets.token_hex(8)}.joined"
        with temporary.open("wb") as target:
            for part in parts:
                data = part.read_bytes()
                digest.update(data)
                target.write(data)
        if digest.hexdigest() != oid:
            temporary.unlink()
            raise HubError(400, "The content does not have the announced sha256")
        temporary.replace(self.store.blob(oid))
        return web.Response(headers={"ETag": f'"{oid}"'})

    # ---- reading files

    @route("GET", rf"{_WEB}/(?:resolve|raw)/{_REV}/(?P<path>.+)")
    async def resolve(
        self, request: web.Request, kind: str | None, repo_id: str, revision: str, path: str
    ) -> web.StreamResponse:
        repo = self.repo(request, kind, repo_id, content=True)
        commit = self.commit_at(repo, revision)
        entry = commit.tree.get(path)
        if entry is None:
            raise HubError(404, "Entry not found", "EntryNotFound", X_Repo_Commit=commit.id)
        headers = {
            "X-Repo-Commit": commit.id,
            "Content-Disposition": f"inline; filename*=UTF-8''{quote(path)}",
            "Access-Control-Expose-Headers": "X-Repo-Commit,X-Linked-Size,X-Linked-Etag,ETag,Link",
        }
        if entry.lfs:
            headers |= {
                "Location": self._signed(f"/storage/{entry.sha256}"),
                "X-Linked-Size": str(entry.size),
                "X-Linked-Etag": f'"{entry.sha256}"',
            }
            return web.Response(status=302, headers=headers, text="Found. Redirecting to the storage host")
        headers["ETag"] = f'"{entry.git_oid}"'
        return await self._send(request, entry.sha256, headers)

    @route("GET", r"/storage/(?P<oid>[0-9a-f]{64})")
    async def storage_get(self, request: web.Request, oid: str) -> web.StreamResponse:
        self._check_signature(request)
        if not self.store.blob(oid).exists():
            raise HubError(404, "No such object")
        return await self._send(request, oid, {"ETag": f'"{oid}"'})

    async def _send(self, request: web.Request, sha256: str, headers: dict[str, str]) -> web.StreamResponse:
        blob = self.store.blob(sha256)
        size = blob.stat().st_size
        start, stop, status = 0, size, 200
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
        if wanted and any(wanted.groups()):
            first, last = wanted.groups()
            start = int(first) if first else max(0, size - int(last))
            stop = min(size, int(last) + 1) if first and last else size
            if start >= size or start >= stop:
                return web.Response(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
            status, headers = 206, {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
        response = web.StreamResponse(
            status=status,
            headers={
                **headers,
                "Accept-Ranges": "bytes",
                "Content-Length": str(stop - start),
                "Content-Type": "application/octet-stream",
            },
        )
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        if id(request) in self._truncated:
            stop = start + (stop - start) // 2
        with blob.open("rb") as file:
            file.seek(start)
            while start < stop:
                chunk = file.read(min(1 << 20, stop - start))
                start += len(chunk)
                await response.write(chunk)
        if id(request) in self._truncated and request.transport is not None:
            await asyncio.sleep(0.05)  # let what was written leave first
            request.transport.abort()
            return response
        await response.write_eof()
        return response

    # ---- absent services: a clear answer rather than a guess

    @route("GET", rf"{_API}/xet-(?:read|write)-token/{_REV}")
    async def xet_token(self, request: web.Request, kind: str, repo_id: str, revision: str) -> web.Response:
        raise HubError(501, "This local Hub has no Xet storage: set HF_HUB_DISABLE_XET=1")

    # ---- control: for tests only

    @route("POST", r"/_hub/faults")
    async def control_add_fault(self, request: web.Request) -> web.Response:
        self.faults.append(Fault(**await request.json()))
        return web.json_response({"faults": [asdict(f) for f in self.faults]})

    @route("GET", r"/_hub/faults")
    async def control_faults(self, request: web.Request) -> web.Response:
        return web.json_response({"faults": [asdict(f) for f in self.faults]})

    @route("DELETE", r"/_hub/faults")
    async def control_clear_faults(self, request: web.Request) -> web.Response:
        self.faults.clear()
        return web.json_response({})

    @route("GET", r"/_hub/requests")
    async def control_requests(self, request: web.Request) -> web.Response:
        return web.json_response({"requests": list(self.requests)})

    @route("DELETE", r"/_hub/requests")
    async def control_clear_requests(self, request: web.Request) -> web.Response:
        self.requests.clear()
        return web.json_response({})

    # ---- helpers

    def _signed(self, path: str, host: str | None = None) -> str:
        expires = str(int(time.time()) + 3600)
        query = urlencode({"expires": expires, "signature": self._signature(path, expires)})
        return f"{self.storage_endpoint if host is None else host}{path}?{query}"

    def _signature(self, path: str, expires: str) -> str:
        return hmac.new(self._signing_key, f"{path}|{expires}".encode(), "sha256").hexdigest()

    def _check_signature(self, request: web.Request) -> None:
        expires, given = request.query.get("expires", ""), request.query.get("signature", "")
        if not hmac.compare_digest(given, self._signature(request.path, expires)) or float(expires) < time.time():
            raise HubError(403, "The signature is wrong or has expired")

    def _page(self, request: web.Request, items: list[dict], size: int) -> web.Response:
        start = int(request.query.get("cursor", 0))
        headers = {}
        if start + size < len(items):
            query = [(k, v) for k, v in request.query.items() if k != "cursor"] + [("cursor", str(start + size))]
            headers["Link"] = f'<{self.endpoint}{request.rel_url.raw_path}?{urlencode(query)}>; rel="next"'
        return web.json_response(items[start : start + size], headers=headers)

    @staticmethod
    def _directory_info(path: str) -> dict:
        return {"type": "directory", "oid": hashlib.sha1(f"tree {path}".encode()).hexdigest(), "size": 0, "path": path}

    @staticmethod
    def _path_info(repo: Repo, path: str, entry: Entry, expand: bool) -> dict:
        info = entry.as_json(path)
        if expand and entry.commit in repo.commits:
            last = repo.commits[entry.commit]
            info["lastCommit"] = {"id": last.id, "title": last.title, "date": last.date}
        return info

    def _repo_info(self, repo: Repo, commit: Commit, blobs: bool = False) -> dict:
        card = self._read(commit, "README.md", header_json)
        siblings = []
        for path, entry in sorted(commit.tree.items()):
            sibling: dict = {"rfilename": path}
            if blobs:
                sibling |= {"size": entry.size, "blobId": entry.git_oid}
                if entry.lfs:
                    sibling["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
            siblings.append(sibling)
        tags = list(card.get("tags") or [])
        for key in ("license", "language"):
            values = card.get(key) or []
            tags += [f"{key}:{value}" for value in ([values] if isinstance(values, str) else values)]
        info = {
            "_id": git_blob_oid(repo.id.encode())[:24],
            "id": repo.id,
            "author": repo.namespace,
            "sha": commit.id,
            "createdAt": repo.created_at,
            "lastModified": commit.date,
            "private": repo.private,
            "gated": repo.gated,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": tags,
            "cardData": card,
            "siblings": siblings,
            "usedStorage": sum(entry.size for entry in commit.tree.values()),
        }
        if repo.kind == "model":
            config = self._read(commit, "config.json", json.loads)
            info |= {
                "modelId": repo.id,
                "config": config,
                "library_name": card.get("library_name"),
                "pipeline_tag": card.get("pipeline_tag"),
            }
        return info

    def _read(self, commit: Commit, path: str, parse: Callable[[str], Any]) -> dict:
        if path not in commit.tree:
            return {}
        try:
            data = parse(self.store.blob(commit.tree[path].sha256).read_text())
        except (ValueError, yaml.YAMLError):
            return {}
        return json.loads(json.dumps(data, default=str)) if isinstance(data, dict) else {}


def _matches(path: str, patterns: list[str]) -> bool:
    """Whether a .gitignore or .gitattributes pattern names the path (the common forms, not the whole syntax)."""
    for pattern in (p.strip() for p in patterns):
        if not pattern or pattern.startswith("#"):
            continue
        anchored = "/" in pattern.rstrip("/")
        bare = pattern.strip("/").replace("**/", "*")
        candidates = [path] if anchored else path.split("/")[:-1] if pattern.endswith("/") else path.split("/")
        if any(fnmatch.fnmatchcase(c, bare) or (anchored and fnmatch.fnmatchcase(c, bare + "/*")) for c in candidates):
            return True
    return False


# --------------------------------------------------------------------------------------------------------------
# Running it


class LocalHub:
    """The server in a thread of this process. ``hub.env()`` is what a client process must have set."""

    TOKEN = "hf_local_write"

    def __init__(
        self,
        root: str | Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        users: dict[str, User] | None = None,
        **options: Any,
    ) -> None:
        self._own_root = tempfile.TemporaryDirectory(prefix="local-hub-") if root is None else None
        self.root = Path(self._own_root.name if self._own_root else str(root))
        alice = User("alice", ("story-org",))
        self.tokens = {
            self.TOKEN: Identity(alice, "write"),
            "hf_local_read": Identity(alice, "read"),
            "hf_local_other": Identity(User("bob"), "write"),
        }
        for token, user in (users or {}).items():
            self.tokens[token] = Identity(user, "write")
        self.app = HubApp(Store(self.root), self.tokens, **options)
        self._host, self._port = host, port
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None

    # -- life cycle

    def start(self) -> LocalHub:
        ready: threading.Event = threading.Event()
        failure: list[BaseException] = []

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            try:
                self._loop.run_until_complete(self._listen())
            except BaseException as error:
                failure.append(error)
                return
            finally:
                ready.set()
            self._loop.run_forever()

        self._thread = threading.Thread(target=run, name="local-hub", daemon=True)
        self._thread.start()
        ready.wait()
        if failure:
            raise failure[0]
        return self

    async def _listen(self) -> None:
        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{tail:.*}", self.app.dispatch)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        for port in (self._port, 0):  # the Hub itself, and its storage host
            await web.TCPSite(self._runner, self._host, port).start()
        (_, hub_port), (_, storage_port) = (address[:2] for address in self._runner.addresses)
        self.app.endpoint = f"http://{self._host}:{hub_port}"
        self.app.storage_endpoint = f"http://{self._host}:{storage_port}"

    def stop(self) -> None:
        if self._thread is None:
            return
        assert self._runner is not None
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._thread = None
        self._loop.close()
        if self._own_root:
            self._own_root.cleanup()

    def __enter__(self) -> LocalHub:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- for tests

    @property
    def endpoint(self) -> str:
        return self.app.endpoint

    def env(self, hf_home: str | Path | None = None, token: str | None = TOKEN) -> dict[str, str]:
        env = {
            "HF_ENDPOINT": self.endpoint,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }
        if token:
            env["HF_TOKEN"] = token
        if hf_home is not None:
            env["HF_HOME"] = str(hf_home)
        return env

    def inject_fault(self, **fault: Any) -> Fault:
        """See :class:`Fault` for the fields."""
        self.app.faults.append(Fault(**fault))
        return self.app.faults[-1]

    def clear_faults(self) -> None:
        self.app.faults.clear()

    def requests(self, match: str = ".*") -> list[dict]:
        return [r for r in list(self.app.requests) if re.search(match, f"{r['method']} {r['path']}")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--root", default=None, help="where to keep the data (default: a temporary folder)")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="JSON", help='e.g. \'{"status":429,"every":7}\''
    )
    arguments = parser.parse_args()
    hub = LocalHub(arguments.root, host=arguments.host, port=arguments.port)
    for fault in arguments.fault:
        hub.inject_fault(**json.loads(fault))
    with hub:
        for name, value in hub.env().items():
            print(f"export {name}={value}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
