"""Tables, figures and reports from semantic data: values, units, directions, intervals and their sources."""
