"""Decode the next videos in threads while the current one is being scored."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from os import PathLike
from pathlib import Path

from nova_bench.errors import MediaError
from nova_bench.video.clip import Clip
from nova_bench.video.read import read_clip

_MOST_BYTES = 2**29
"""A decoded clip larger than this is held alone: the next one is decoded when the caller asks for it."""


def decode_ahead(
    paths: Iterable[str | PathLike[str]],
    workers: int = 1,
    ahead: int = 2,
    *,
    max_frames: int | None = None,
    allow_truncated: bool = False,
) -> Iterator[tuple[Path, Clip | MediaError]]:
    """Yield ``(path, clip)`` in the order of ``paths``, or ``(path, error)`` for a file that can't be decoded.

    At most ``ahead`` clips are decoded or being decoded beyond the one the caller holds, whatever the number of
    ``workers`` (threads; FFmpeg releases the interpreter lock and also uses threads of its own); none more are begun
    beside one of more than half a GiB. ``paths`` is consumed lazily. Closing the iterator drops what is pending.
    """
    if workers < 1 or ahead < 1:
        raise ValueError(f"workers and ahead must be at least 1, not {workers} and {ahead}")

    def decode(path: Path) -> Clip | MediaError:
        try:
            return read_clip(path, max_frames, allow_truncated=allow_truncated)
        except MediaError as error:
            return error

    def run() -> Iterator[tuple[Path, Clip | MediaError]]:
        todo = map(Path, paths)
        pending: deque[tuple[Path, Future[Clip | MediaError]]] = deque()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")

        def submit(count: int) -> list[tuple[Path, Future[Clip | MediaError]]]:
            return [(path, pool.submit(decode, path)) for path in islice(todo, max(0, count))]

        try:
            while True:
                if not pending:
                    pending.extend(submit(1))
                if not pending:
                    return
                path, future = pending.popleft()
                outcome = future.result()
                # How large the videos are is known only now.
                pending.extend(submit(ahead - len(pending) if _bytes(outcome) <= _MOST_BYTES else 0))
                yield path, outcome
                del outcome, future  # or the clip would live on while the next one is waited for
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    return run()


def _bytes(outcome: Clip | MediaError) -> int:
    return 0 if isinstance(outcome, MediaError) else outcome.frames.numel()
