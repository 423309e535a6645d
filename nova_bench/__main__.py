"""`python -m nova_bench`."""

import sys

from nova_bench.interrupts import say_interrupted, watch_signals


def main() -> None:
    """Run the command line; Ctrl-C ends it properly even while it is being imported."""
    watch_signals()
    try:
        from nova_bench.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(say_interrupted())


if __name__ == "__main__":
    main()
