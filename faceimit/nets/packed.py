"""Trained networks as one .safetensors file: weights, and a JSON header that says what they are. Nothing in it runs."""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from torch import Tensor

from faceimit.errors import InputError
from faceimit.nets.finite import check_finite


def pack(state: Mapping[str, Any], header: Mapping[str, Any], half: bool = True) -> bytes:
    """The content of a weights file.

    Args:
        state: of the network; what is not a tensor is left out.
        header: in plain types; ``format`` names network and version.
        half: store weights as float16, half the size; they are computed with as float32.
    """
    from safetensors.torch import save

    def stored(tensor: Tensor) -> Tensor:
        tensor = tensor.detach().cpu().contiguous()
        return tensor.half() if half and tensor.is_floating_point() else tensor

    tensors = {name: stored(value) for name, value in state.items() if isinstance(value, Tensor)}
    return save(tensors, metadata={"faceimit": json.dumps(dict(header), sort_keys=True)})


def unpack(source: str | Path, shipped: str, form: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights by name, as float32, and the header of a weights file.

    Args:
        source: a file, or "shipped".
        shipped: name of the file in ``faceimit/weights`` that "shipped" means.
        form: the ``format`` that the header must have.

    Raises:
        InputError: the file is missing, no weights file, damaged, of another network or version, or not
            finite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path: Any = resources.files("faceimit") / "weights" / shipped if str(source) == "shipped" else Path(source)
    try:
        content = path.read_bytes()
        state = {name: value.float() if value.is_floating_point() else value for name, value in load(content).items()}
        # A safetensors file begins with the length of its JSON header.
        text = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["faceimit"]
        header = json.loads(text)
    except OSError as error:
        raise InputError(f"cannot read weights {source}: {error.strerror}, check the path") from error
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{source} is not a weights file or is damaged, give one that faceimit wrote") from error
    if header.get("format") != form:
        raise InputError(f"weights {source} have format {header.get('format')!r} instead of {form!r}, train them again")
    check_finite(state, f"weights file {source}")
    return state, header
