"""Models of the judges' families with random weights, in folders laid out as on the hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
SPELLINGS = {"yes": ("yes", "Ġyes", "Yes", "ĠYes", "YES"), "no": ("no", "Ġno", "No", "ĠNO")}
"""As vocabularies of bytes write them: Ġ is a space."""
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
_HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
# The fields of the published files, with smaller limits.
_QWEN25_IMAGES = {
    "min_pixels": 3136,
    "max_pixels": 401408,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    **_CLIP,
    "image_processor_type": "Qwen2VLImageProcessor",
    "processor_class": "Qwen2_5_VLProcessor",
}
_QWEN3_IMAGES = {
    "size": {"longest_edge": 524288, "shortest_edge": 4096},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    **_HALF,
    "processor_class": "Qwen3VLProcessor",
    "image_processor_type": "Qwen2VLImageProcessorFast",
}


CLASSES = {
    "qwen2_vl": "Qwen2VL",
    "qwen2_5_vl": "Qwen2_5_VL",
    "qwen3_vl": "Qwen3VL",
    "qwen3_vl_moe": "Qwen3VLMoe",
}
"""Architecture -> what its classes in transformers begin with."""


def chat_tokenizer() -> Any:
    """A tokenizer of bytes, with tokens for yes and no, and those of a chat with an image."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [spelling for spellings in SPELLINGS.values() for spelling in spellings]
    entries = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), *words, "Ġyesterday", "nothing"]
    core = Tokenizer(models.BPE(vocab={text: number for number, text in enumerate(entries)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(SPECIAL)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token=SPECIAL[2], pad_token=SPECIAL[0])


def make_vlm(folder: Path, family: str, width: int = 32, layers: int = 2, seed: int = 0) -> Path:
    """A vision-language model of one of :data:`CLASSES`. Its yes and no point in opposite directions."""
    import transformers

    reader = chat_tokenizer()
    text = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": len(reader) + 6,
        "max_position_embeddings": 4096,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [width // 16, width // 16, width // 8],
        },
        "pad_token_id": 0,
    }
    if family in ("qwen3_vl", "qwen3_vl_moe"):
        images = _QWEN3_IMAGES
        text |= {"head_dim": width // 2}
        vision = {"out_hidden_size": width, "deepstack_visual_indexes": [0], "num_position_embeddings": 64}
        if family == "qwen3_vl_moe":
            text |= {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": width}
    else:
        images = _QWEN25_IMAGES
        vision = {"out_hidden_size": width, "window_size": 56, "fullatt_block_indexes": [layers - 1]}
    vision |= {"depth": layers, "hidden_size": width, "intermediate_size": 2 * width, "num_heads": 2}
    if family == "qwen2_vl":
        vision = {"depth": layers, "embed_dim": width, "hidden_size": width, "num_heads": 2}
    text |= {"bos_token_id": 0, "eos_token_id": 2}
    ids = {
        "image_token_id": reader.convert_tokens_to_ids("<|image_pad|>"),
        "vision_start_token_id": reader.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": reader.convert_tokens_to_ids("<|vision_end|>"),
        "video_token_id": len(reader),
    }
    config = getattr(transformers, f"{CLASSES[family]}Config")(text_config=text, vision_config=vision, **ids)
    torch.manual_seed(seed)
    model = getattr(transformers, f"{CLASSES[family]}ForConditionalGeneration")(config)
    _spread(model)
    direction = (32 / width) ** 0.5 * torch.randn(width)
    for spelling in SPELLINGS["yes"]:
        model.lm_head.weight.data[reader.convert_tokens_to_ids(spelling)] = direction
    for spelling in SPELLINGS["no"]:
        model.lm_head.weight.data[reader.convert_tokens_to_ids(spelling)] = -direction
    model.save_pretrained(folder)
    reader.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    return folder


def _spread(model: torch.nn.Module) -> None:
    """Weights large enough for images and questions to matter."""
    for name, weight in model.named_parameters():
        if weight.ndim >= 2 and "norm" not in name:
            torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    torch.nn.init.normal_(model.get_input_embeddings().weight)


def word_tokenizer(folder: Path) -> Any:
    """BERT's tokenizer with letters for a vocabulary, written as on the hub."""
    from transformers import BertTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz"
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join([*entries, "?", "yes", "no", "the", "is"]) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    return BertTokenizer.from_pretrained(folder)


def make_vqa(folder: Path, family: str, width: int = 32, layers: int = 2, seed: int = 0) -> Path:
    """A model for visual question answering: ``vilt`` or ``blip``."""
    import transformers

    reader = word_tokenizer(folder)
    size = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers, "num_attention_heads": 2}
    torch.manual_seed(seed)
    if family == "vilt":
        labels = dict(enumerate(("yes", "no", "red", "2")))
        config = transformers.ViltConfig(
            **size,
            vocab_size=len(reader),
            max_position_embeddings=40,
            image_size=64,
            patch_size=32,
            id2label=labels,
            label2id={name: number for number, name in labels.items()},
        )
        model = transformers.ViltForQuestionAnswering(config)
        images = {
            "image_processor_type": "ViltImageProcessor",
            "size": {"shortest_edge": 64},
            "size_divisor": 32,
            **_HALF,
        }
    else:
        text = {**size, "vocab_size": len(reader), "encoder_hidden_size": width, "max_position_embeddings": 64}
        text |= {"bos_token_id": 4, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
        config = transformers.BlipConfig(
            text_config=text, vision_config={**size, "image_size": 64, "patch_size": 16}, projection_dim=width
        )
        model = transformers.BlipForQuestionAnswering(config)
        images = {"image_processor_type": "BlipImageProcessor", "size": {"height": 64, "width": 64}, **_CLIP}
    _spread(model)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    return folder
