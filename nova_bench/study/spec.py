"""What a study says: a common base and its arms. Knows nothing of files, models or torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from nova_bench.spec import PublishedSpec, SpecModel


class Arm(SpecModel):
    """One model or setting of a study: the base suite with some values changed."""

    label: str = Field(min_length=1)
    """How tables and figures call this arm."""
    group: str = ""
    """Arms of one group are pooled, for example trainings that differ by their seed only. Alone where empty."""
    seed: int | None = None
    """Seed of this arm's training. It tells the arms of a group apart and changes nothing."""
    model: dict[str, Any] | None = None
    """Model section of this arm, instead of the base's; `--model` doesn't replace it."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Values that differ from the base: dotted key -> value, as `--set` takes them."""
    published: PublishedSpec | None = None
    """Numbers somebody published for this arm (of a group: for any of its arms)."""


class Study(SpecModel):
    """Several models or settings, measured on the same prompts and compared."""

    kind: Literal["study"]
    """Which kind of suite this is: several arms, compared."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    """Short name: lower-case letters, digits, - and _. Names the folders of the runs."""
    title: str
    """Title of the report."""
    description: str = ""
    """What is compared and why, in a sentence or two."""
    base: dict[str, Any]
    """A suite that all arms share (`extends` another, or all of its keys); it needs neither name nor title."""
    arms: tuple[Arm, ...] = Field(min_length=1)
    """What is compared."""
    reference: str = ""
    """Arm or group that differences are taken from; the first where empty."""
