"""VBench 1.0's protocol (arXiv 2311.17982): its prompts, its file names, its three final scores."""
