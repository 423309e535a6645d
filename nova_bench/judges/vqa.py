"""Models for visual question answering as judges: ViLT and BLIP, which answer with a word and no probability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nova_bench.judges.base import Answer, Asked, JudgeContext, JudgeInfo, Viewed
from nova_bench.judges.pretrained import ARITHMETIC, image_processor, known_model, model_assets, network, tokenizer
from nova_bench.networks.batching import batch_size, in_batches
from nova_bench.networks.numerics import numerics

if TYPE_CHECKING:
    import torch

_BYTES_PER_QUESTION = 2**25
"""About what a question takes on its way through the network, with its image or its attention to it."""
_WORDS = 20
"""Tokens of an answer at most, as the library has it."""
Texts = dict[str, "torch.Tensor"]
"""Token ids and their mask, [questions, tokens]."""


def _vilt(model: Any, image: Texts, reader: Any) -> Callable[[Texts], list[str]]:
    """The most likely of ViLT's labels; it reads image and question together."""
    import torch

    def work(texts: Texts) -> list[str]:
        count = len(texts["input_ids"])
        # ViLT puts an image's patches in a random order, which changes nothing but the rounding.
        with torch.random.fork_rng():
            torch.manual_seed(0)
            logits = model(
                **texts, **{name: part.expand(count, *part.shape[1:]) for name, part in image.items()}
            ).logits
        if not logits.isfinite().all():
            raise ValueError("the model's scores are not finite")
        return [str(model.config.id2label[label]) for label in logits.argmax(dim=-1).tolist()]

    return work


def _blip(model: Any, image: Texts, reader: Any) -> Callable[[Texts], list[str]]:
    """BLIP's own words: its decoder reads the question with the image in it, which is encoded once."""
    import torch

    seen = model.vision_model(image["pixel_values"])[0]

    def work(texts: Texts) -> list[str]:
        count = len(texts["input_ids"])
        images = seen.expand(count, *seen.shape[1:])
        questions = model.text_encoder(
            input_ids=texts["input_ids"],
            attention_mask=texts["attention_mask"],
            encoder_hidden_states=images,
            encoder_attention_mask=torch.ones(images.shape[:2], dtype=torch.long, device=images.device),
        )[0]
        if not questions.isfinite().all():
            raise ValueError("the model's features are not finite")
        start = torch.full((count, 1), model.decoder_start_token_id, device=images.device)
        words = model.text_decoder.generate(
            input_ids=start,
            eos_token_id=model.config.text_config.sep_token_id,
            pad_token_id=model.config.text_config.pad_token_id,
            encoder_hidden_states=questions,
            encoder_attention_mask=torch.ones_like(texts["attention_mask"]),
            do_sample=False,
            max_new_tokens=_WORDS,
        )
        return [text.strip() for text in reader.batch_decode(words, skip_special_tokens=True)]

    return work


@dataclass(frozen=True)
class _Family:
    """An architecture: its classes in transformers, what it reads, and how it answers about an image."""

    model: str
    images: str
    reads: tuple[str, ...]
    answers: Callable[[Any, Texts, Any], Callable[[Texts], list[str]]]

    def longest(self, config: Any) -> int:
        """Tokens of a question at most."""
        return int(getattr(config, "text_config", config).max_position_embeddings)


FAMILIES = {
    "vilt": _Family(
        "ViltForQuestionAnswering",
        "ViltImageProcessorPil",
        ("input_ids", "attention_mask", "token_type_ids"),
        _vilt,
    ),
    "blip": _Family("BlipForQuestionAnswering", "BlipImageProcessorPil", ("input_ids", "attention_mask"), _blip),
}


class AnsweringJudge:
    """Asks a question as it is, cut at the model's limit; the answer is the model's, of which only ``yes`` counts."""

    def __init__(self, context: JudgeContext):
        folder, found = known_model(context, FAMILIES, "for vision-language models the judge is vlm")
        self._device, self._family = context.device, FAMILIES[found]
        self._model = network(folder, self._family.model, context.device)
        self._processor = image_processor(folder, self._family.images)
        self._reader = tokenizer(folder)
        self._longest = self._family.longest(self._model.config)

    def answer(self, batch: Sequence[Viewed]) -> list[list[Answer]]:
        """Raises MediaError for a video, ValueError for scores that are not finite."""
        with numerics("float32"):
            return [self._about(viewed.image, viewed.questions) for viewed in batch]

    def _about(self, image: torch.Tensor, questions: Sequence[Asked]) -> list[Answer]:
        from PIL import Image

        prepared = self._processor(images=[Image.fromarray(image.numpy())], return_tensors="pt")
        pixels = {name: self._placed(part) for name, part in prepared.items()}
        work = self._family.answers(self._model, pixels, self._reader)
        lengths = {asked.text: len(self._reader(asked.text)["input_ids"]) for asked in questions}
        size = batch_size(self._device, _BYTES_PER_QUESTION)
        found: dict[str, str] = {}
        # Only questions of one length share a batch: none is padded, to which BLIP's decoder would attend.
        for length in sorted(set(lengths.values())):
            texts = [text for text in lengths if lengths[text] == length]
            found.update(zip(texts, in_batches(texts, size, lambda part: work(self._tokens(part))), strict=True))
        return [Answer(found[asked.text], note=self._note(lengths[asked.text])) for asked in questions]

    def _note(self, length: int) -> str:
        return f"questions are cut at the {self._longest} tokens that the judge reads" if length > self._longest else ""

    def _tokens(self, texts: Sequence[str]) -> Texts:
        tokens = self._reader(list(texts), truncation=True, max_length=self._longest, return_tensors="pt")
        return {name: tokens[name].to(self._device) for name in self._family.reads}

    def _placed(self, part: torch.Tensor) -> torch.Tensor:
        part = part.to(self._device)
        return part.to(self._model.dtype) if part.is_floating_point() else part


INFO = JudgeInfo(
    name="vqa",
    summary="a model for visual question answering: ViLT (its label), BLIP (its words)",
    version=f"1, {ARITHMETIC}, images prepared with Pillow",
    source="the model's page on the hub",
    factory=f"{__name__}:AnsweringJudge",
    assets=model_assets,
    takes_model=True,
    asked="as it is",
)
