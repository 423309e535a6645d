"""Short names of checkpoints: where those that come with nova_bench are, and where the hub has the published ones."""

from __future__ import annotations

from pathlib import Path

SHIPPED = {"nova-tiny": Path(__file__).parents[1] / "checkpoints" / "nova-tiny"}
"""Name -> folder of the checkpoints that come with nova_bench."""
REPOSITORIES = {
    "nova-0.6b-t2v": "BAAI/nova-d48w1024-osp480",
    "nova-0.6b-t2i-512": "BAAI/nova-d48w1024-sd512",
    "nova-0.3b-t2i": "BAAI/nova-d48w768-sdxl1024",
    "nova-0.6b-t2i": "BAAI/nova-d48w1024-sdxl1024",
    "nova-1.4b-t2i": "BAAI/nova-d48w1536-sdxl1024",
}
"""Name -> the hub's repository of the published checkpoints."""
