"""Inference time of NOVA, part by part (App. D, Table 1): the suites of the kind ``latency``."""
