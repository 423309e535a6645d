"""Chromium, if it is here: how to start it without a screen and without a network, and what axe says about a page."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = Path(__file__).parents[1] / "build/npm/node_modules/axe-core/axe.min.js"
"""Installed by `.ci/run`: npm install --prefix build/npm axe-core@4"""
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=3000",
    "--dump-dom",
]
DARK = "--blink-settings=preferredColorScheme=0"
_PROBE = """
addEventListener("load", async () => {
  const root = document.documentElement;
  const found = { height: root.scrollHeight, width: root.scrollWidth, inner: innerWidth };
  found.dark = matchMedia("(prefers-color-scheme: dark)").matches;
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  const { violations, incomplete } = await axe.run(document, { resultTypes: ["violations", "incomplete"] });
  const told = ({ id, nodes }) => nodes.map((node) => {
    const checks = [...node.any, ...node.all, ...node.none];
    return [id, checks.map((check) => check.message).join("; "), node.html.slice(0, 200)];
  });
  found.violations = violations.flatMap(told);
  found.undecided = incomplete.flatMap(told);
  parent.postMessage(JSON.stringify(found), "*");
});
"""
_FRAME = """<!doctype html><iframe width={width} height=900 src="{name}"></iframe><pre></pre>
<script>onmessage = ({{ data }}) => {{ document.querySelector("pre").textContent = data; }};</script>
"""


def looked_at(page: Path, width: int, dark: bool, profile: Path) -> dict[str, Any]:
    """A page in a window of that many pixels: its height before any fold is opened, and axe's findings after.

    Its policy is left out of the copy that is opened, since axe is not a script of the page.
    """
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    axe = AXE.read_text(encoding="utf-8").replace("</script", "<\\/script")
    copy, frame = page.with_name("copy-for-axe.html"), page.with_name("frame-for-axe.html")
    copy.write_text(
        text.replace("</body>", f"<script>{axe}</script><script>{_PROBE}</script></body>"), encoding="utf-8"
    )
    frame.write_text(_FRAME.format(width=width, name=copy.name))
    command = [
        str(CHROMIUM),
        *FLAGS,
        "--virtual-time-budget=20000",
        f"--user-data-dir={profile}",
        "--enable-logging=stderr",
    ]
    command += [f"--window-size={width + 100},1000", *([DARK] if dark else [])]
    try:
        shown = subprocess.run([*command, frame.as_uri()], capture_output=True, text=True, timeout=300, check=True)
    finally:
        copy.unlink()
        frame.unlink()
    found = json.loads(html.unescape(shown.stdout.split("<pre>")[1].split("</pre>")[0]))
    found["console"] = [line for line in shown.stderr.splitlines() if "CONSOLE" in line]
    return found
