"""The statistics of a comparison: pure functions of arrays that know nothing of runs, stores and the command line."""
