"""Makes units, batch by batch, in this process or in another one."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.assets import asset_path
from nova_bench.config.catalog import ADAPTERS
from nova_bench.config.suite import SamplingSpec, Suite
from nova_bench.config.units import Unit
from nova_bench.core.atomic_files import kept_file
from nova_bench.core.batches import batches_of_work, one_line
from nova_bench.core.errors import UserError
from nova_bench.core.messages import and_more
from nova_bench.core.remembered_digests import digest_once
from nova_bench.core.steps import report_step
from nova_bench.execute.base import LostWorker
from nova_bench.execute.crew import Arrival
from nova_bench.models.base import AdapterContext, ModelAdapter, Output
from nova_bench.pipeline.arrival import arrival_at, code_facts, model_fact
from nova_bench.pipeline.failures import failure_cause, failure_details, with_cause
from nova_bench.pipeline.place import Place
from nova_bench.store import Artifact, Draft, FailedUnit
from nova_bench.video import write_image, write_lossless, write_mp4
from nova_bench.video.frame_folder import FOLDER_FPS

if TYPE_CHECKING:
    from torch import Tensor

Entry = Draft | Artifact | FailedUnit
Noticed = tuple[str, Sequence[str], bool]


@dataclass
class MadeBatch:
    """The store's entries for the units of one batch, what to warn of, and notices for the report."""

    entries: list[tuple[Unit, Entry]]
    warnings: list[str] = field(default_factory=list)
    notices: list[Noticed] = field(default_factory=list)
    """Arguments of :meth:`~nova_bench.core.progress.Progress.notice`."""


def build_adapter(suite: Suite, file_digest: Callable[[Path], str], warn: Callable[..., None]) -> ModelAdapter:
    """The suite's model adapter. Nothing heavy is imported or loaded before it generates."""
    context = AdapterContext(suite, suite.execution.device, asset_path, file_digest, warn)
    return ADAPTERS.get(suite.model.adapter).build(suite.model, context)


class GenerateWorker:
    """Makes the units it is given; can be sent to another process, which then builds the model for itself.

    There, finished files wait in ``place`` until the store takes them.
    ``model`` is the digest of the planned model.
    """

    def __init__(self, suite: Suite, adapter: ModelAdapter, model: str):
        self._suite, self._model = suite, model
        self.cause = failure_cause(suite, ADAPTERS.get(suite.model.adapter).factory)
        """What a failure depends on besides the sample; stored with it."""
        self._adapter: ModelAdapter | None = adapter
        self._batch_size, self.device = suite.execution.batch_size, suite.execution.device
        self._is_sent = self._is_checked = False
        self._notices: list[Noticed] = []
        self.place: Place | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_adapter": None, "_is_sent": True, "_is_checked": False, "_notices": []}

    def __call__(self, units: Sequence[Unit]) -> Iterator[MadeBatch]:
        """Yield one batch after another. UserError if the loaded model is no longer the planned one."""
        warnings: list[str] = []
        for batch in batches_of_work(units, self._batch_size, self._make, warnings.append, self._shrink):
            if not self._is_checked:
                self._refuse_changed()
            entries = [(unit, self._entry(unit, output)) for unit, output in batch]
            made = MadeBatch(entries, warnings.copy(), self._notices)
            warnings.clear()
            self._notices = []
            yield made

    def facts(self) -> dict[str, str]:
        """What has to be the same in every worker."""
        return {**code_facts(), **model_fact(self._model)}

    def arrival(self) -> Arrival:
        """What this worker says of itself; builds the model, which isn't loaded yet."""
        return arrival_at(self.place, self.device, {**code_facts(), **model_fact(self._built().digest())})

    def lose(self, unit: Unit, problem: LostWorker) -> MadeBatch:
        """The failure of a unit on which every worker is lost."""
        return MadeBatch([(unit, self._failed(unit, problem))])

    def sent(self, units: Sequence[Unit]) -> None:
        """Raise UserError if workers would need a file that doesn't travel."""
        assert self.place is not None, "it is sent somewhere"
        if self.place.exchange and any(unit.image or unit.reference or unit.source for unit in units):
            raise UserError(
                "first frames, references and finished videos don't travel through an exchange",
                "use a folder that all machines see, without execution.exchange; or --executor local",
            )

    def received(self, made: MadeBatch) -> MadeBatch:
        """The same batch with files that waited at the exchange fetched. UserError if that fails."""
        return replace(made, entries=[(unit, self._fetched(entry)) for unit, entry in made.entries])

    def _fetched(self, entry: Entry) -> Entry:
        if not (isinstance(entry, Draft) and isinstance(entry.write, _Remote)):
            return entry
        place = self.place
        assert place is not None, "it was sent somewhere"
        assert place.exchange is not None, "it was sent through an exchange"
        path = place.room / entry.write.name
        place.exchange.get(entry.write.name, path)
        return replace(entry, write=_Move(path))

    def failure(self, error: Exception) -> dict[str, Any]:
        """What is stored about an error besides its message; a failure includes what it depends on."""
        return with_cause(failure_details(error), self.cause)

    def _note(self, text: str, names: Sequence[str] = (), asked: bool = False) -> None:
        """Keep a model's notice for the process that reports it."""
        self._notices.append((text, names, asked))

    def _shrink(self, size: int) -> None:
        """What didn't fit once won't fit among the next units either."""
        self._batch_size = size

    def _make(self, units: Sequence[Unit]) -> Sequence[Output]:
        adapter = self._built()
        report_step(f"generating {and_more(repr(units[0].prompt), len(units))}")
        started = time.perf_counter()
        outputs = {output.unit.digest: output for output in adapter.generate(units)}
        seconds = (time.perf_counter() - started) / len(units)
        made = (outputs.get(unit.digest) or Output(unit) for unit in units)
        return [replace(output, details={"seconds": seconds, **output.details}) for output in made]

    def _built(self) -> ModelAdapter:
        if self._adapter is None:
            report_step("the start of the model")
            self._adapter = build_adapter(self._suite, digest_once, self._note)
        return self._adapter

    def _refuse_changed(self) -> None:
        """Raise UserError if the loaded model is no longer the planned one."""
        if self._model and self._built().digest() != self._model:
            raise UserError(
                f"model {self._suite.model.adapter}: its files changed after the run was planned",
                "run the command again when they are complete; on several machines, give all of them the same files",
            )
        self._is_checked = True

    def _entry(self, unit: Unit, output: Output | Exception) -> Entry:
        """The store's entry for one output; frames become a file that waits, if this is another process."""
        if isinstance(output, Exception):
            return self._failed(unit, output)
        if isinstance(output.error, Exception):
            return self._failed(unit, output.error)
        if output.error is not None:
            return self._not_made(unit, output.error)
        if output.path is not None:
            rate = {FOLDER_FPS: output.details[FOLDER_FPS]} if FOLDER_FPS in output.details else {}
            return self._external(unit, output.path, rate)
        if output.frames is None:
            return self._not_made(unit, "the model made nothing of it")
        if problem := _no_pixels(output.frames):
            return self._not_made(unit, problem)
        suffix, write = _writer(output.frames, self._suite.sampling)
        draft = Draft(unit.digest, suffix, write, output.details["seconds"], output.details)
        return self._waiting(draft) if self._is_sent else draft

    def _failed(self, unit: Unit, error: Exception) -> FailedUnit:
        return FailedUnit(unit.digest, one_line(error), self.failure(error))

    def _not_made(self, unit: Unit, problem: str) -> FailedUnit:
        return FailedUnit(unit.digest, problem, with_cause({}, self.cause))

    def _external(self, unit: Unit, path: Path, details: dict[str, Any]) -> Artifact | FailedUnit:
        try:
            size = path.stat().st_size
            return Artifact(unit.digest, unit.content_digest, path.resolve(), size, external=True, details=details)
        except OSError as error:
            return replace(self._failed(unit, error), error=f"{path}: {error.strerror or error}")

    def _waiting(self, draft: Draft) -> Draft:
        """The same draft with a file that is encoded already, or with the error of encoding it."""
        place = self.place
        assert place is not None, "workers are told where files wait"
        try:
            if place.exchange is None:
                return replace(draft, write=_Move(kept_file(place.room, draft.suffix, draft.write)))
            with tempfile.TemporaryDirectory() as folder:
                made = kept_file(Path(folder), draft.suffix, draft.write)
                return replace(draft, write=_Remote(place.exchange.put(made)))
        except UserError:
            raise
        except Exception as error:
            return replace(draft, write=_Raise(error))


@dataclass(frozen=True)
class _Move:
    """Writes a draft whose file is ready; picklable."""

    source: Path

    def __call__(self, path: Path) -> None:
        os.replace(self.source, path)


@dataclass(frozen=True)
class _Remote:
    """Stands for a draft whose file waits at the exchange; picklable."""

    name: str

    def __call__(self, path: Path) -> None:
        raise AssertionError("it is fetched when it is received")


@dataclass(frozen=True)
class _Raise:
    """A draft that couldn't be encoded; picklable."""

    error: Exception

    def __call__(self, path: Path) -> None:
        raise self.error


def _no_pixels(frames: Any) -> str | None:
    """Why frames are not uint8 [T, H, W, 3]; None if they are. Numbers of another type are never cast to bytes."""
    import torch

    if not hasattr(frames, "dtype"):
        return f"the model made a {type(frames).__name__}, not a tensor of pixels"
    shape, dtype = list(frames.shape), str(frames.dtype).removeprefix("torch.")
    if dtype != "uint8":
        finite = bool(torch.as_tensor(frames).isfinite().all())
        return f"the model made {dtype} pixels, not uint8: " + (
            "it must scale them to 0..255 and round"
            if finite
            else "some are not finite (NaN or infinity), as half precision often causes; try float32 or bfloat16"
        )
    if len(shape) != 4 or shape[-1] != 3 or 0 in shape:
        return f"the model made pixels of shape {shape}, not [frames, height, width, 3]"
    return None


def _writer(frames: Tensor, sampling: SamplingSpec) -> tuple[str, Callable[[Path], object]]:
    """File type and writing function for frames: PNG for images, h264 or FFV1 for videos."""
    if len(frames) == 1:
        return ".png", lambda path: write_image(path, frames[0])
    if sampling.lossless:
        return ".mkv", lambda path: write_lossless(path, frames, sampling.fps)
    return ".mp4", lambda path: write_mp4(path, frames, sampling.fps)
