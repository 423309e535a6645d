"""Errors of the NOVA library: one line each, naming the cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class NOVAError(Exception):
    """Base of every error that this library raises on purpose. Its message is one line."""


class ConfigError(NOVAError, ValueError):
    """A configuration that describes no possible network: unknown key, contradictory sizes, unknown arrangement."""


class ArchitectureError(ConfigError):
    """A checkpoint of another architecture, or of another arrangement of this one."""


class InputError(NOVAError, ValueError):
    """An argument of a call that can't be honoured."""


class NotFiniteError(NOVAError, ArithmeticError):
    """Latents or pixels that are NaN or infinite. The finite samples of the batch are kept.

    ``faults`` maps a sample's index to what is not finite in it, ``finished`` the index of every other sample to its
    uint8 pixels (for "pt" and "latent" its tensors).
    """

    def __init__(self, faults: Mapping[int, str], finished: Mapping[int, Any]):
        first = next(iter(faults))
        count = len(faults) + len(finished)
        super().__init__(
            f"the {faults[first]} of sample {first} are not finite (NaN or infinity); {len(faults)} of {count} failed"
        )
        self.faults, self.finished = dict(faults), dict(finished)


class CheckpointError(NOVAError, OSError):
    """A checkpoint file that is missing, unreadable, or holds other keys or shapes than the network."""


class ArrangementError(ConfigError):
    """A combination of settings that the network, the autoencoder or the scheduler doesn't define."""
