"""The contents of a suite, how its YAML is read, and the names it may use."""
