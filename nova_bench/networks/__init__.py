"""The networks behind VBench's quality dimensions, in plain torch, compatible with the official weight files.

Attribute names follow the official state dicts, so that a file's keys are the module's keys.
"""
