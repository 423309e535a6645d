"""Loads a diffusers pipeline: known classes, safetensors, nothing of the network, no weight left to chance."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.core.batches import is_out_of_memory, one_line
from nova_bench.core.errors import UserError
from nova_bench.core.registry import nearest
from nova_bench.models.nova import dtype_name
from nova_bench.models.optional_packages import INSTALL
from nova_bench.models.pipeline_files import pipeline_files, pipeline_index

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

    from nova_bench.models.base import AdapterContext
    from nova_bench.models.diffusers import DiffusersSpec


def load_pipeline(options: DiffusersSpec, folder: Path, context: AdapterContext) -> Any:
    """The pipeline in ``folder`` on the context's device, without safety checker and watermark.

    UserError if a part is missing, isn't of a known library, or lacks weights.
    """
    import torch

    pipeline_files(folder, options.variant)
    kind = pipeline_class(options.pipeline or str(pipeline_index(folder).get("_class_name")), folder)
    dtype = dtype_name(options.dtype, context.device)
    if dtype == "float16" and context.device == "cpu":
        context.warn("float16 on the CPU is slow and imprecise; use float32")
    with quiet(), explained(folder), all_weights(folder):
        pipeline: Any = kind.from_pretrained(
            str(folder),
            torch_dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
            variant=options.variant,
            **without_extras(kind),
        )
    if options.scheduler or options.scheduler_options:
        pipeline.scheduler = _scheduler(options, pipeline)
    pipeline.set_progress_bar_config(disable=True)
    if not options.cpu_offload:
        return pipeline.to(context.device)
    if find_spec("accelerate") is None:
        raise UserError("model.cpu_offload needs accelerate", INSTALL)
    pipeline.enable_model_cpu_offload(device=context.device)
    return pipeline


def pipeline_class(name: str, folder: Path) -> type[DiffusionPipeline]:
    """The pipeline class of diffusers called ``name``. UserError for other classes."""
    import diffusers

    kind = getattr(diffusers, name, None)
    if not (inspect.isclass(kind) and issubclass(kind, diffusers.DiffusionPipeline)):
        known = [known for known in dir(diffusers) if known.endswith("Pipeline")]
        raise UserError(
            f"{folder}: diffusers {diffusers.__version__} has no pipeline {name!r}{nearest(name, known)}",
            "name its class with model.pipeline, or install the version that has it",
        )
    return kind


def without_extras(kind: type[DiffusionPipeline]) -> dict[str, Any]:
    """The arguments of a pipeline's constructor that leave out its safety checker and its watermark.

    A safety checker blackens images by a verdict of its own; a watermark is added only where a package is installed.
    """
    parameters = inspect.signature(kind.__init__).parameters
    off = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    extras = off if "safety_checker" in parameters else {}
    return {name: value for name, value in {**extras, "add_watermarker": False}.items() if name in parameters}


def _scheduler(options: DiffusersSpec, pipeline: Any) -> Any:
    import diffusers

    kind = getattr(diffusers, options.scheduler, None) if options.scheduler else type(pipeline.scheduler)
    if not (inspect.isclass(kind) and issubclass(kind, diffusers.SchedulerMixin)):
        known = [known for known in dir(diffusers) if known.endswith("Scheduler")]
        raise UserError(
            f"model.scheduler: diffusers {diffusers.__version__} has no {options.scheduler!r}"
            f"{nearest(str(options.scheduler), known)}",
            "name a scheduler class of diffusers",
        )
    parameters = [name for name in inspect.signature(kind.__init__).parameters if name != "self"]
    if unknown := sorted(options.scheduler_options.keys() - set(parameters)):
        raise UserError(
            f"model.scheduler_options: {kind.__name__} has no setting {unknown[0]!r}{nearest(unknown[0], parameters)}",
            f"it has: {', '.join(parameters)}",
        )
    return kind.from_config(pipeline.scheduler.config, **options.scheduler_options)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the libraries' progress bars, and without their notice that `torch_dtype` has another name by now."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn whatever a loader raises, which concerns the whole run, into a UserError."""
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError) or is_out_of_memory(error):
            raise
        raise UserError(f"{folder}: can't be loaded: {one_line(error)}", "get the checkpoint again, whole") from error


@contextmanager
def all_weights(folder: Path) -> Iterator[None]:
    """Raise UserError if a library reports that it filled in weights that a checkpoint lacks."""
    heard = _Initialized()
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    for logger in loggers:
        logger.addHandler(heard)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(heard)
    if heard.message:
        raise UserError(f"{folder}: weights are missing: {heard.message}", "get the checkpoint again, whole")


class _Initialized(logging.Handler):
    """Keeps the first message that says weights were initialized at random."""

    message = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        if "newly initialized" in text and not self.message:
            self.message = text[:200]
