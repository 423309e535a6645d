"""VBench dimensions by their official names and formulas."""
