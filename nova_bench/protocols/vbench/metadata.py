"""What VBench's prompts carry besides their text: the names and types that its semantic dimensions read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from nova_bench.config.metadata import Metadata, MetadataSchema


class SpatialRelationship(MetadataSchema):
    """Two objects and the position of the first relative to the second."""

    object_a: str
    """The first object, for example "bicycle"."""
    object_b: str
    """The second object, for example "car"."""
    relationship: Literal["on the left of", "on the right of", "on the top of", "on the bottom of"]
    """Where the first one is."""


class VBenchMetadata(MetadataSchema):
    """Everything that a VBench prompt may carry; its dimensions decide which fields it has."""

    object: str | None = None
    """object_class and color: the object's name, for example "bicycle"."""
    objects: tuple[str, str] | None = None
    """multiple_objects: the names of both, for example ["bird", "cat"]."""
    color: str | None = None
    """color: the colour's name, for example "red"."""
    spatial_relationship: SpatialRelationship | None = None
    """spatial_relationship: both objects, and where the first one is."""
    scene: str | None = None
    """scene: the place, in the words that a caption must contain, for example "alley"."""
    appearance_style: str | None = None
    """appearance_style: the style in the words of the prompt, for example "Van Gogh style"."""
    action: str | None = None
    """human_action: the action in the words of the prompt, for example "riding a bike"."""


def official_metadata(record: Mapping[str, Any]) -> Metadata:
    """The metadata of an entry of VBench_full_info.json. KeyError, TypeError or ValueError if its form differs.

    The file states metadata by dimension, as ``auxiliary_info``. VBench's own scripts cut the object of color and the
    action of human_action out of the prompt; the same is done here.
    """
    stated: dict[str, Any] = {}
    for dimension, value in record.get("auxiliary_info", {}).items():
        match dimension:
            case "object_class":
                stated["object"] = value["object"]
            case "multiple_objects":
                stated["objects"] = tuple(part.strip() for part in value["object"].split(" and "))
            case "color":
                stated["color"] = value["color"]
                stated["object"] = _without_articles(record["prompt_en"]).replace(value["color"], "").strip()
            case "scene":
                stated["scene"] = value["scene"]["scene"]
            case "spatial_relationship" | "appearance_style":
                stated[dimension] = value[dimension]
    if "human_action" in record["dimension"]:
        stated["action"] = record["prompt_en"].lower().split("person is ")[-1]
    return Metadata.of(VBenchMetadata.model_validate(stated).model_dump(exclude_none=True))


def _without_articles(prompt: str) -> str:
    return prompt.replace("a ", "").replace("an ", "")
