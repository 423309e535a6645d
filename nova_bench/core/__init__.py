"""What every other folder may use: errors, identities, names, files, statistics, progress. It imports none of them."""
