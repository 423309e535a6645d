"""The beam search of transformers 4.33.2, as Tag2Text uses it: later versions rate captions in another way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nova_bench.networks.tag2text.text import CaptionDecoder


@dataclass(frozen=True)
class Rules:
    """How captions are searched. Lengths count all tokens, the prompt's too, but not the end."""

    end: int
    beams: int = 3
    shortest: int = 10
    longest: int = 30


@dataclass(frozen=True)
class Candidate:
    """A caption that goes on with ``token`` after the caption of ``beam``; the sum of its log-probabilities."""

    beam: int
    token: int
    total: float


class Beams:
    """The captions of one image: those that run, and the best finished ones.

    A finished caption is rated by its mean log-probability over all tokens, the prompt's too. The end counts for the
    sum, but not for the length.
    """

    def __init__(self, prompt: Sequence[int], rules: Rules):
        self._rules = rules
        self.running, self.totals = [list(prompt)], [0.0]
        self.parents = [0]
        """Of each running caption: the beam that it continues."""
        self.complete = False
        self._finished: list[tuple[float, list[int]]] = []

    def go_on(self, candidates: Sequence[Candidate]) -> None:
        """Continue with the likeliest candidates, which come first; an end among the first ones finishes a caption."""
        followed = [candidate for candidate in candidates if candidate.token != self._rules.end][: self._rules.beams]
        for candidate in candidates[: self._rules.beams]:
            if candidate.token == self._rules.end:
                self._finish(self.running[candidate.beam], candidate.total)
        best = candidates[0].total / (len(self.running[0]) + 1)
        # Taken as the best that any caption may still reach.
        self.complete = len(self._finished) == self._rules.beams and self._worst >= best
        self.running = [[*self.running[candidate.beam], candidate.token] for candidate in followed]
        self.totals = [candidate.total for candidate in followed]
        self.parents = [candidate.beam for candidate in followed]

    def best(self) -> list[int]:
        """The best caption; of equal ones the last. Captions that still run count too, unless all are complete."""
        if not self.complete:
            for tokens, total in zip(self.running, self.totals, strict=True):
                self._finish(tokens, total)
        return max(reversed(self._finished), key=lambda caption: caption[0])[1]

    def _finish(self, tokens: list[int], total: float) -> None:
        score = total / len(tokens)
        if len(self._finished) < self._rules.beams:
            self._finished.append((score, tokens))
        elif score > self._worst:
            self._finished.remove(min(self._finished, key=lambda caption: caption[0]))
            self._finished.append((score, tokens))

    @property
    def _worst(self) -> float:
        return min(score for score, _ in self._finished)


def search(decoder: CaptionDecoder, states: Tensor, prompt: Sequence[int], rules: Rules) -> list[list[int]]:
    """The best caption of each image from its states, [N, tokens, width]: ids with the prompt, without an end.

    All images are searched side by side; one that is complete leaves. At first all beams of an image would be equal, so
    there is one row for each image.
    """
    captions, logits = decoder.begin(states, prompt, rules.longest)
    images = [Beams(prompt, rules) for _ in range(len(states))]
    running = images
    while True:
        rows = len(running[0].running)
        for image, candidates in zip(running, likeliest(logits, running, rules), strict=True):
            image.go_on(candidates)
        places = [place for place, image in enumerate(running) if not image.complete]
        if not places or len(running[places[0]].running[0]) == rules.longest:
            return [image.best() for image in images]
        parents = [place * rows + parent for place in places for parent in running[place].parents]
        captions.keep(torch.tensor(parents, device=states.device))
        if len(places) < len(running):
            captions.keep_images(torch.tensor(places, device=states.device))
        running = [running[place] for place in places]
        last = [tokens[-1:] for image in running for tokens in image.running]
        logits = captions.add(torch.tensor(last, device=states.device))


def likeliest(logits: Tensor, images: Sequence[Beams], rules: Rules) -> list[list[Candidate]]:
    """The likeliest continuations of each image's captions, the best first, from logits [rows, vocabulary]."""
    totals = logits.new_tensor([total for image in images for total in image.totals])
    scores = logits.log_softmax(dim=-1)
    if len(images[0].running[0]) < rules.shortest:
        scores[:, rules.end] = -torch.inf
    joined = (scores + totals[:, None]).view(len(images), -1)
    values, indices = joined.topk(2 * rules.beams, dim=1)
    words = logits.shape[-1]
    return [
        [Candidate(index // words, index % words, value) for value, index in zip(*found, strict=True)]
        for found in zip(values.tolist(), indices.tolist(), strict=True)
    ]
