import logging

import pytest

from faceimit.data.quiet import without_retries


def test_attempts_to_reach_the_hub_are_not_told_each(caplog):
    pytest.importorskip("huggingface_hub")
    logger = logging.getLogger("huggingface_hub.utils._http")
    with without_retries():
        logger.warning("Retrying in 1s")
    assert not caplog.messages
    logger.warning("Retrying in 2s")
    assert not logger.isEnabledFor(logging.DEBUG)
    assert logger.isEnabledFor(logging.WARNING)
