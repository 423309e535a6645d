"""What can go wrong in the NOVA library, as one-line errors that name the culprit."""

from __future__ import annotations


class NOVAError(Exception):
    """Base of every error this library raises on purpose. The text is one line."""


class ConfigError(NOVAError, ValueError):
    """A configuration that describes no possible network: unknown key, contradictory sizes, unknown arrangement."""


class ArchitectureError(ConfigError):
    """A checkpoint of another architecture, or of another arrangement of this one."""


class InputError(NOVAError, ValueError):
    """An argument of a call that can't be honoured."""


class CheckpointError(NOVAError, OSError):
    """A checkpoint file that is missing, unreadable, or holds other keys or shapes than the network."""


class ArrangementError(ConfigError):
    """A combination of settings that the network, the autoencoder or the scheduler doesn't define."""
