"""Secrets: what counts as one, and `mask`, which every text goes through before it is written, printed or published.

A secret is known by the name of its key or variable (`is_secret_name`), by its shape (`SHAPES`), or because it was remembered:
a recipe is given to `remember` where it is read, so that the values of its secret keys, of the environment variables it names and of the
addresses in it are masked wherever they turn up later: in a server's answer, an exception, a card. Imports nothing heavy.
"""

from __future__ import annotations

import base64
import difflib
import functools
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

MASK = "********"
SHAPES = [
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?s:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)",
        r"hf_(?<!\whf_)[A-Za-z0-9]{30,}",
        r"sk-(?<!\wsk-)(?=[\w-]*\d)[\w-]{20,}",  # OpenAI, Anthropic, OpenRouter …
        r"sk_(?<!\wsk_)(?=\w*\d)\w{20,}",
        r"gsk_(?<!\wgsk_)\w{20,}",  # Groq
        r"AKIA(?<!\wAKIA)[0-9A-Z]{16}\b",  # AWS
        r"ASIA(?<!\wASIA)[0-9A-Z]{16}\b",
        r"AIza[0-9A-Za-z_-]{35}",  # Google
        r"gh[pousr]_[A-Za-z0-9]{36}",
        r"github_pat_\w{30,}",
        r"glpat-[\w-]{20,}",
        r"xox[abeoprs]-[\w-]{10,}",  # Slack
        r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",  # JSON Web Token
        r"(earer )(?=[^\s\"']*\d)[A-Za-z0-9._~+/-]{16,}=*",
        r"(asic )(?=[^\s\"']*\d)[A-Za-z0-9+/]{16,}=*",
    )
]
"""Texts that are a secret by their form alone (a group is what stands before it). Each begins with letters as they are, not with a `\\b`:
so `re` looks for them at a gigabyte a second."""
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
ALWAYS = frozenset([
    "apikey", "authorization", "auth", "bearer", "cookie", "cred", "creds", "credential", "credentials", "jwt", "passphrase", "passwd",
    "password", "pwd", "secret", "secrets",
])  # fmt: skip
"""A name with one of these words is a secret's."""
LAST = frozenset(["token", "key", "pass", "pat", "sas"])
"""So is one that ends with one of these …"""
HARMLESS = frozenset([
    "answer", "bos", "cache", "cls", "column", "completion", "decoder", "dict", "end", "eos", "foreign", "group", "image", "index", "label",
    "map", "mask", "messages", "metric", "new", "pad", "per", "primary", "prompt", "public", "sep", "sort", "special", "start", "stop", "text",
    "think", "unk",
])  # fmt: skip
"""… but not after one of these: `eos_token`, `text_key`."""
MISTYPED = ("apikey", "accesstoken", "authtoken", "authorization", "credentials", "password", "secretkey")
QUERY_NAMES = frozenset(["key", "code", "sig", "signature", "k"])
"""Query parameters that are secret beside those with a secret name."""
SENT = frozenset(["headers", "extra_headers", "default_headers", "query", "extra_query"])
"""Mappings of a recipe that are sent along as they are: what is in them is secret …"""
SENT_OPENLY = frozenset([
    "accept", "api-version", "anthropic-version", "content-type", "http-referer", "user-agent", "x-title", "version",
])  # fmt: skip
"""… but for these."""
NO_SECRETS = frozenset([
    "dummy", "empty", "fake", "key", "lm-studio", "local", "no-key", "none", "not-needed", "null", "ollama", "sk-no-key-required", "test",
    "token", "true", "false", "vllm", "xxx",
])  # fmt: skip
"""What people write where a key is asked for and none is needed."""
ENV_REFERENCE = re.compile(r"oc\.env:\s*([A-Za-z_]\w*)")
USER_INFO = re.compile(r"(?<=://)[^\s/?#'\"<>`]*@")
QUERY_VALUE = re.compile(r"(?<=[?&;#])([\w.-]+)=([^&;#\s'\"<>`]+)")
RANDOM = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9_+=]{20,}")
SHORTEST = 4
"""Characters of the shortest text that is masked inside other text; a shorter one only as the value of its key."""

_remembered: set[str] = set()
_declared: set[str] = set()


def is_secret_name(name: str) -> bool:
    """Whether a key, a header, a query parameter or an environment variable of this name holds a secret."""
    return name in _declared or _names_a_secret(name)


@functools.cache
def _names_a_secret(name: str) -> bool:
    words = [word.lower() for word in WORDS.findall(name)]
    if not words:
        return False
    if ALWAYS.intersection(words):
        return True
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    last = last if last in LAST else last.removesuffix("s")
    if last in LAST and before not in HARMLESS and (before or last == "token"):
        return last == words[-1] or before in ("api", "access", "private")  # not max_tokens, sort_keys
    return bool(difflib.get_close_matches("".join(words), MISTYPED, n=1, cutoff=0.8))


def declare(name: str) -> None:
    """A component's config has a field of this name with `metadata={"secret": True}`: it is a secret's."""
    _declared.add(name)


def remember(value: Any, key: str = "", *, secret: bool = False) -> None:
    """Keep the secrets in a recipe's values, so that `mask` finds them in any text.

    Args:
        value: plain Python as YAML gives it, interpolations resolved or not.
        key: the key that it is the value of.
        secret: it is one, whatever its key.
    """
    secret = secret or (bool(key) and is_secret_name(key))
    if isinstance(value, Mapping):
        for name, inner in value.items():
            remember(inner, str(name), secret=secret or _is_sent_secretly(key, str(name)))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            remember(inner, key, secret=secret)
    elif isinstance(value, str):
        for name in ENV_REFERENCE.findall(value):
            given = os.environ.get(name, "").strip()
            if is_secret_name(name) or any(shape.search(given) for shape in SHAPES) or RANDOM.fullmatch(given):
                _keep(given)
            _keep_address(given)
        if secret and "${" not in value:
            _keep(value.strip())
        _keep_address(value)
    elif secret and value is not None and not isinstance(value, bool):
        _keep(str(value))


def mask(value: Any, key: str = "", *, loosely: bool = False) -> Any:
    """`value` without its secrets: plain Python as a recipe has it, or any text.

    Args:
        key: the key that it is the value of.
        loosely: also mask what was remembered but might be a word or number of its own (`rabbit`, `123456`): for messages,
            where a masked word too many does no harm.
    """
    if value is None or isinstance(value, bool) or value == "":
        return value
    if key and is_secret_name(key):
        return MASK
    if isinstance(value, Mapping):
        shown = {k: mask(v, str(k), loosely=loosely) for k, v in value.items()}
        return {k: MASK if _is_sent_secretly(key, str(k)) else v for k, v in shown.items()}
    if isinstance(value, (list, tuple)):
        return [mask(v, key, loosely=loosely) for v in value]
    if not isinstance(value, str):
        return value
    for secret in known_secrets(loosely=loosely):
        for form in forms_of(secret):
            if form in value:
                alone = "(?<![A-Za-z0-9])%s(?![A-Za-z0-9])" if len(form) < 8 else "%s"  # where it is short
                value = re.sub(alone % re.escape(form), MASK, value)
    value = USER_INFO.sub("", value)
    value = QUERY_VALUE.sub(lambda found: f"{found[1]}={MASK}" if _is_query_secret(found[1]) else found[0], value)
    for shape in SHAPES:
        value = shape.sub(lambda found: (found[1] if found.re.groups else "") + MASK, value)
    return value


def known_secrets(*, loosely: bool = False) -> list[str]:
    """Remembered secrets, and those of the environment (by the names of its variables), the longest first."""
    found = {secret for secret in _remembered if loosely or _unmistakable(secret)}
    for name, secret in os.environ.items():
        if len(secret) >= 8 and is_secret_name(name) and _unmistakable(secret) and not _is_path(secret):
            found.add(secret)
    return sorted(found, key=len, reverse=True)


def forms_of(secret: str) -> Iterator[str]:
    """A secret as it is, and as URLs, JSON and basic authentication write it."""
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    forms = [secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]]
    yield from dict.fromkeys([*forms, encoded] if len(encoded) >= 8 else forms)


def _keep(secret: str) -> None:
    if len(secret) >= SHORTEST and secret.lower() not in NO_SECRETS and secret != MASK:
        _remembered.add(secret)
        if "\n" in secret:  # a PEM key may be shown line by line
            _remembered.update(line for line in map(str.strip, secret.splitlines()) if len(line) >= 16)


def _keep_address(text: str) -> None:
    """Remember what an address gives away."""
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return
    user_info = parts.netloc.rpartition("@")[0]
    user, _, password = user_info.partition(":")
    for secret in (user_info, password or user):  # https://TOKEN@host
        _keep(secret)
        _keep(unquote(secret))
    for name, secret in [*parse_qsl(parts.query), *parse_qsl(parts.fragment)]:
        if _is_query_secret(name):
            _keep(secret)


def _is_query_secret(name: str) -> bool:
    return is_secret_name(name) or name.lower() in QUERY_NAMES


def _is_sent_secretly(key: str, name: str) -> bool:
    return key.lower() in SENT and name.lower().replace("_", "-") not in SENT_OPENLY


def _unmistakable(secret: str) -> bool:
    """Whether nothing else is likely to read the same: not a word of a story, not a number."""
    word_or_number = secret.isdigit() or (secret.isalpha() and secret[1:].islower())
    return len(secret) >= (12 if word_or_number else 6)


def _is_path(text: str) -> bool:
    try:
        return text.startswith("/") and Path(text).exists()
    except OSError:
        return False
