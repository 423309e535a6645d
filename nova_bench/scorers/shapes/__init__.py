"""Does a video of the shapes world show what its prompt says? VBench's semantic dimensions with a judge of known error.

All of them share one reading of a clip by :mod:`nova_bench.shapes.judge`, and need no weights.
"""

from nova_bench.scorers.shapes import everything, layout, motion, objects

INFOS = (
    objects.OBJECT_CLASS,
    objects.MULTIPLE_OBJECTS,
    objects.COLOR,
    objects.COUNT,
    layout.SPATIAL_RELATIONSHIP,
    motion.MOTION,
    everything.ALL,
)
