"""Does a video of the shapes world show what its prompt says? VBench's semantic dimensions with a judge of known error.

All of them share one reading of a clip by :mod:`nova_bench.shapes.judge`, and need no weights.
"""
