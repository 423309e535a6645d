"""What every other folder may use: errors, identities, names, files, statistics, progress. Imports no other folder."""
