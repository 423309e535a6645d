"""`--dims a,b`: a suite with only some of its scorers, and only the prompts that these score."""

from __future__ import annotations

from collections.abc import Sequence

from nova_bench.errors import UserError
from nova_bench.names import nearest
from nova_bench.spec import Suite


def only_dimensions(suite: Suite, names: Sequence[str]) -> Suite:
    """The suite with the scorers ``names``, those that decide which of their samples count, and their tags' prompts.

    The whole suite without any names. Samples and scores keep their identities. UserError for a name that no scorer of
    the suite has.
    """
    if not names:
        return suite
    uses = {use.name: use for use in suite.scorers}
    for name in names:
        if name not in uses:
            raise UserError(
                f"--dims: suite {suite.name} has no scorer {name!r}{nearest(name, uses)}", f"it has: {', '.join(uses)}"
            )
    wanted = {*names, *(uses[name].keep.scorer for name in names if uses[name].keep)}
    scorers = tuple(use for use in suite.scorers if use.name in wanted)
    changes: dict[str, object] = {"scorers": scorers}
    if suite.prompts and all(use.tags for use in scorers):
        tags = dict.fromkeys(tag for use in scorers for tag in use.tags)
        chosen = tuple(tag for tag in tags if not suite.prompts.tags or tag in suite.prompts.tags)
        if not chosen:
            raise UserError(
                f"--dims: prompts.tags of suite {suite.name} has none of {', '.join(tags)}", "leave prompts.tags out"
            )
        changes["prompts"] = suite.prompts.model_copy(update={"tags": chosen})
    return suite.model_copy(update=changes)
