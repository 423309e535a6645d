"""Where a suite's prompts come from: the suite itself, a file, a benchmark's list, clips, or the shapes world."""
