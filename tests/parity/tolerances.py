"""How far float32 results may be from the original implementation's, and what the float32 floor is.

The floor is the difference between the original in float32 and in float64 on the same inputs (a few 1e-6). Typical
mistakes are far outside: wrong norm placement 0.2, tanh instead of exact GELU 6e-5, unscaled time grid 0.016.
"""

from __future__ import annotations

from torch import Tensor

# quantity: (absolute, relative to the largest reference value)
TOLERANCES = {
    "embeddings": (1e-6, 1e-6),
    "features": (1e-5, 0.0),  # condition, temporal and spatial features
    "head": (1e-5, 2e-6),
    "latents": (1e-5, 2e-6),
    "decoded": (3e-5, 0.0),  # pixels and moments of magnitude 2 to 4; the official float32 floor is 1.1e-5
    "uint8": (1.0, 0.0),
    "loss": (0.0, 1e-5),
    "gradient_norm": (1e-8, 1e-5),
}


def assert_close(quantity: str, actual: Tensor, expected: Tensor) -> None:
    """Largest difference within the table's tolerance for this kind of quantity."""
    assert actual.shape == expected.shape, f"{quantity}: shape {tuple(actual.shape)}, expected {tuple(expected.shape)}"
    absolute, relative = TOLERANCES[quantity]
    limit = absolute + relative * expected.double().abs().max().item()
    worst = (actual.double() - expected.double()).abs().max().item()
    assert worst <= limit, f"{quantity}: off by {worst:.2e}, allowed {limit:.2e}"
