"""The store: nova_bench's only state. Content-addressed artifact files, and rows in one SQLite file."""

from nova_bench.store.records import Artifact, Draft, FailedUnit, Row, Status
from nova_bench.store.store import Store

__all__ = ["Artifact", "Draft", "FailedUnit", "Row", "Status", "Store"]
