"""The corpora by name."""

import difflib
from collections.abc import Callable
from typing import Any

from faceimit.data.corpora.caer import list_caer
from faceimit.data.corpora.listing import Listing
from faceimit.data.corpora.videos import Roots, list_videos
from faceimit.data.corpora.voxceleb import list_voxceleb
from faceimit.data.corpora.vw300 import list_300vw
from faceimit.errors import InputError

CORPORA: dict[str, Callable[..., Listing]] = {
    "voxceleb": list_voxceleb,
    "300vw": list_300vw,
    "caer": list_caer,
    "videos": list_videos,
}


def list_corpus(corpus: str, root: Roots, **options: Any) -> Listing:
    """The videos of a corpus: ``CORPORA[corpus](root, **options)``.

    Raises:
        InputError: an unknown corpus, and what its reader raises.
    """
    if corpus not in CORPORA:
        near = difflib.get_close_matches(corpus, CORPORA, n=1)
        hint = f"did you mean {near[0]}" if near else f"valid names: {', '.join(CORPORA)}"
        raise InputError(f"there is no corpus '{corpus}', {hint}")
    return CORPORA[corpus](root, **options)
