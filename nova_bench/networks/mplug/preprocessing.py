"""What mPLUG is given: an image's pixels and a question's ids, exactly as its official preprocessor makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nova_bench.networks.bert_tokens import BertTokenizer
from nova_bench.networks.frames import CLIP

if TYPE_CHECKING:
    from PIL.Image import Image

_LONGEST = 25  # ids of a question: a longer one is cut, and still ends with the end token


def image_input(image: Image, resolution: int) -> Tensor:
    """[3, resolution, resolution], normalized for CLIP; the aspect ratio is not kept.

    Pillow turns the image into RGB, whatever its mode (transparency is dropped), and resamples bytes bicubically.
    """
    import numpy as np
    from PIL.Image import Resampling

    pixels = np.array(image.convert("RGB").resize((resolution, resolution), Resampling.BICUBIC))
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in CLIP)
    return (torch.from_numpy(pixels).permute(2, 0, 1).float() / 255 - mean) / deviation


def question_ids(tokenizer: BertTokenizer, question: str) -> list[int]:
    """The ids of a question in lower case. What looks like a special token is taken as words."""
    return tokenizer.ids(question.lower(), _LONGEST)
