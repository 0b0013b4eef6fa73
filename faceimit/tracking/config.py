"""Configurations: where they are, how they are composed, and what is wrong with one in a sentence."""

import contextlib
import difflib
import math
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml
from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import AnyNode, DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from faceimit.errors import InputError, kind_of, reason

ROOT = "train"


def conf_dir() -> Path:
    """Absolute path of ``conf/``: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / f"{ROOT}.yaml").is_file():
            return folder
    raise InputError(f"no conf/ found beside or in {package}, install faceimit again")


def options(group: str) -> list[str]:
    """Valid names of a config group, such as ``experiment``."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def register_resolvers() -> None:
    """``${minutes:2.5}`` is Lightning's DD:HH:MM:SS."""
    OmegaConf.register_new_resolver("minutes", _as_duration, replace=True)


def composed(overrides: Iterable[str], root: str = ROOT) -> DictConfig:
    """The configuration of a training job, as ``faceimit.train`` sees it.

    Raises:
        InputError: a misspelt key, an unknown name or a value that does not parse.
    """
    overrides = list(overrides)
    with explained(overrides, root):
        return _compose(overrides, root)


def plain(config: DictConfig, root: str = ROOT) -> dict[str, Any]:
    """Resolved, as dicts, lists, strings and numbers."""
    with explained([], root):
        content = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(content, dict)
    return {str(name): value for name, value in content.items()}


@contextlib.contextmanager
def explained(overrides: Iterable[str], root: str = ROOT) -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise into one :class:`InputError`."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        if isinstance(error, InputError) or (type(error) is ValueError and not _raised_by_hydra(error)):
            raise
        raise InputError(_sentence(error, list(overrides), root)) from error


def _raised_by_hydra(error: Exception) -> bool:
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("hydra.")


def check_flags(flags: Iterable[str], overrides: Iterable[str], root: str = ROOT) -> None:
    """Refuse an option that Hydra does not have; a setting has no dashes.

    Args:
        flags: the words of a command line that are no overrides.
        overrides: the others.
        root: the configuration they are for.

    Raises:
        InputError: naming it and how the setting of that name is written.
    """
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    for word in parser.parse_known_args(list(flags))[1]:
        name = word.lstrip("-").partition("=")[0].replace("-", "_")
        with contextlib.suppress(InputError), explained(overrides, root):
            name = next(iter(_places(name, _compose(list(overrides), root))), name)
        raise InputError(f"there is no option {word}, settings are written without dashes: {name}=VALUE (see --help)")


def _refuse(message: str) -> NoReturn:
    raise InputError(f"{message}, see --help")


def path_quoted(override: str) -> str:
    """The override, its value quoted where it is a path that Hydra would not read as it stands.

    Hydra's grammar has no letters beyond ASCII, takes a comma for a sweep and brackets for a call.
    """
    name, _, value = override.partition("=")
    if "/" not in value or value[0] in "'\"[{":
        return override
    with contextlib.suppress(HydraException):
        if not OverridesParser.create().parse_override(override).is_sweep_override():
            return override
    return f"{name}={quoted(value)}"


def quoted(value: str) -> str:
    """A value that Hydra takes as it stands."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def unquoted(value: str) -> str:
    """A value without the quotes that Hydra takes off it."""
    quote = value[:1]
    if len(value) < 2 or quote not in {"'", '"'} or value[-1] != quote:
        return value
    return re.sub(r"\\(.)", r"\1", value[1:-1])


def neighbours(name: str, valid: Iterable[str]) -> str:
    """``did you mean 'a' or 'b'? valid: a, b, c``."""
    valid = sorted(valid)
    close = difflib.get_close_matches(name, valid, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(c) for c in close)}? " if close else ""
    return f"{hint}valid here: {', '.join(valid)}"


def _sentence(error: Exception, overrides: list[str], root: str) -> str:
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _damage(root) or _unknown_option(error)
    text = " ".join(str(error).split())
    unset = re.match(r"You must specify '([\w/]+)'", text)
    if unset:
        with contextlib.suppress(OmegaConfBaseException):
            try:  # a misspelt name of the group itself is worth telling first
                _compose([*overrides, f"{unset[1]}={options(unset[1])[0]}"], root)
            except HydraException as other:
                return _sentence(other, [*overrides, f"{unset[1]}={options(unset[1])[0]}"], root)
        return f"{unset[1]}=NAME is missing, valid names: {', '.join(options(unset[1]))}"
    key = re.match(r"Could not override '([^']+)'", text)
    if key and isinstance(error, ConfigCompositionException):
        return _unknown_key(key[1], overrides, root)
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key}=VALUE is missing: {_remark(str(error.full_key), root)}"
    instead = re.search(r"Error trying to access ([\w.]+): node `([\w.]+)` is not a container", text)
    if instead:
        return f"expected {instead[2]} to be a group of settings, set {instead[1]} instead"
    if "@" not in text and isinstance(error, OmegaConfBaseException) and error.full_key:
        return f"configuration key {error.full_key}: {text.split(' full_key:')[0]}"
    if isinstance(error, OverrideParseException):
        return f"{error.override!r} is not an override, write name=value (quote what the shell or Hydra would split)"
    return _damage(root) or _no_option(overrides, root) or f"the configuration does not compose: {text}"


def _damage(root: str) -> str:
    """What is wrong with the first file of conf/ that is none; empty, where all are whole."""
    for path in (conf_dir() / f"{root}.yaml", *(path for group in _groups(root) for path in _files(group))):
        try:
            content = OmegaConf.to_container(OmegaConf.load(path))
        except (OmegaConfBaseException, yaml.YAMLError, ValueError, OSError) as error:
            return f"{path} cannot be read ({reason(error) or 'it is no YAML'}), mend the file or restore it"
        if not isinstance(content, dict):
            return f"expected {path} to hold names and values but got {kind_of(content)}, mend the file or restore it"
        defaults = content.get("defaults", [])
        if not isinstance(defaults, list) or not all(_is_default(entry) for entry in defaults):
            return f"expected defaults in {path} to be a list of group: name, mend the file or restore it"
    return ""


def _files(group: str) -> list[Path]:
    return sorted((conf_dir() / group).rglob("*.yaml"))


def _is_default(entry: Any) -> bool:
    return isinstance(entry, str) or (
        isinstance(entry, dict) and all(isinstance(v, str | None) for v in entry.values())
    )


def _no_option(overrides: list[str], root: str) -> str:
    """Which override gives something else than a name to a group."""
    for group in _groups(root):
        for override in overrides:
            name, _, value = override.partition("=")
            if name == group and value not in options(group):
                return f"{override} does not exist, {neighbours(value, options(group))}"
    return ""


def _remark(key: str, root: str) -> str:
    """What the configuration file says of a key behind its value."""
    found = re.search(rf"^{re.escape(key)}:.*?# *(.*)$", (conf_dir() / f"{root}.yaml").read_text(), re.MULTILINE)
    return found[1] if found else f"add {key}=..."


def _unknown_option(error: MissingConfigException) -> str:
    group, _, name = str(error.missing_cfg_file).rpartition("/")
    return f"{group}={name} does not exist, {neighbours(name, error.options or options(group))}"


def _unknown_key(key: str, overrides: list[str], root: str) -> str:
    rest = [o for o in overrides if not re.match(rf"[+~]*{re.escape(key)}(@|=|$)", o)]
    try:
        config: Any = _compose(rest, root)
    except (HydraException, OmegaConfBaseException) as error:
        return _sentence(error, rest, root)
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if isinstance(config, AnyNode) and config._is_interpolation():
            source = str(config._value())[2:-1]
            return f"{'.'.join(parts[:depth])} follows {source}, set {'.'.join([source, *parts[depth:]])} instead"
        if not isinstance(config, DictConfig):
            return f"configuration key {key} goes too deep, {'.'.join(parts[:depth])} is a plain value"
        if part not in config:
            where = f" in {'.'.join(parts[:depth])}" if depth else ""
            more = set(_groups(root)) if depth == 0 else _parameters(config)
            if part in more and depth:
                return f"configuration key '{part}'{where} is not set so far, add it with +{key}=..."
            there = [] if depth else _places(part, config)
            if there:
                return f"there is no configuration key '{part}', did you mean {' or '.join(map(repr, there))}?"
            keys = {str(k) for k in config} | more
            return f"there is no configuration key '{part}'{where}, {neighbours(part, keys)}"
        config = config._get_node(part)
    if isinstance(config, DictConfig):
        return f"{key} is a group of settings, set each of them: {key}.NAME=VALUE (with a + before it if it is new)"
    return f"configuration key {key} cannot take that value"


def _places(name: str, node: Any, above: str = "") -> list[str]:
    """Full names of the keys called `name`."""
    if not isinstance(node, DictConfig):
        return []
    found = [f"{above}{name}"] if name in node else []
    inner = ((key, node._get_node(key)) for key in map(str, node))
    return found + [place for key, child in inner for place in _places(name, child, f"{above}{key}.")]


def _parameters(node: DictConfig) -> set[str]:
    from faceimit.tracking.schema import parameters  # which imports what the node names: only to explain an error

    return set(parameters(node)) if "_target_" in node else set()


def _groups(root: str) -> list[str]:
    """Names of the groups a root configuration chooses from, each ``NAME=OPTION``."""
    text = (conf_dir() / f"{root}.yaml").read_text(errors="replace")
    named = re.findall(r"^  - (?:optional )?(\w+)(?:/\w+)?:", text, re.MULTILINE)
    return [name for name in dict.fromkeys(named) if (conf_dir() / name).is_dir()]


def _compose(overrides: list[str], root: str) -> DictConfig:
    register_resolvers()
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            return compose(root, [path_quoted(override) for override in overrides])
    finally:
        GlobalHydra.instance().hydra = before


def _as_duration(minutes: Any) -> Any:
    if not isinstance(minutes, int | float) or not math.isfinite(minutes):
        return minutes  # which the check of the configuration refuses, but None
    seconds = round(60 * minutes)
    return f"{seconds // 86400:02d}:{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def changed_values(config: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """What the user's overrides set: dotted name to value in `config`; a group choice counts for its whole node."""
    changed: dict[str, Any] = {}
    for override in overrides:
        name = override.lstrip("+~").split("=", 1)[0].split("@", 1)[0]
        if name in {"resume", "profile/for"} or name.startswith("hydra"):
            continue
        value: Any = config
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        changed[name] = value
    return changed
