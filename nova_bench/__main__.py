"""`python -m nova_bench`."""

from nova_bench.core.interrupts import end_interrupted, end_requested, watch_signals


def main() -> None:
    """Run the command line; Ctrl-C ends it properly even while it is being imported."""
    watch_signals()
    try:
        from nova_bench.cli import main as run

        run()
    except KeyboardInterrupt:
        end_interrupted()
    except Exception:
        # Libraries that are being imported may turn an interrupt into another error. Python 3.11 does, too: while a
        # class is being made, a RuntimeError.
        if not end_requested():
            raise
        end_interrupted()


if __name__ == "__main__":
    main()
