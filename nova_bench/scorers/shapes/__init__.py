"""Whether a video of the shapes world shows what its prompt says: VBench's semantic dimensions, a judge of known error.

All of them share one reading of a clip by :mod:`nova_bench.shapes.judge`, and need no weights.
"""
