"""Executors: where work runs. The default is this process; worker processes and Ray give the same rows.

A worker is lost if it died, was stopped or hangs. It is replaced without affecting other work. Its items are tried once
more, one by one; an item that loses a second worker gets the result that its caller makes of the loss.
"""
