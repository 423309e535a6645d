"""How large what a suite or an option asks for may be: beyond it is a slip, and nothing is begun.

Far above what anybody measures, and low enough that what is planned or allocated for it fits a machine.
"""

from __future__ import annotations

SEED = 2**64 - 1
"""Seeds of random generators have 64 bits."""
FRAMES = 100_000
"""Frames of a video: above two hours at 12 frames per second, ten minutes at 60 are 36,000."""
SIDE = 65_535
"""Pixels of a frame's side."""
STEPS = 100_000
"""Steps of a sampler."""
SAMPLES = 1_000_000
"""Prompts, samples, and what else is counted one by one."""
BATCH = 65_536
"""Samples at once."""
WORKERS = 1_024
"""Processes or threads."""
MEGABYTES = 1_000_000
"""A limit on memory or files, in megabytes."""
