"""What Python programs call: `nova_bench.score`, `run`, `load` and `compare`."""
