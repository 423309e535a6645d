"""The four kinds of suite: benchmark (one model), study (several arms), latency, and collection (several suites)."""
