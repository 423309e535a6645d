"""The NOVA network as a library of its own: nothing here imports the benchmark harness."""
