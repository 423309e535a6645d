"""From the store to tables, figures and the report page. Needs no model and no GPU."""

from nova_bench.report.page import Reported, plan_of, report_benchmark, write_run_report

__all__ = ["Reported", "plan_of", "report_benchmark", "write_run_report"]
