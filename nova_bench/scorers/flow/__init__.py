"""Motion measures on classical optical flow: no weights needed, and never under the name of a learned one."""
