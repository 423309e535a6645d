"""One writer per store: a lock that the operating system releases even if its holder is killed."""

from __future__ import annotations

import json
import os
import socket
import sys
from datetime import datetime
from pathlib import Path

from nova_bench.core.atomic_files import explain_os_error
from nova_bench.core.errors import StoreError
from nova_bench.core.json_text import parse_json


class WriterLock:
    """Holds `store.lock` in the store's folder. Raises StoreError naming the other writer if there is one."""

    def __init__(self, root: Path):
        from filelock import FileLock, Timeout

        self._owner = root / "store.owner.json"
        self._lock = FileLock(root / "store.lock", timeout=0)
        try:
            self._lock.acquire()
            self._owner.write_text(
                json.dumps(
                    {
                        "pid": os.getpid(),
                        "host": socket.gethostname(),
                        "since": datetime.now().isoformat(timespec="seconds"),
                        "command": " ".join(sys.argv),
                    }
                )
            )
        except Timeout:
            raise StoreError(
                f"{root}: another process is writing to this store{self._holder()}",
                "wait for it to end, or choose another --store FOLDER",
            ) from None
        except OSError as error:
            self._lock.release()
            raise explain_os_error(error, root) from error

    def release(self) -> None:
        """Let the next writer in."""
        self._owner.unlink(missing_ok=True)
        self._lock.release()

    def _holder(self) -> str:
        try:
            owner = parse_json(self._owner.read_bytes())
            return f" (process {owner['pid']} on {owner['host']}, since {owner['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return ""
