"""From a suite to its numbers: plan, generate, score, aggregate, composite scores. The store is the only state."""
