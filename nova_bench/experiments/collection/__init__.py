"""Several suites as one: run in turn, shown on one page."""
