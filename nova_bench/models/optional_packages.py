"""Packages that pipelines use if they are installed, and otherwise do without in silence: here they are required.

Without beautifulsoup4 or ftfy, diffusers leaves captions uncleaned and only logs it; without sentencepiece or protobuf,
some tokenizers can't be built. A number must not depend on what happens to be installed.
"""

from __future__ import annotations

from importlib.util import find_spec

from nova_bench.core.errors import UserError

EXTRA = "image-models"
INSTALL = f"pip install 'nova_bench[{EXTRA}]'"
PACKAGES = {"beautifulsoup4": "bs4", "ftfy": "ftfy", "protobuf": "google.protobuf", "sentencepiece": "sentencepiece"}
"""Package -> the module that it provides."""


def absent_packages() -> list[str]:
    """The packages that aren't installed; imports none of them."""
    return [package for package, module in PACKAGES.items() if not _is_there(module)]


def missing_packages() -> list[str]:
    """One line with the command that installs what is absent; empty if nothing is."""
    return [f"{', '.join(absent)}: {INSTALL}"] if (absent := absent_packages()) else []


def require_packages() -> None:
    """Raise UserError if a package is absent."""
    if absent := absent_packages():
        raise UserError(
            f"text-to-image pipelines need {', '.join(absent)}: without it, some change their prompts in silence",
            INSTALL,
        )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent isn't there
        return False
