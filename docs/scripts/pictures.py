"""Photograph pages for the documentation: python docs/scripts/pictures.py NAME=PAGE.html[:HEIGHT] ...

Needs Chromium. Writes docs/images/NAME.png, 960 pixels wide, in 256 colours.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "images"
WIDTH, SHOWN, HEIGHT, COLOURS = 1280, 960, 1000, 256
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"]


def photograph(page: Path, height: int) -> bytes:
    """The top of a page as PNG."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("needs chromium")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        window = [f"--window-size={WIDTH},{height}", "--virtual-time-budget=4000", f"--user-data-dir={folder}/profile"]
        command = [browser, *FLAGS, *window, f"--screenshot={shot}", page.resolve().as_uri()]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        with Image.open(shot) as image:
            small = image.convert("RGB").resize((SHOWN, image.height * SHOWN // image.width), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.quantize(COLOURS, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for wanted in sys.argv[1:]:
        name, _, page = wanted.partition("=")
        path, _, height = page.partition(":")
        (FOLDER / f"{name}.png").write_bytes(photograph(Path(path), int(height or HEIGHT)))


if __name__ == "__main__":
    main()
