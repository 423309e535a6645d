"""DPG-Bench: dense prompts, each with a graph of yes/no questions (Hu et al., 2024, arXiv 2403.05135)."""
