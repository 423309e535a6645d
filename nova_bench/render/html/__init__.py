"""HTML: the fragment of one table, and the self-contained report."""
