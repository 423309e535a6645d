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
    ``workers`` (threads; FFmpeg releases the interpreter lock and also uses threads of its own). ``paths`` is consumed
    lazily. Closing the iterator drops what is pending.
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
        try:
            while True:
                current = pending.popleft() if pending else None
                pending.extend((path, pool.submit(decode, path)) for path in islice(todo, ahead - len(pending)))
                if current is None and not pending:
                    return
                if current is not None:
                    yield current[0], current[1].result()
                    current = None  # or the clip would live on while the next one is waited for
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    return run()
