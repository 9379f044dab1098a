"""What the stand-in for the Hub keeps in memory: users, repositories with their commits, and the faults asked for."""

import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web


class HubError(Exception):
    """An error in the shape of huggingface.co's."""

    def __init__(self, status: int, message: str, code: str | None = None, **more: str) -> None:
        super().__init__(message)
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self.response = web.json_response({"error": message, **more}, status=status, headers=headers)


@dataclass
class Fault:
    """Misbehaviour asked for by a test: matching requests go wrong, `times` times."""

    match: str
    """Searched in "METHOD /path?query"."""
    status: int = 503
    lost: bool = False
    """The request takes effect, and only its answer is lost, with the connection."""
    times: int = 1
    fired: int = 0

    def fires(self, line: str) -> bool:
        fires = self.fired < self.times and bool(re.search(self.match, line))
        self.fired += fires
        return fires


@dataclass(frozen=True)
class User:
    name: str
    orgs: tuple[str, ...] = ()
    role: str = "write"
    """What the token may do."""

    def owns(self, namespace: str) -> bool:
        return namespace in (self.name, *self.orgs)


@dataclass(frozen=True)
class Entry:
    """A file of a commit."""

    sha256: str
    size: int
    lfs: bool
    git_oid: str

    def as_json(self, path: str) -> dict[str, Any]:
        lfs = {"oid": self.sha256, "sha256": self.sha256, "size": self.size, "pointerSize": 130}
        info = {"type": "file", "path": path, "oid": self.git_oid, "blobId": self.git_oid, "size": self.size}
        return {**info, "rfilename": path} | ({"lfs": lfs} if self.lfs else {})


@dataclass(frozen=True)
class Commit:
    id: str
    parent: str | None
    title: str
    date: str
    tree: dict[str, Entry]


@dataclass
class Repo:
    kind: str
    id: str
    private: bool
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.id.partition("/")[0]

    @property
    def path(self) -> str:
        """In addresses for people."""
        return self.id if self.kind == "model" else f"{self.kind}s/{self.id}"

    def at(self, revision: str) -> Commit:
        """The commit of a branch or of its id's beginning."""
        oid = self.branches.get(revision.removeprefix("refs/heads/"))
        if oid is None and re.fullmatch(r"[0-9a-f]{7,40}", revision):
            oid = next((known for known in self.commits if known.startswith(revision)), None)
        if oid is None:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[oid]

    def history(self, revision: str = "main") -> list[Commit]:
        """The newest first."""
        commits = [self.at(revision)]
        while commits[-1].parent:
            commits.append(self.commits[commits[-1].parent])
        return commits

    def add(self, branch: str, title: str, tree: dict[str, Entry], parent: str | None = None) -> Commit:
        date = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        commit = Commit(secrets.token_hex(20), parent, title, date, tree)
        self.commits[commit.id], self.branches[branch] = commit, commit.id
        return commit


def git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def header_of(card: str) -> dict[str, Any]:
    """The YAML at a card's head."""
    match = re.match(r"\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", card, re.DOTALL)
    return (yaml.safe_load(match[1]) if match else None) or {}


def listing(tree: dict[str, Entry], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All files below a prefix, and the folders that they are in, as the Hub lists them."""
    for path, entry in tree.items():
        if path.startswith(prefix):
            yield path, entry.as_json(path)
            for folder in list(Path(path).parents)[:-1]:
                if (name := folder.as_posix()).startswith(prefix):
                    yield name, {"type": "directory", "oid": git_oid(name.encode()), "path": name}
