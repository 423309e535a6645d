"""`python -m nova_bench`."""

from nova_bench.cli import main

if __name__ == "__main__":
    main()
