"""Convolutions, norms and lookups for CPUs with AVX-512 or AVX2, compiled where they run."""
