"""How far LPIPS and ST-LPIPS may be from the official packages', and how near they came when last measured.

`python -m tests.parity.fidelity.tolerances` prints the table that README.md shows.
"""

from __future__ import annotations

from collections.abc import Sequence

# Quantity: official code, largest allowed absolute difference of a frame's distance, largest difference seen.
TOLERANCES = {
    "lpips, same random weights": ("lpips 0.1.4", 1e-6, 6.0e-8),
    "st_lpips, same random weights": ("stlpips_pytorch 0.0.2", 1e-6, 3.0e-8),
    "st_lpips, published weights": ("stlpips_pytorch 0.0.2", 1e-6, 1.9e-8),
}


def assert_close(quantity: str, actual: Sequence[float], expected: Sequence[float]) -> None:
    """Every frame within the table's tolerance. NaN never is."""
    _, allowed, _ = TOLERANCES[quantity]
    worst = max(abs(a - b) for a, b in zip(actual, expected, strict=True))
    assert worst <= allowed, f"{quantity}: off by {worst:.2e}, allowed {allowed:.2e}"


def table() -> str:
    """The tolerances as a Markdown table."""
    lines = ["| quantity | official code | allowed | reached |", "|---|---|---|---|"]
    for name, (code, allowed, reached) in TOLERANCES.items():
        lines.append(f"| {name} | {code} | {allowed:.0e} | {reached:.1e} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
