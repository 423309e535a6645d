"""Marks of tests on the card that isn't there."""

from __future__ import annotations

import pytest

from tests.card_driver import NO_COMPILER
from tests.fake_card import HAS_DRIVER

needs_driver = pytest.mark.skipif(not HAS_DRIVER, reason=NO_COMPILER)
