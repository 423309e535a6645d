"""nova_bench: benchmark and ablation harness for autoregressive video generation (NOVA, arXiv 2412.14169)."""

__version__ = "0.1.0"
