"""Upper limits for values in a suite or an option: a larger value is taken for a slip and refused before work begins.

The limits are far above any real use, and low enough that what is planned or allocated fits a machine.
"""

from __future__ import annotations

SEED = 2**64 - 1
"""Seeds of random generators have 64 bits."""
FRAMES = 100_000
"""Frames of a video: more than two hours at 12 frames per second; ten minutes at 60 are 36,000."""
SIDE = 65_535
"""Pixels per side of a frame."""
STEPS = 100_000
"""Steps of a sampler."""
SAMPLES = 1_000_000
"""Prompts, samples and other things that are counted one by one."""
BATCH = 65_536
"""Samples in a batch."""
WORKERS = 1_024
"""Processes or threads."""
MEGABYTES = 1_000_000
"""A limit on memory or files, in megabytes."""
