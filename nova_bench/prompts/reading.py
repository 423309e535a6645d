"""The prompts of a suite: written into it, read from a file, a benchmark's own list, or made from clips."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from nova_bench.assets import asset_path
from nova_bench.config.catalog import PROMPT_SOURCES
from nova_bench.config.paths import anchor, locate
from nova_bench.config.suite import PromptEntry, PromptsSpec, Suite
from nova_bench.config.units import Unit
from nova_bench.core.atomic_files import explained_os_errors
from nova_bench.core.errors import UserError
from nova_bench.core.identity import file_digest
from nova_bench.core.messages import shorten
from nova_bench.core.notices import listed, unheard
from nova_bench.core.progress import Progress
from nova_bench.core.registry import nearest
from nova_bench.core.regular_files import read_text, why_unread
from nova_bench.core.tabular import read_records
from nova_bench.prompts.clips import ClipPrompts
from nova_bench.prompts.dense import read_dense_lines, read_dense_prompts
from nova_bench.prompts.recipes import made_folder

SOURCES = ("entries", "file", "source", "shapes", "clips")


class PromptSource(Protocol):
    """Prompts whose first frames and references are made on demand."""

    def entries(self) -> list[PromptEntry]:
        """Return all prompts; makes no files."""

    def make(self, wanted: Collection[str], progress: Progress) -> None:
        """Make the files of these paths."""


def suite_prompts(
    suite: Suite, digest: Callable[[Path], str] = file_digest, notice: Callable[..., None] = unheard
) -> list[PromptEntry]:
    """All prompts in order, each once, with its number of samples; ``notice(text, names)`` reports what is left out.

    UserError if there are none or two sources, or if a prompt has two references or two values of the same metadata;
    MissingAsset if a benchmark's list isn't here.
    """
    spec = suite.prompts
    given = [f"prompts.{source}" for source in SOURCES if spec is not None and getattr(spec, source)]
    if spec is None or len(given) != 1:
        problem = f"{' and '.join(given)} at once" if given else f"the model `{suite.model.adapter}` needs prompts"
        raise UserError(
            f"suite {suite.name}: {problem}",
            f"give exactly one of {', '.join(f'prompts.{source}' for source in SOURCES)}",
        )
    everything = _entries(suite, spec, digest, notice)
    # The parts of a benchmark's own list share prompts by design.
    entries = _merged(everything, unheard if spec.source else notice)
    return _with_dense_texts(_tagged(entries, spec, notice), everything, spec, notice)


def _entries(
    suite: Suite, spec: PromptsSpec, digest: Callable[[Path], str], notice: Callable[..., None]
) -> list[PromptEntry]:
    """Set each number of samples: an entry's own takes precedence, then the suite's, then the benchmark's."""
    if spec.source:
        place = f"prompt source {spec.source}"
        own = spec.source_file
        listed = PROMPT_SOURCES.get(spec.source).read(lambda name: locate(own) if own else asset_path(name), notice)
        return [_sampled(entry, spec.samples_per_prompt or entry.samples).placed(place) for entry in listed]
    made = _source(suite, digest, notice)
    entries = made.entries() if made else _read(spec.file) if spec.file else list(spec.entries)
    return [_sampled(entry, entry.samples or spec.samples_per_prompt) for entry in entries]


def _sampled(entry: PromptEntry, samples: int | None) -> PromptEntry:
    return entry if entry.samples == (samples or 1) else entry.model_copy(update={"samples": samples or 1})


def _tagged(entries: list[PromptEntry], spec: PromptsSpec, notice: Callable[..., None]) -> list[PromptEntry]:
    """Return the entries with one of the suite's tags. UserError for a tag that no prompt has."""
    known = {tag: None for entry in entries for tag in entry.tags}
    for tag in spec.tags:
        if tag not in known:
            have = ", ".join(known) or "none"
            raise UserError(f"prompts.tags: no prompt has the tag {tag!r}{nearest(tag, known)}", f"tags: {have}")
    chosen = [entry for entry in entries if not spec.tags or not set(spec.tags).isdisjoint(entry.tags)]
    if len(chosen) < len(entries):
        named = f"the tag{'s' if len(spec.tags) > 1 else ''} {', '.join(spec.tags)}"
        notice(f"prompts: {len(chosen)} of {len(entries)}, those with {named}", asked=True)
    return chosen


def _with_dense_texts(
    entries: list[PromptEntry], everything: Sequence[PromptEntry], spec: PromptsSpec, notice: Callable[..., None]
) -> list[PromptEntry]:
    """Give the model each prompt's denser text. UserError if a prompt has none: a mixture would measure nothing.

    The lines of a text file are those of ``everything``, the whole list in its order.
    """
    if spec.dense is None:
        return entries
    path = locate(spec.dense)
    if path.suffix.lower() == ".txt":
        dense = read_dense_lines(path, [entry.text for entry in everything], notice)
    else:
        dense = read_dense_prompts(path, notice)
    if without := [entry.text for entry in entries if entry.text not in dense]:
        raise UserError(
            f"{path}: no dense prompt for {shorten(without[0])}"
            + (f" and {len(without) - 1} more" if len(without) > 1 else ""),
            "add them, restrict prompts.tags, or leave out prompts.dense",
        )
    return [entry.model_copy(update={"model_text": dense[entry.text]}) for entry in entries]


def make_prompt_files(suite: Suite, units: Iterable[Unit], digest: Callable[[Path], str], progress: Progress) -> None:
    """Make the first frames and references that these units need and that aren't in the cache."""
    folder = made_folder()
    paths = {path for unit in units for path in (unit.image, unit.reference) if path}
    missing = {path for path in paths if Path(path).parent == folder and not Path(path).is_file()}
    if missing and (source := _source(suite, digest)):
        with explained_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        source.make(missing, progress)


def _source(suite: Suite, digest: Callable[[Path], str], notice: Callable[..., None] = unheard) -> PromptSource | None:
    spec = suite.prompts
    if spec is not None and spec.shapes is not None:
        from nova_bench.prompts.shapes import ShapesPrompts

        return ShapesPrompts(spec.shapes, suite.sampling, notice)
    if spec is not None and spec.clips is not None:
        return ClipPrompts(spec.clips, suite.sampling, digest, notice)
    return None


def _merged(entries: Iterable[PromptEntry], notice: Callable[..., None]) -> list[PromptEntry]:
    """Merge entries of the same prompt: it is generated once, with their tags and metadata joined."""
    merged: dict[tuple[str, str, str | None], PromptEntry] = {}
    repeated: dict[str, int] = {}
    for entry in entries:
        key = (entry.text, entry.model_text or entry.text, entry.image)
        if key in merged:
            repeated[entry.text] = repeated.get(entry.text, 0) + 1
        merged[key] = _joined(merged[key], entry) if key in merged else entry
    if repeated:
        total = len(merged) + sum(repeated.values())
        notice(
            f"prompts: {sum(repeated.values())} of {total} entries repeat an earlier one and count once "
            f"({listed(list(repeated))}); for several samples of a prompt: samples, or prompts.samples_per_prompt",
            list(repeated),
        )
    return list(merged.values())


def _joined(first: PromptEntry, second: PromptEntry) -> PromptEntry:
    if first.reference and second.reference and first.reference != second.reference:
        raise UserError(
            f"prompt {shorten(first.text)} has two references: {first.reference}, {second.reference}",
            "keep one of them",
        )
    return first.model_copy(
        update={
            "tags": tuple(dict.fromkeys((*first.tags, *second.tags))),
            "samples": max(first.samples or 1, second.samples or 1),
            "reference": first.reference or second.reference,
            "metadata": first.metadata.joined(second.metadata, first.text),
        }
    )


def _read(file: str) -> list[PromptEntry]:
    path = locate(file)
    if path.suffix.lower() == ".txt":
        try:
            # Not splitlines: a prompt may hold U+2028 and other characters that Python takes for line ends.
            lines = list(enumerate(read_text(path).split("\n"), 1))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{path}: can't be read: {why_unread(error)}", "a UTF-8 text file, one prompt per line"
            ) from error
        entries = [PromptEntry(text=text.strip()).placed(f"{path}:{line}") for line, text in lines if text.strip()]
    else:
        entries = [
            entry.model_copy(
                update={
                    name: anchor(value, path.parent)
                    for name in ("image", "reference")
                    if (value := getattr(entry, name)) is not None
                }
            ).placed(place)
            for place, entry in read_records(path, PromptEntry)
        ]
    if not entries:
        raise UserError(f"{path}: no prompts", "one prompt per line")
    return entries
