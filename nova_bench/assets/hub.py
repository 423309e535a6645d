"""Fetches files of the Hugging Face hub with its own library, into its own cache."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nova_bench.assets.catalog import AssetFile, HubSource
from nova_bench.core.errors import MissingAsset


def bring(source: HubSource, file: AssetFile, path: Path, advance: Callable[[int], None]) -> None:
    """Download one file to ``path`` in the hub's cache, resuming a partial download.

    A file that is already there is damaged and is replaced.

    HF_HOME, HF_ENDPOINT and HF_TOKEN apply as in every program that uses the hub. Raises MissingAsset if the hub can't
    be reached, doesn't have the file, or requires a login.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    again = path.exists()
    if again:
        # The library downloads the file again, but keeps an existing link to the damaged bytes.
        path.unlink()
    counter = _Counter(file.size, advance)
    name = posixpath.join(source.folder, file.path)
    try:
        hf_hub_download(
            source.repo_id,
            name,
            revision=source.revision,
            force_download=again,
            tqdm_class=counter.bar_class(),
        )
    except GatedRepoError as error:
        raise MissingAsset(
            f"{source}: this repository requires you to request access",
            f"accept its terms at https://huggingface.co/{source.repo_id}, then: hf auth login",
        ) from error
    except LocalEntryNotFoundError as error:
        raise MissingAsset(
            f"{source}: {name} can't be downloaded: the hub can't be reached",
            "check the network and HF_ENDPOINT, then repeat the command to continue",
        ) from error
    except (EntryNotFoundError, HfHubHTTPError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise MissingAsset(f"{source}: {name}: {reason}", "check HF_ENDPOINT and HF_TOKEN") from error
    counter.finish()


def bring_snapshot(repo_id: str, revision: str, patterns: Sequence[str], top_only: bool = False) -> Path:
    """Download what is missing of a repository's files that match a pattern; return their folder in the hub's cache.

    ``top_only`` leaves out its folders. The hub's library shows its own progress. Raises MissingAsset as :func:`bring`.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            repo_id, revision=revision, allow_patterns=list(patterns), ignore_patterns=["*/*"] if top_only else None
        )
    except GatedRepoError as error:
        raise MissingAsset(
            f"{repo_id}: access to this repository must be requested",
            f"accept its terms at https://huggingface.co/{repo_id}, then: hf auth login",
        ) from error
    except LocalEntryNotFoundError as error:
        raise MissingAsset(
            f"{repo_id}: the hub can't be reached, or has no such checkpoint",
            "check the name, the network and HF_ENDPOINT, and run the same command: it continues",
        ) from error
    except HfHubHTTPError as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise MissingAsset(f"{repo_id}: {reason}", "check the name, HF_ENDPOINT and HF_TOKEN") from error
    return Path(folder)


class _Counter:
    """Passes on the hub's progress, and never counts more or fewer bytes than the file has."""

    def __init__(self, size: int, advance: Callable[[int], None]):
        self._left, self._advance = size, advance

    def count(self, count: float) -> None:
        count = min(int(count), self._left)
        self._left -= count
        self._advance(count)

    def finish(self) -> None:
        self.count(self._left)

    def bar_class(self) -> type:
        """A tqdm class that displays nothing."""
        from tqdm import tqdm

        counter = self

        class Bar(tqdm):
            def __init__(self, *arguments: Any, **options: Any):
                options = {**options, "disable": True}
                options.pop("name", None)
                super().__init__(*arguments, **options)
                counter.count(options.get("initial") or 0)

            def update(self, n: float | None = 1) -> None:
                counter.count(n or 0)

        return Bar
