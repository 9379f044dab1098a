"""Publishing on the Hugging Face Hub: a dataset or model folder is uploaded in one commit, with its card.

Use `silly-llm publish FOLDER NAMESPACE/NAME`, or `push_to_hub: true` in a recipe to publish at the end of a phase. Only
files that phases write are uploaded (`contents.PUBLISHED`), other files are listed and left out; nothing with a secret is published.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from silly_llm import __version__
from silly_llm.core.console.masking import remember
from silly_llm.core.console.streams import is_main_process
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.folders.output import read_state
from silly_llm.core.launch import Parser, run_main
from silly_llm.hub.cards import PLACEHOLDER
from silly_llm.hub.contents import files_of, kind_of, left_of, read_card, refuse_code
from silly_llm.hub.scan import refuse_secrets

if TYPE_CHECKING:
    from huggingface_hub import HfApi

REPLACED = {
    "dataset": ("data/*.parquet",),
    "model": ("*.safetensors", "*.safetensors.index.json", ".eval_results/silly-llm-*.yaml"),
}
"""Files of an earlier version that would be loaded along with the new ones, or speak of it: removed in the commit."""
WAITS = (1, 2, 4)
"""Seconds before each retry of a commit."""
TOKEN_HELP = (
    "create one with write access at https://huggingface.co/settings/tokens and set HF_TOKEN, or run `hf auth login`"
)


class Push(NamedTuple):
    """Where a phase publishes its folder at the end."""

    repo_id: str
    private: bool
    revision: str | None


def check_push(args: Any) -> Push | None:
    """Call before a phase starts, to check that it can publish its result.

    Reads the standard keys: `push_to_hub` with `hub_dataset_id`, `hub_private` (datasets) or `hub_model_id`,
    `hub_private_repo`, `hub_revision` (`TrainingArguments`). We push once, at the end, and never checkpoints; so
    `args.push_to_hub` is switched **off** for the Trainer, and the request is stored for `push_if_asked`.

    Raises:
        RecipeError: no repository name, no token, a token in the recipe, or a key that would make the Trainer push by itself.
        RunError: the Hub does not accept the token, or cannot be reached.
    """
    asked: Push | None = getattr(args, "_push", None)
    if getattr(args, "hub_token", None):
        raise RecipeError("hub_token: do not put secrets in a recipe; set HF_TOKEN instead")
    if asked or not args.push_to_hub:
        return asked
    if getattr(args, "hub_always_push", False) or getattr(args, "hub_strategy", "end") not in ("every_save", "end"):
        raise RecipeError("hub_strategy, hub_always_push: push_to_hub pushes once, at the end; remove them")
    trained = hasattr(args, "hub_model_id")
    key, private = ("hub_model_id", "hub_private_repo") if trained else ("hub_dataset_id", "hub_private")
    repo_id = getattr(args, key)
    if not repo_id:
        raise RecipeError(f"push_to_hub: set {key}: NAMESPACE/NAME as the destination")
    api = _api()
    if is_main_process():
        with _one_line(repo_id):
            from huggingface_hub.utils import validate_repo_id

            validate_repo_id(repo_id)
            api.whoami()
    args.push_to_hub = False
    args._push = Push(repo_id, bool(getattr(args, private, None)), getattr(args, "hub_revision", None))
    return args._push


def push_if_asked(args: Any, folder: str | Path) -> str | None:
    """Call at the end of a phase, **after** its `open_output` block, also if the folder was up to date (an earlier push
    may have failed): publishes the folder if the recipe says `push_to_hub: true`. Only rank 0 does.

    Returns:
        The URL, or `None` if publishing was not requested.
    """
    asked = check_push(args)
    if asked is None or not is_main_process():
        return None
    url = publish(folder, **asked._asdict())
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
    """Upload a dataset or model folder to the Hub in one commit, or in none if nothing changed.

    Args:
        folder: the output folder of a phase (or any folder of that form).
        repo_id: `NAMESPACE/NAME`; created if missing. Replaces the placeholder in the card.
        repo_type: `dataset` or `model`; default: depending on the files in the folder.
        private: create a private repository; refused if it exists and is public.
        revision: the branch, created if missing; default: `main`.
        include: globs of files to upload besides those that phases write.
        allow: kinds of secrets, as named in the error, that are false alarms here.

    Raises:
            RecipeError: the folder is neither dataset nor model, its card is invalid, it needs code, a file contains a secret, or there is no token.
            RunError: the Hub refuses the upload or cannot be reached.
    """
    folder = Path(folder)
    repo_type = repo_type or kind_of(folder)
    files = files_of(folder, repo_type, include)
    if not any(name.endswith((".parquet", ".safetensors")) for name in files):
        raise RecipeError(f"{folder}: holds no {repo_type}, or only links to one elsewhere; publish a copy")
    if useless := [glob for glob in include if not fnmatch.filter(files, glob)]:
        raise RecipeError(f"--include {useless[0]}: matches no file in {folder}, hidden and linked ones aside")
    refuse_code(folder, files)
    card = read_card(folder, repo_type, files)
    api = _api()
    refuse_secrets(folder, files, str(api.token), allow)
    if left := left_of(folder, files):
        print(left)
    with _one_line(repo_id):
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
        _commit(api, contents, message, repo_id=repo_id, repo_type=repo_type, revision=revision)
    return f"{created}/tree/{revision}" if revision else str(created)


def main(argv: list[str] | None = None) -> None:
    """`silly-llm publish`."""
    what = "Upload a dataset or model folder to the Hugging Face Hub, with its card."
    parser = Parser(prog="silly-llm publish", description=what)
    add = parser.add_argument
    add("folder", type=Path, help="a dataset folder (data/*.parquet) or a model folder")
    add("repo_id", metavar="NAMESPACE/NAME", help="the repository; created if missing")
    add("--private", action="store_true", help="create a private repository")
    add("--repo_type", "--repo-type", choices=["dataset", "model"], help="default: depending on the folder")
    add("--revision", help="the branch, created if missing (default: main)")
    add("--commit_message", "--commit-message", help="the commit message")
    more = "files to upload besides those that phases write"
    add("--include", action="append", default=[], metavar="GLOB", help=more)
    also = "a kind of secret named in an error that is a false alarm"
    add("--allow", action="append", default=[], metavar="KIND", help=also)
    add("--debug", action="store_true", help="show the traceback of an error")
    options = vars(parser.parse_args(argv))
    del options["debug"]
    folder = options["folder"]
    kind = options["repo_type"] = options["repo_type"] or kind_of(folder)
    if read_state(folder).get("finished") is False:
        raise RecipeError(f"{folder}: the phase that writes it has not finished; run it again to continue")
    url = publish(**options)
    call = 'load_dataset("{}")' if kind == "dataset" else 'pipeline("text-generation", model="{}")'
    print(f"published: {url}\nload it with: {call.format(options['repo_id'])}")


def _commit(api: HfApi, contents: dict[str, Path | bytes], message: str, **repo: Any) -> None:
    """One commit, retried after a server error. If only the response was lost, there is nothing left to commit: the
    client skips files that already exist. (`upload_folder` does so too, but the card differs from the folder's.)"""
    from httpx2 import TransportError
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete
    from huggingface_hub.errors import HfHubHTTPError

    for wait in (*WAITS, None):
        head = api.repo_info(**repo).sha
        operations: list[Any] = [CommitOperationAdd(name, source) for name, source in contents.items()]
        operations += [
            CommitOperationDelete(name, is_folder=False)
            for name in api.list_repo_files(**repo)
            if name not in contents and any(fnmatch.fnmatch(name, old) for old in REPLACED[repo["repo_type"]])
        ]
        try:
            api.create_commit(operations=operations, commit_message=message, parent_commit=head, **repo)
            return
        except (HfHubHTTPError, TransportError) as error:
            if wait is None or _status(error, 503) < 500:
                raise
        time.sleep(wait)


def _status(error: Any, otherwise: int = 0) -> int:
    response = getattr(error, "response", None)
    return otherwise if response is None else response.status_code


@contextmanager
def _one_line(repo_id: str) -> Iterator[None]:
    """Turn the client's exceptions into a one-line error that says what to do."""
    from httpx2 import TransportError
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    def flat(message: object) -> str:
        return " ".join(str(message).split())[:300]

    try:
        yield
    except (RecipeError, RunError):
        raise
    except HFValidationError as error:
        raise RecipeError(f"{repo_id!r} is not a repository name, use NAMESPACE/NAME ({flat(error)})") from None
    except OfflineModeIsEnabled:
        raise RunError("HF_HUB_OFFLINE is set: publishing needs the Hub; unset it") from None
    except HfHubHTTPError as error:
        match _status(error):
            case 401:
                said = f"the Hub does not accept the token (401); {TOKEN_HELP}"
            case (403 | 404) as status:
                said = f"not allowed to write to {repo_id} ({status}): the token has no write access; {TOKEN_HELP}"
            case (409 | 412) as status:
                said = f"{repo_id} was changed by someone else meanwhile ({status}); run the command again"
            case 429:
                said = "the Hub limits the rate of requests (429); run the command again in a few minutes"
            case status:
                said = f"the Hub answered {status or 'with an error'}: {flat(error.server_message or error)}"
        raise RunError(said) from error
    except (TransportError, ConnectionError, TimeoutError) as error:
        unreachable = f"cannot reach {constants.ENDPOINT} ({type(error).__name__}); run the same command to try again"
        raise RunError(unreachable) from error
    except ValueError as error:
        raise RecipeError(f"the Hub does not accept the card: {flat(error)}") from error
    except RuntimeError as error:
        raise RunError(f"{flat(error)} {flat(error.__cause__ or '')}; run the same command to try again") from error


def _api() -> HfApi:
    """The Hub's client, with the token from HF_TOKEN or the saved login; never one from a recipe.

    Raises:
        RecipeError: there is no token.
    """
    from huggingface_hub import HfApi, get_token

    token = get_token()
    if not token:
        raise RecipeError(f"no Hugging Face token: {TOKEN_HELP}")
    remember(token, "token")
    return HfApi(token=token, library_name="silly-llm", library_version=__version__)


if __name__ == "__main__":
    run_main(main)
