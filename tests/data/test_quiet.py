import logging

from faceimit.data.quiet import without_retries


def test_attempts_to_reach_the_hub_are_not_told_each(caplog):
    logger = logging.getLogger("huggingface_hub.utils._http")
    with without_retries():
        logger.warning("Retrying in 1s")
        logger.error("not reached")
    assert caplog.messages == ["not reached"]
    logger.warning("Retrying in 2s")
    assert caplog.messages[1:] == ["Retrying in 2s"]
