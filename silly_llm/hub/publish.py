"""Publishing on the Hugging Face Hub: a dataset or model folder goes up in one commit, with its card.

`silly-llm publish FOLDER NAMESPACE/NAME` does it by hand, `push_to_hub: true` in a recipe at the end of a phase. Only
what phases write goes up (`contents.PUBLISHED`), all else is named and left here; nothing goes up that contains a secret.
The commit names its parent, so a lost answer is told from a lost request, and nothing is committed twice.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm import __version__
from silly_llm.core.console.streams import is_main_process
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.launch import Parser, run_main
from silly_llm.core.masking import remember
from silly_llm.hub.cards import PLACEHOLDER, dataset_card, model_card, write_card
from silly_llm.hub.contents import files_of, kind_of, left_of, read_card, refuse_code, refuse_secrets, unfinished

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Push", "check_push", "dataset_card", "model_card", "publish", "push_if_asked", "write_card"]

REPLACED = {"dataset": ("data/*.parquet",), "model": ("*.safetensors", "*.safetensors.index.json")}
"""What an earlier version may have left in the repository and would be loaded beside the new: removed in the commit."""
ATTEMPTS = 4
TOKEN_HELP = "make one that may write at https://huggingface.co/settings/tokens and set HF_TOKEN, or `hf auth login`"


@dataclass(frozen=True)
class Push:
    """Where a phase publishes its folder when it is done."""

    repo_id: str
    private: bool = False
    revision: str | None = None


def check_push(args: Any) -> Push | None:
    """To be called before a phase starts work: can it publish what it will make?

    Reads the standard keys: `push_to_hub` with `hub_dataset_id`, `hub_private` (datasets) or `hub_model_id`,
    `hub_private_repo`, `hub_revision` (`TrainingArguments`). One push at the end is ours, checkpoints stay here; so
    `args.push_to_hub` is switched **off** for the Trainer, and what was asked for is remembered for `push_if_asked`.

    Raises:
        RecipeError: no repository named, no token, a token in the recipe, or a key by which the Trainer would push on its own.
        RunError: the Hub does not know the token, or cannot be reached.
    """
    asked: Push | None = getattr(args, "_push", None)
    if getattr(args, "hub_token", None):
        raise RecipeError("hub_token: a recipe is no place for a secret; set HF_TOKEN instead")
    if asked or not args.push_to_hub:
        return asked
    if getattr(args, "hub_always_push", False) or getattr(args, "hub_strategy", "end") not in ("every_save", "end"):
        raise RecipeError(
            "hub_strategy, hub_always_push: a training is pushed once, at its end, by push_to_hub alone; leave them out"
        )
    key = "hub_model_id" if hasattr(args, "hub_model_id") else "hub_dataset_id"
    repo_id = getattr(args, key)
    if not repo_id:
        raise RecipeError(f"push_to_hub: say where with {key}: NAMESPACE/NAME")
    private = getattr(args, "hub_private_repo" if key == "hub_model_id" else "hub_private", None)
    asked = Push(repo_id, bool(private), getattr(args, "hub_revision", None))
    token = _token()
    if is_main_process():
        with _one_line(repo_id):
            from huggingface_hub.utils import validate_repo_id

            validate_repo_id(repo_id)
            _api(token).whoami()
    args.push_to_hub = False
    args._push = asked
    return asked


def push_if_asked(args: Any, folder: str | Path) -> str | None:
    """To be called when a phase is done, **after** its `open_output` block, also when the folder was up to date (an
    earlier push may have failed): publishes the folder if the recipe says `push_to_hub: true`. Only rank 0 does.

    Returns:
        The address, `None` when nothing was asked for.
    """
    asked = check_push(args)
    if asked is None or not is_main_process():
        return None
    url = publish(folder, asked.repo_id, private=asked.private, revision=asked.revision)
    print(f"published: {url}")
    return url


def publish(
    folder: str | Path,
    repo_id: str,
    *,
    repo_type: str | None = None,
    private: bool = False,
    revision: str | None = None,
    commit_message: str | None = None,
    include: Sequence[str] = (),
    allow: Sequence[str] = (),
) -> str:
    """Upload a dataset or model folder to the Hub in one commit; an unchanged one makes none.

    Args:
        folder: what a phase left (or any folder of that form).
        repo_id: `NAMESPACE/NAME`; made when missing. The card's placeholder becomes this name.
        repo_type: `dataset` or `model`; default: by what is in the folder.
        private: make it a private repository; refused when it exists and is public.
        revision: the branch, made when missing; default: `main`.
        include: globs of files that go up besides what phases write.
        allow: kinds of secrets, as a refusal named them, that are none here.

    Raises:
        RecipeError: the folder is neither dataset nor model, its card is wrong, it needs code, a file holds a secret, or there is no token.
        RunError: the Hub refuses, or cannot be reached.
    """
    folder = Path(folder)
    repo_type = repo_type or kind_of(folder)
    files = files_of(folder, repo_type, include)
    if not any(name.endswith((".parquet", ".safetensors")) for name in files):
        raise RecipeError(f"{folder}: its data or weights are links to elsewhere; publish a copy")
    refuse_code(folder, files)
    card = read_card(folder, repo_type, files)
    token = _token()
    refuse_secrets(folder, files, token, allow)
    if left := left_of(folder, files):
        print(left)
    with _one_line(repo_id):
        api = _api(token)
        created = api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True)
        repo_id = created.repo_id
        if private and not api.repo_info(repo_id, repo_type=repo_type).private:
            raise RunError(f"{repo_id} exists and is public; make it private on the Hub, or publish without --private")
        if revision:
            api.create_branch(repo_id, branch=revision, repo_type=repo_type, exist_ok=True)
        contents: dict[str, Path | bytes] = {name: folder / name for name in files}
        if card is not None:
            contents["README.md"] = card.replace(PLACEHOLDER, repo_id).encode()
        message = commit_message or f"Publish {repo_type} with Silly LLM {__version__}"
        _commit(api, repo_id, repo_type, revision, contents, message)
    return f"{created}/tree/{revision}" if revision else str(created)


def main(argv: list[str] | None = None) -> None:
    """`silly-llm publish`."""
    parser = Parser(
        prog="silly-llm publish",
        description="Upload a dataset or model folder to the Hugging Face Hub, with its card.",
    )
    parser.add_argument("folder", type=Path, help="a dataset folder (data/*.parquet) or a model folder")
    parser.add_argument("repo_id", metavar="NAMESPACE/NAME", help="the repository; made when missing")
    parser.add_argument("--private", action="store_true", help="make it a private repository")
    parser.add_argument("--repo_type", "--repo-type", choices=["dataset", "model"], help="default: by the folder")
    parser.add_argument("--revision", help="the branch, made when missing (default: main)")
    parser.add_argument("--commit_message", "--commit-message", help="what the commit says")
    parser.add_argument(
        "--include", action="append", default=[], metavar="GLOB", help="files that go up besides what phases write"
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="KIND",
        help="a kind of secret that a refusal named and that is none",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(argv)
    kind = args.repo_type or kind_of(args.folder)
    if unfinished(args.folder):
        raise RecipeError(f"{args.folder}: the phase that makes it has not finished; run it again to continue")
    url = publish(
        args.folder,
        args.repo_id,
        repo_type=kind,
        private=args.private,
        revision=args.revision,
        commit_message=args.commit_message,
        include=args.include,
        allow=args.allow,
    )
    call = 'load_dataset("{}")' if kind == "dataset" else 'pipeline("text-generation", model="{}")'
    print(f"published: {url}\nload it with: {call.format(args.repo_id)}")


def _commit(
    api: HfApi, repo_id: str, repo_type: str, revision: str | None, contents: dict[str, Path | bytes], message: str
) -> None:
    """One commit. The client does not repeat it after a server error: whether it happened shows in the branch's head."""
    from httpx2 import TransportError
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete
    from huggingface_hub.errors import HfHubHTTPError

    head = api.repo_info(repo_id, repo_type=repo_type, revision=revision).sha
    there = api.list_repo_files(repo_id, repo_type=repo_type, revision=revision)
    stale = [
        name
        for name in there
        if name not in contents and any(fnmatch.fnmatch(name, old) for old in REPLACED[repo_type])
    ]
    for attempt in range(1, ATTEMPTS + 1):
        operations: list[Any] = [CommitOperationAdd(name, source) for name, source in contents.items()]
        operations += [CommitOperationDelete(name, is_folder=False) for name in stale]
        try:
            api.create_commit(
                repo_id, operations, commit_message=message, repo_type=repo_type, revision=revision, parent_commit=head
            )
            return
        except (HfHubHTTPError, TransportError) as error:
            status = getattr(getattr(error, "response", None), "status_code", 503)
            if attempt == ATTEMPTS or status < 500:
                raise
        time.sleep(2 ** (attempt - 1))
        latest = api.list_repo_commits(repo_id, repo_type=repo_type, revision=revision)
        if len(latest) > 1 and latest[0].title == message and latest[1].commit_id == head:
            return  # it took effect, only the answer was lost


@contextmanager
def _one_line(repo_id: str) -> Iterator[None]:
    """Turn what the client raises into one line that says what to do."""
    from httpx2 import TransportError
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except HFValidationError as error:
        raise RecipeError(f"{repo_id!r} is no repository name, use NAMESPACE/NAME ({_flat(error)})") from None
    except OfflineModeIsEnabled:
        raise RunError("HF_HUB_OFFLINE is set: publishing needs the Hub; unset it") from None
    except HfHubHTTPError as error:
        raise RunError(_refusal(error, repo_id)) from error
    except (TransportError, ConnectionError, TimeoutError) as error:
        raise RunError(
            f"cannot reach {constants.ENDPOINT} ({type(error).__name__}); the same command tries again"
        ) from error
    except ValueError as error:
        if isinstance(error, RecipeError):
            raise
        raise RecipeError(f"the Hub does not accept the card: {_flat(error)}") from error
    except RuntimeError as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{_flat(error)} {_flat(error.__cause__ or '')}; the same command tries again") from error


def _refusal(error: Any, repo_id: str) -> str:
    status = error.response.status_code if error.response is not None else 0
    if status == 401:
        return f"the Hub does not accept the token (401); {TOKEN_HELP}"
    if status in (403, 404):
        return f"not allowed to write to {repo_id} ({status}): the token has no write access there; {TOKEN_HELP}"
    if status in (409, 412):
        return f"{repo_id} was changed by someone else meanwhile ({status}); run the command again"
    if status == 429:
        return "the Hub asks for a pause (429); run the command again in some minutes"
    return f"the Hub answered {status or 'with an error'}: {_flat(error.server_message or error)}"


def _flat(message: object) -> str:
    return " ".join(str(message).split())[:300]


def _api(token: str) -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(token=token, library_name="silly-llm", library_version=__version__)


def _token() -> str:
    """The token of HF_TOKEN or of the saved login; never one from a recipe.

    Raises:
        RecipeError: there is none.
    """
    from huggingface_hub import get_token

    token = get_token()
    if not token:
        raise RecipeError(f"no Hugging Face token: {TOKEN_HELP}")
    remember(token, "token")
    return token


if __name__ == "__main__":
    run_main(main)
