"""Prompt sources and derived metrics by name: built-in ones, and those that installed packages offer.

Their entry points are the groups `nova_bench.prompt_sources` and `nova_bench.derived`.
"""

from __future__ import annotations

from nova_bench.core.registry import Registry
from nova_bench.protocols.base import DerivedMetric, PromptSource
from nova_bench.protocols.vbench import composite, prompts

PROMPT_SOURCES = Registry(
    what="prompt source",
    group="nova_bench.prompt_sources",
    kind=PromptSource,
    built_in={prompts.SOURCE.name: prompts.SOURCE},
)
DERIVED = Registry(
    what="derived metric",
    group="nova_bench.derived",
    kind=DerivedMetric,
    built_in={metric.name: metric for metric in (composite.QUALITY, composite.SEMANTIC, composite.TOTAL)},
)
