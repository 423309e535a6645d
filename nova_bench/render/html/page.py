"""What every page shares: templates, one style, and a policy that allows nothing from outside the file."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from nova_bench.core.visible_text import visible
from nova_bench.render.grid import clean_text

HOME = "nova_bench.render.html"
"""The package whose ``templates`` folder has what pages share; a page's own package may add to it."""

Asset = tuple[str, str]
"""(package, name of a file in its ``templates`` folder)."""


def render_page(package: str, name: str, styles: Sequence[Asset], scripts: Sequence[Asset], **context: Any) -> str:
    """The text of a page from the template ``name`` of ``package``, with its styles and scripts inside.

    The template extends ``page.html.j2``. All text that it shows is escaped unless it is marked as markup.
    """
    from markupsafe import Markup

    style, script = "".join(_asset(*asset) for asset in styles), "".join(_asset(*asset) for asset in scripts)
    template = _environment(package).get_template(name)
    return template.render(policy=_policy(style, script), style=Markup(style), script=Markup(script), **context)


def flat(entries: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as (name, text) for a page's provenance; the names of a level are joined by a dot."""
    for key, value in entries.items():
        name = f"{above} · {key}" if above else str(key)
        if isinstance(value, Mapping):
            yield from flat(value, name)
        else:
            yield name, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _policy(style: str, script: str) -> str:
    """A policy that allows only this page's own style and script and no network access."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_digest(script)}",
            f"style-src {_digest(style)}",
            "img-src 'self' data: file:",
            "media-src 'self' data: file:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(package: str, name: str) -> str:
    return files(package).joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _environment(package: str) -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in dict.fromkeys((package, HOME))]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["line"] = lambda value: clean_text(str(value))
    environment.filters["breakable"] = lambda name: re.sub("(?<=[_/])|(?=@)", "\u200b", name)
    environment.filters["visible"] = lambda value: visible(str(value))
    environment.filters["number"] = lambda value: "" if value is None else f"{value:.6g}"
    return environment
