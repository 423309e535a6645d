"""What can go wrong in the NOVA library, as one-line errors that name the culprit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class NOVAError(Exception):
    """Base of every error this library raises on purpose. The text is one line."""


class ConfigError(NOVAError, ValueError):
    """A configuration that describes no possible network: unknown key, contradictory sizes, unknown arrangement."""


class ArchitectureError(ConfigError):
    """A checkpoint of another architecture, or of another arrangement of this one."""


class InputError(NOVAError, ValueError):
    """An argument of a call that can't be honoured."""


class NotFiniteError(NOVAError, ArithmeticError):
    """Latents or pixels that are NaN or infinite. The other samples of the batch are sound, and kept.

    ``faults`` has a sample's index -> what of it is not finite, ``finished`` the index -> uint8 pixels (for "pt" and
    "latent" their tensors) of each sample that is.
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
