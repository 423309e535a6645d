"""Imported last by the warm processes: no garbage collection looks at what was there before a fork."""

import gc

gc.collect()
gc.freeze()
