"""Motion measures on classical optical flow: no weights needed, and never named like a learned one."""
