"""VBench dimensions by their official names and formulas.

A scorer needs its official weight file (an asset) and never runs without it. Numbers equal the official code's: the
tolerances, and how near they are, stand in tests/parity/vbench. What is faster is so without changing them: frames are
encoded once and in batches, and nothing is computed that no score depends on.
"""
