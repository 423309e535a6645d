"""Which files of a folder are the samples that a suite asks for, and the lists of missing, extra and colliding ones."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nova_bench.config.paths import locate
from nova_bench.config.suite import PromptEntry, ScorerUse
from nova_bench.config.units import ExistingSample
from nova_bench.core.notices import listed

Key = tuple[str, int]
"""Prompt (NFC) and sample index."""
_WITHOUT_TAG = "prompts without a tag"


@dataclass(frozen=True)
class AskedFiles:
    """``asked``: every sample that the suite asks for, without a path if its file is missing. ``strangers``: the other
    files. ``filtered``: prompts whose candidates are taken as filtered already."""

    asked: Mapping[Key, ExistingSample]
    strangers: Sequence[ExistingSample]
    filtered: Sequence[str] = ()

    @property
    def missing(self) -> list[ExistingSample]:
        """The samples without a file."""
        return [sample for sample in self.asked.values() if sample.path is None]

    def report(self, where: str, notice: Callable[..., None]) -> None:
        """Notices of what is missing, extra, named alike but for case, and filtered already; each with all names."""
        missing = self.missing
        if missing:
            shares = ", ".join(self._shares(missing))
            notice(
                f"{where}: {len(missing)} of {len(self.asked)} files are missing: {shares}",
                [f"{'; '.join(sample.tags) or _WITHOUT_TAG}: {_name(sample)}" for sample in missing],
            )
        if self.strangers:
            names = [sample.there.name for sample in self.strangers]
            notice(
                f"{where}: {len(names)} of {len(names) + len(self.asked) - len(missing)} files left out: they are not "
                f"samples that the suite asks for: {listed(names)}",
                [f"{sample.path}{self._why(sample)}" for sample in self.strangers],
            )
        if pairs := list(self._collisions(missing)):
            notice(
                f"{where}: {len(pairs)} missing files differ only in case from one that is there ({listed(pairs)}): "
                "on Windows and macOS such names are one file, so one video may have replaced the other",
                pairs,
            )
        if self.filtered:
            notice(
                f"{where}: {len(self.filtered)} prompts have only the few samples that a filter leaves; no more "
                "candidates are expected of them",
                self.filtered,
                asked=True,
            )

    def _shares(self, missing: Sequence[ExistingSample]) -> list[str]:
        """``all 430 of scene``, ``3 of color``: the missing files of each tag; all first."""
        counts = [_by_tag(missing), _by_tag(self.asked.values())]
        found = sorted(counts[0].items(), key=lambda item: item[1] < counts[1][item[0]])
        return [f"{'all ' if count == counts[1][tag] else ''}{count} of {tag}" for tag, count in found]

    @cached_property
    def _prompts(self) -> dict[str, list[ExistingSample]]:
        """The samples that are asked for, by prompt."""
        prompts: dict[str, list[ExistingSample]] = {}
        for (text, _), sample in self.asked.items():
            prompts.setdefault(text, []).append(sample)
        return prompts

    @cached_property
    def _nearly(self) -> dict[str, str]:
        """Texts that a file may be named after by mistake -> what is wrong with that."""
        folded = {_folded(text): f"nearly the prompt {text!r}" for text in self._prompts}
        rewritten = {
            samples[0].model_text: f"the rewritten text of {text!r}, which names its files"
            for text, samples in self._prompts.items()
            if samples[0].model_text
        }
        return {**rewritten, **folded}

    def _why(self, file: ExistingSample) -> str:
        """What is nearly right about a file that isn't asked for."""
        prompt = unicodedata.normalize("NFC", file.prompt)
        if prompt in self._prompts:
            indices = sorted(sample.sample_index for sample in self._prompts[prompt])
            return f": the suite asks for the samples {indices[0]} to {indices[-1]} of this prompt"
        near = self._nearly.get(prompt) or self._nearly.get(_folded(prompt))
        return f": {near}" if near else ""

    def _collisions(self, missing: Sequence[ExistingSample]) -> Iterator[str]:
        there = {(s.prompt.casefold(), s.sample_index): s for s in self.asked.values() if s.path is not None}
        there |= {(sample.prompt.casefold(), sample.sample_index): sample for sample in self.strangers}
        for sample in missing:
            if (other := there.get((sample.prompt.casefold(), sample.sample_index))) is not None:
                yield f"{_name(sample)} like {other.there.name}"


def asked_files(
    entries: Sequence[PromptEntry], files: Sequence[ExistingSample], scorers: Sequence[ScorerUse]
) -> AskedFiles:
    """Look up the sample of each prompt among ``files``, and join its tags, reference and metadata.

    If a metric counts only the first N samples that a filter keeps, and no file has an index of N or more, the folder
    holds what the filter left, as VBench's own filter writes it: only the samples that are there are asked for then.
    """
    found = {(unicodedata.normalize("NFC", sample.prompt), sample.sample_index): sample for sample in files}
    indices: dict[str, list[int]] = {}
    for text, index in found:
        indices.setdefault(text, []).append(index)
    candidates = {entry: first for entry in entries if (first := _kept_of(entry, scorers)) is not None}
    present = {entry: sorted(indices.get(unicodedata.normalize("NFC", entry.text), ())) for entry in candidates}
    is_filtered = any(present.values()) and all(
        index < candidates[entry] for entry, given in present.items() for index in given
    )
    asked: dict[Key, ExistingSample] = {}
    for entry in entries:
        text = unicodedata.normalize("NFC", entry.text)
        reference = str(locate(entry.reference)) if entry.reference else None
        wanted: Sequence[int] = range(entry.samples or 1)
        if is_filtered and entry in candidates:
            wanted = present[entry] or range(candidates[entry])
        for index in wanted:
            file = found.get((text, index), ExistingSample(None, entry.text, index))
            tags = tuple(dict.fromkeys((*entry.tags, *file.tags)))
            metadata = entry.metadata.joined(file.metadata, entry.text)
            reference_of = file.reference or reference
            asked[text, index] = ExistingSample(
                file.path, entry.text, index, reference_of, tags, metadata, entry.model_text
            )
    strangers = [sample for key, sample in found.items() if key not in asked]
    filtered = [entry.text for entry in candidates if is_filtered and present[entry]]
    return AskedFiles(asked, strangers, filtered)


def _kept_of(entry: PromptEntry, scorers: Sequence[ScorerUse]) -> int | None:
    """How many kept samples of a prompt count, if it has more candidates than that; else None."""
    applying = [use for use in scorers if not use.tags or not set(use.tags).isdisjoint(entry.tags)]
    firsts = [use.keep.first for use in applying if use.keep and use.keep.first is not None]
    return max(firsts) if firsts and max(firsts) < (entry.samples or 1) else None


def _by_tag(samples: Iterable[ExistingSample]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for sample in samples:
        for tag in sample.tags or (_WITHOUT_TAG,):
            counts[tag] = counts.get(tag, 0) + 1
    return counts


def _folded(prompt: str) -> str:
    return prompt.casefold().strip()


def _name(sample: ExistingSample) -> str:
    return f"{sample.prompt}-{sample.sample_index}"
