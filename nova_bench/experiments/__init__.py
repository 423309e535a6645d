"""The kinds of suite: a benchmark of one model, a study of several arms, a latency measurement, a collection of suites."""
