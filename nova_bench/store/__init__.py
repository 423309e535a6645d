"""The store: the only state of nova_bench. Content-addressed artifact files and one SQLite file of rows."""

from nova_bench.store.records import Artifact, Draft, FailedUnit, Row, Status
from nova_bench.store.store import Store

__all__ = ["Artifact", "Draft", "FailedUnit", "Row", "Status", "Store"]
