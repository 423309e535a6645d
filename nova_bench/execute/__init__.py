"""Executors: where work runs. The default is this process; worker processes and Ray give the same rows.

A worker that is lost (it died, was stopped or hangs) costs nobody else anything: it is replaced, what it held is tried
once more, item by item, and an item that loses a second worker has the result that its caller makes of the loss.
"""
