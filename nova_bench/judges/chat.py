"""What a vision-language model is given to read: its chat template with an image and a question, as token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_bench.core.batches import one_line
from nova_bench.core.errors import UserError
from nova_bench.core.json_text import parse_json
from nova_bench.core.regular_files import read_text

_TEMPLATE, _OLDER_TEMPLATE = "chat_template.jinja", "chat_template.json"


@dataclass(frozen=True)
class Chat:
    """A model's tokenizer, template and image token."""

    tokenizer: Any
    template: str
    image_token: int

    @classmethod
    def of(cls, folder: Path, tokenizer: Any, image_token: int) -> Chat:
        """The template of a model's folder, wherever its age has put it. UserError if it has none."""
        template = _template(folder) or tokenizer.chat_template
        if not isinstance(template, str) or not template:
            raise UserError(f"{folder}: has no chat template", "use a model that was tuned to follow instructions")
        return cls(tokenizer, template, image_token)

    def ids(self, text: str) -> tuple[list[int], list[int]]:
        """The tokens before the one that stands for the image, and those after it.

        ValueError if the text holds such tokens of its own.
        """
        message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}
        written = self.tokenizer.apply_chat_template(
            [message], chat_template=self.template, tokenize=False, add_generation_prompt=True
        )
        ids = list(self.tokenizer(written, add_special_tokens=False)["input_ids"])
        if ids.count(self.image_token) != 1:
            raise ValueError(f"{ids.count(self.image_token)} image tokens in the prompt of one image: {text!r}")
        place = ids.index(self.image_token)
        return ids[:place], ids[place + 1 :]


def _template(folder: Path) -> str:
    """The template that a folder keeps in a file of its own; empty if it has none."""
    try:
        if (folder / _TEMPLATE).exists():
            return read_text(folder / _TEMPLATE)
        if (folder / _OLDER_TEMPLATE).exists():
            return str(parse_json(read_text(folder / _OLDER_TEMPLATE))["chat_template"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: its chat template can't be read: {one_line(error)}", "fetch it again") from error
    return ""


def spellings(tokenizer: Any, words: Sequence[str]) -> list[list[int]]:
    """For each word the tokens that are nothing but this word, in any case and with any space around it.

    UserError if there is none for one of them.
    """
    found: list[list[int]] = [[] for _ in words]
    for token, number in sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1]):
        for place, word in enumerate(words):
            # The vocabulary writes spaces in its own way, letters as they are.
            if word in token.lower() and tokenizer.decode([number]).strip().lower() == word:
                found[place].append(number)
    for word, tokens in zip(words, found, strict=True):
        if not tokens:
            raise UserError(f"the model's vocabulary has no token {word!r}", "use another model as the judge")
    return found
