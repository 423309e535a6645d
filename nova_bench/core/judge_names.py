"""How judges are called in names of metrics, tables and pages."""

from __future__ import annotations

from pathlib import Path

FOLDERS = ("/", "./", "../", "~")
"""What a model begins with that is a folder, not a hub id."""


def judge_label(judge: str) -> str:
    """The judge as tables call it: ``vlm:qwen`` for ``vlm:/home/me/models/qwen``, else as suites write it.

    A folder is called by its own name, so that a report says nothing of where it was made.
    """
    kind, _, model = judge.partition(":")
    return f"{kind}:{Path(model).name}" if model.startswith(FOLDERS) else judge
