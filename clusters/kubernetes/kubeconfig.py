"""Reads kubeconfigs as kubectl does, and the service account of a Pod."""

from __future__ import annotations

import contextlib
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from clusters.errors import RefusalError
from clusters.paths import credentials_folder

if TYPE_CHECKING:
    from kubernetes.client import Configuration


def configure(configuration: Configuration, kubeconfig: Path | None, context: str | None) -> str:
    """Fill in the client's configuration.

    Without a kubeconfig anywhere, a Pod uses its service account.

    Args:
        configuration: of the client.
        kubeconfig: the file; without it ``$KUBECONFIG``, else ``~/.kube/config``.
        context: one of its contexts; without it the current one.

    Returns:
        Where it is from, for errors, such as ``of context kind-a (/root/.kube/config)``.

    Raises:
        RefusalError: whatever is wrong with the file.
    """
    if kubeconfig is None and context is None and not _files(_place(None)) and _in_pod():
        _load_in_cluster(configuration)
        return "of this Pod's service account"
    place, config = _read(kubeconfig)
    chosen = _context(place, config, context)
    _load_kubeconfig(configuration, place, chosen)
    token_file = _token_file(config, chosen)
    if token_file is not None:
        configuration.refresh_api_key_hook = partial(_read_token, token_file)  # type: ignore[assignment] # untyped
    return f"of context {chosen} ({place})"


def _in_pod() -> bool:
    """Whether this process runs in a Pod that knows its API server."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST") and os.environ.get("KUBERNETES_SERVICE_PORT"))


def _load_in_cluster(configuration: Configuration) -> None:
    from kubernetes import config as loading  # noqa: PLC0415 - see connection.connect

    try:
        loading.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call] # untyped
    except (loading.ConfigException, OSError, ValueError) as error:
        raise RefusalError(
            f"there is no kubeconfig at {_place(None)}, and this Pod's service account cannot be used: "
            f"{error}",
            advice=(
                "name a kubeconfig with --kubeconfig, or mount the token of a service account into the Pod"
            ),
        ) from error


def _load_kubeconfig(configuration: Configuration, place: str, context: str) -> None:
    from kubernetes import config as loading  # noqa: PLC0415 - see connection.connect

    try:
        loading.load_kube_config(  # type: ignore[no-untyped-call] # the library's loader has no types
            config_file=place,
            context=context,
            client_configuration=configuration,
            persist_config=False,
            temp_file_path=credentials_folder(),
        )
    except (loading.ConfigException, OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RefusalError(
            f"kubeconfig {place} cannot be used: {first}",
            advice=f"see that `kubectl --kubeconfig {place} version` works",
        ) from error


def _place(kubeconfig: Path | None) -> str:
    """The kubeconfig, or the list of them that the environment names."""
    given = str(kubeconfig) if kubeconfig is not None else os.environ.get("KUBECONFIG", "")
    return given or str(Path.home() / ".kube" / "config")


def _files(place: str) -> list[Path]:
    """The files of a list that exist; kubectl ignores the others."""
    paths = [Path(part).expanduser() for part in place.split(os.pathsep) if part]
    return [path for path in paths if path.exists()]


def _read(kubeconfig: Path | None) -> tuple[str, dict[str, Any]]:
    """The files that are to be used, as a list, and their contexts.

    Of several files, empty ones are ignored and the first current context counts, as in kubectl.
    """
    place = _place(kubeconfig)
    files = _files(place)
    if not files:
        raise RefusalError(
            f"there is no kubeconfig at {place}",
            advice="name one with --kubeconfig, or let the harness create a cluster",
        )
    merged: dict[str, Any] = {"contexts": [], "current-context": None, "token-files": {}}
    used = []
    for path in files:
        content = _content(path)
        if content is None and len(files) > 1:
            continue
        if not isinstance(content, dict):
            raise RefusalError(
                f"kubeconfig {path} is malformed: it holds {'nothing' if content is None else 'no mapping'}",
                advice="give the file that `kubectl` uses",
            )
        used.append(str(path))
        contexts = content.get("contexts") or []
        if isinstance(contexts, list):
            merged["contexts"] += contexts
        merged["token-files"] = _token_files(path, content) | merged["token-files"]
        merged["current-context"] = merged["current-context"] or content.get("current-context")
    return os.pathsep.join(used) or place, merged


def _token_files(path: Path, content: dict[str, Any]) -> dict[str, Path]:
    """The files from which the users of a kubeconfig read their tokens, by the user's name."""
    users = content.get("users") or []
    return {
        str(entry.get("name")): path.parent / str(entry["user"]["tokenFile"])
        for entry in (users if isinstance(users, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("user"), dict) and entry["user"].get("tokenFile")
    }


def _token_file(config: dict[str, Any], context: str) -> Path | None:
    """The file with the token of a context's user, if there is one."""
    for entry in config["contexts"]:
        if isinstance(entry, dict) and entry.get("name") == context:
            found: Path | None = config["token-files"].get(str((entry.get("context") or {}).get("user")))
            return found
    return None


def _read_token(file: Path, configuration: Configuration) -> None:
    """Before each request: kubelet replaces the token of a Pod's service account while the Pod runs."""
    with contextlib.suppress(OSError):  # the last one may still be accepted
        configuration.api_key["BearerToken"] = f"Bearer {file.read_text().strip()}"


def _content(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RefusalError(
            f"kubeconfig {path} cannot be read: {error.strerror}", advice="give a file that you may read"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else "not text"
        raise RefusalError(
            f"kubeconfig {path} is malformed: {first}", advice="give the file that `kubectl` uses"
        ) from error


def _context(place: str, config: dict[str, Any], context: str | None) -> str:
    """The name of the context to use."""
    names = [str(entry.get("name")) for entry in config["contexts"] if isinstance(entry, dict)]
    chosen = context or config.get("current-context") or ""
    if not chosen:
        raise RefusalError(
            f"kubeconfig {place} has no current context",
            advice=f"choose one with `kubectl config use-context`; there are: {', '.join(names) or 'none'}",
        )
    if chosen not in names:
        raise RefusalError(
            f"kubeconfig {place} has no context {chosen}", advice=f"there are: {', '.join(names) or 'none'}"
        )
    return str(chosen)
