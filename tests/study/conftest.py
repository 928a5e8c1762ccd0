"""What the tests of study/ share."""

from __future__ import annotations

import pytest
from support.study_pages import summary_maker


@pytest.fixture
def summary(tmp_path):
    """Write a study of three optimizers and summarise it; tuned accuracies in their order."""
    return summary_maker(tmp_path)
