"""Did a checkpoint get worse? Protocol cards, paired comparison, verdicts, baselines, and the formats that CI reads."""
