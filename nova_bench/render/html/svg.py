"""Prepares a figure's SVG for embedding in an HTML page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from nova_bench.render.figure_spec import FigureSpec
from nova_bench.render.figures import drawn_figure
from nova_bench.render.grid import clean_text

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"


def inline_svg(spec: FigureSpec, prefix: str) -> str:
    """The drawn figure as an ``svg`` element for an HTML body.

    Inline styles become presentation attributes, so that a page may forbid inline styles and may recolour the figure
    by attribute selectors; ``prefix`` keeps the ids of several figures apart; the title is its accessible name.
    """
    root = ET.fromstring(drawn_figure(spec, "svg"))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}metadata", f"{_SVG}style", f"{_SVG}title"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        element.attrib = _plain(element.attrib, prefix)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    label = clean_text(f"{spec.title}. {spec.caption}" if spec.caption else spec.title)
    root.attrib |= {"role": "img", "aria-label": label, "class": spec.width}
    return ET.tostring(root, encoding="unicode")


def _plain(attributes: dict[str, str], prefix: str) -> dict[str, str]:
    result: dict[str, str] = {}
    for name, value in attributes.items():
        if name == "style":
            pairs = (part.split(":", 1) for part in value.split(";") if ":" in part)
            result |= {key.strip(): _local(text.strip(), prefix) for key, text in pairs}
        elif name == "id":
            result[name] = prefix + value
        elif name == _HREF:
            result["href"] = value.replace("#", f"#{prefix}", 1)
        else:
            result[name] = _local(value, prefix)
    return result


def _local(value: str, prefix: str) -> str:
    return re.sub(r"url\(#", f"url(#{prefix}", value)
