"""VBench dimensions by their official names and formulas.

A scorer needs its official weight file (an asset) and never runs without it. Numbers equal the official code's: the
tolerances and the differences found are in tests/parity/vbench. Speed-ups don't change them: frames are encoded once
and in batches, and only what a score depends on is computed.
"""
