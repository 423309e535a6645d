"""`nova_bench doctor`."""

from __future__ import annotations

from nova_bench.cli import options
from nova_bench.cli.diagnosis import diagnose
from nova_bench.core.errors import ExitCode


def doctor(
    store: options.StoreFolder = options.DEFAULT_STORE,
    suites: options.Suites = None,
) -> ExitCode:
    """Show installed packages, device, assets and what each suite still needs."""
    report = diagnose(store)
    print(report.text())
    return ExitCode.PASS if report.healthy else ExitCode.INCOMPLETE
