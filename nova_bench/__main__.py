"""`python -m nova_bench`."""

from nova_bench.core.interrupts import end_interrupted, watch_signals


def main() -> None:
    """Run the command line; Ctrl-C ends it properly even while it is being imported."""
    watch_signals()
    try:
        from nova_bench.cli import main as run

        run()
    except KeyboardInterrupt:
        end_interrupted()
    except RuntimeError as error:
        # Python 3.11 raises this from an interrupt that comes while a class is being made.
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        end_interrupted()


if __name__ == "__main__":
    main()
