"""Prompts with first frames and reference clips that are made when they are needed, and kept in the cache."""
