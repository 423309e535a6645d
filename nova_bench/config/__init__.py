"""What a suite says and how its YAML is read; the names that it may use."""
