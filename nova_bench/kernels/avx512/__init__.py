"""Convolutions, norms and lookups for CPUs with AVX-512, compiled where they run."""
