"""Errors of the NOVA library: each message is one line that names the file, key or setting at fault."""

from __future__ import annotations


class NOVAError(ValueError):
    """A wrong input or setting; the base class of everything this library raises on purpose."""


class CheckpointError(NOVAError):
    """A checkpoint folder that can't be used: file missing or damaged, key missing or unexpected, shape wrong."""


class ArrangementError(NOVAError):
    """A combination of settings that the network, the autoencoder or the scheduler doesn't define."""
