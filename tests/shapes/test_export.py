"""What is exported is what a suite reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from nova_bench.errors import UserError
from nova_bench.load import load_suite
from nova_bench.prompts import suite_prompts
from nova_bench.shapes import Scene, ShapesWorld, parse_caption
from nova_bench.shapes.export import export, write_prompts
from nova_bench.video import read_clip
