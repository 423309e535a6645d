"""The timing gate: is B slower than A? Two models, or two builds of nova_bench, timed in turn on one machine."""
