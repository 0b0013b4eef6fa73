import pytest

from faceimit.words import plural


@pytest.mark.parametrize(
    ("count", "word", "said"),
    [(0, "clip", "0 clips"), (1, "clip", "1 clip"), (1200, "row", "1,200 rows"), (2, "file or row", "2 files or rows")],
)
def test_plurals(count, word, said):
    assert plural(count, word) == said
