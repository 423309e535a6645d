"""DPG-Bench: a judge answers yes/no questions about an image of a dense prompt (Hu et al., 2024, arXiv 2403.05135)."""
