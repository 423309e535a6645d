"""What every other folder may use: errors, identities, the registry, files, statistics, progress. Imports none of them."""
