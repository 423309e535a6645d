"""Suites of the kind `study`: several models or settings measured alike, on one store, in one joint report."""
