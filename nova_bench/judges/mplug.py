"""mPLUG-large for visual question answering: the judge of DPG-Bench's published numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nova_bench.judges.base import Answer, Asked, JudgeContext, JudgeInfo, Viewed
from nova_bench.networks.batching import batch_size, in_batches
from nova_bench.networks.bert_tokens import BertTokenizer
from nova_bench.networks.numerics import numerics

if TYPE_CHECKING:
    import torch

    from nova_bench.networks.mplug.mplug import MPlug, Seen

_ASSET = "mplug-vqa-large"
_VOCABULARY = "vocab.txt"
_BYTES_PER_QUESTION = 2**24
"""About what a question's beams and its attention to the image take."""


class MPlugJudge:
    """Answers in mPLUG's own words, in float32, as its official pipeline: `ELLA/dpg_bench/compute_dpg_bench.py`.

    An image is encoded once for all of its questions, which are answered in batches of similar length.
    """

    def __init__(self, context: JudgeContext):
        from nova_bench.networks.mplug.mplug import load_mplug
        from nova_bench.networks.sharing import shared_network

        folder = context.asset(_ASSET)
        self._device = context.device
        self._tokenizer = BertTokenizer(folder / _VOCABULARY)
        self._network: MPlug = shared_network(load_mplug, folder, context.device)

    def answer(self, batch: Sequence[Viewed]) -> list[list[Answer]]:
        with numerics("float32"):
            size = batch_size(self._device, self._network.bytes_per_image)
            return list(in_batches(batch, size, self._answer))

    def _answer(self, batch: Sequence[Viewed]) -> list[list[Answer]]:
        import torch

        images = torch.stack([self._input(viewed.image) for viewed in batch]).to(self._device)
        seen = self._network.see(images)
        return [self._about(image, viewed.questions) for image, viewed in zip(seen, batch, strict=True)]

    def _input(self, image: torch.Tensor) -> torch.Tensor:
        from PIL import Image

        from nova_bench.networks.mplug.preprocessing import image_input

        return image_input(Image.fromarray(image.numpy()), self._network.config.resolution)

    def _about(self, image: Seen, questions: Sequence[Asked]) -> list[Answer]:
        from nova_bench.networks.mplug.preprocessing import question_ids

        ids = {asked.text: question_ids(self._tokenizer, asked.text) for asked in questions}
        texts = sorted(ids, key=lambda text: len(ids[text]))
        found = dict(zip(texts, self._answers(image, [ids[text] for text in texts]), strict=True))
        return [Answer(found[asked.text]) for asked in questions]

    def _answers(self, image: Seen, ids: Sequence[Sequence[int]]) -> Iterator[str]:
        from nova_bench.networks.mplug.mplug import padded

        def work(part: Sequence[Sequence[int]]) -> list[str]:
            hypotheses = self._network.answer(image, *padded(part, self._device))
            return [self._tokenizer.text(found[0].ids) for found in hypotheses]

        return in_batches(ids, batch_size(self._device, _BYTES_PER_QUESTION), work)


INFO = JudgeInfo(
    name="mplug",
    summary="mPLUG-large, the judge of the published DPG-Bench numbers",
    version="1",
    source="arXiv 2205.12005; modelscope's mplug_for_all_tasks.py, as compute_dpg_bench.py calls it",
    factory=f"{__name__}:MPlugJudge",
    assets=lambda model: (_ASSET,),
)
