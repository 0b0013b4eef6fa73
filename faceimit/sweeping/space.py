"""One swept parameter: W&B's way to write it, the values it can take, and the axis an optimiser sees."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faceimit.errors import InputError
from faceimit.tracking.config import neighbours

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# W&B's distributions and the settings each must have; "" are those that may be left out.
NEEDS: dict[str, tuple[tuple[str, ...], Mapping[str, float]]] = {
    "constant": (("value",), {}),
    "categorical": (("values",), {}),
    "categorical_w_probabilities": (("values", "probabilities"), {}),
    "int_uniform": (("min", "max"), {}),
    "uniform": (("min", "max"), {}),
    "q_uniform": (("min", "max"), {"q": 1}),
    "log_uniform": (("min", "max"), {}),
    "log_uniform_values": (("min", "max"), {}),
    "q_log_uniform": (("min", "max"), {"q": 1}),
    "q_log_uniform_values": (("min", "max"), {"q": 1}),
    "inv_log_uniform": (("min", "max"), {}),
    "inv_log_uniform_values": (("min", "max"), {}),
    "normal": ((), {"mu": 0, "sigma": 1}),
    "q_normal": ((), {"mu": 0, "sigma": 1, "q": 1}),
    "log_normal": ((), {"mu": 0, "sigma": 1}),
    "q_log_normal": ((), {"mu": 0, "sigma": 1, "q": 1}),
    "beta": ((), {"a": 1, "b": 1}),
    "q_beta": ((), {"a": 1, "b": 1, "q": 1}),
}
EDGE = 1e-6  # quantiles closer to 0 or 1 would be infinite
EXPONENTS = ("log_uniform", "q_log_uniform", "inv_log_uniform")  # those whose min and max are natural logarithms
LARGEST = 700  # of such a logarithm: e to more than that is no number


@dataclass(frozen=True)
class Parameter:
    """A Hydra key and what a sweep may set it to.

    Attributes:
        name: dotted, such as ``task.lr``.
        distribution: a key of :data:`NEEDS`.
        settings: min, max, q, mu, sigma, a, b, value, values, probabilities, as the distribution needs them.
    """

    name: str
    distribution: str
    settings: Mapping[str, Any]

    @property
    def varies(self) -> bool:
        """Whether there is anything to choose."""
        return self.distribution != "constant"

    @property
    def logarithmic(self) -> bool:
        """Whether its values are to be drawn on a logarithmic axis."""
        return "log_uniform" in self.distribution or "log_normal" in self.distribution

    def axis(self) -> "BaseDistribution":
        """What the optimiser chooses from: an index, a number in the range, or a quantile in (0, 1)."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.distribution == "categorical":
            return CategoricalDistribution(range(len(self.settings["values"])))
        if self.distribution == "int_uniform":
            return IntDistribution(self.settings["min"], self.settings["max"])
        if "uniform" in self.distribution:
            return FloatDistribution(*self._range(), log=self.logarithmic)
        return FloatDistribution(EDGE, 1 - EDGE)

    def value(self, chosen: Any) -> Any:
        """What the key is set to for a choice on :meth:`axis`; with q a multiple of it, as W&B rounds."""
        if self.distribution == "constant":
            return self.settings["value"]
        if self.distribution == "categorical":
            return self.settings["values"][chosen]
        if self.distribution == "int_uniform":
            return int(chosen)
        if "uniform" not in self.distribution:
            chosen = _QUANTILES[self.distribution.removeprefix("q_")](float(chosen), self.settings)
        return _rounded(chosen, self.settings["q"]) if "q" in self.settings else chosen

    def grid(self) -> list[Any]:
        """All values in W&B's order.

        Raises:
            InputError: there is no end of them.
        """
        low, high = self.settings.get("min", 0), self.settings.get("max", 0)
        if self.distribution == "categorical":
            return list(self.settings["values"])
        if self.distribution == "constant":
            return [self.settings["value"]]
        if self.distribution == "int_uniform":
            return list(range(low, high + 1))
        if self.distribution == "q_uniform":  # W&B's grid leaves out the maximum
            step = self.settings["q"]
            return [low + index * step for index in range(math.ceil((high - low) / step))]
        raise InputError(
            f"method: grid cannot list the values of {self.name}, which is {self.distribution}; give values: [...] "
            "or choose method: bayes or random"
        )

    def extremes(self) -> list[Any]:
        """Values that show whether the key takes what the file says: all of a list, the ends of a range."""
        if not self.varies or self.distribution.startswith("categorical"):
            return self.grid() if self.distribution != "categorical_w_probabilities" else list(self.settings["values"])
        axis: Any = self.axis()
        return [self.value(axis.low), self.value(axis.high)]

    def _range(self) -> tuple[float, float]:
        low, high = float(self.settings["min"]), float(self.settings["max"])
        if self.distribution in {"log_uniform", "q_log_uniform"}:
            return math.exp(low), math.exp(high)
        if self.distribution == "inv_log_uniform":
            return math.exp(-high), math.exp(-low)
        return low, high


def parameter(name: str, node: Any) -> Parameter:
    """A parameter of a sweep file, checked; what is not said is as W&B takes it.

    Raises:
        InputError: an unknown distribution or setting, one that is missing, a range that is none.
    """
    if not isinstance(node, Mapping):
        raise InputError(f"expected {name} to say value:, values: or min: and max:, but got {node!r}")
    if "parameters" in node:
        raise InputError(f"{name} is nested, which Hydra does not take; write its keys with dots, such as {name}.lr")
    distribution = str(node.get("distribution", _implied(node)))
    if distribution not in NEEDS:
        raise InputError(f"{name} has no distribution {distribution!r}, {neighbours(distribution, NEEDS)}")
    required, optional = NEEDS[distribution]
    given = {str(key): value for key, value in node.items() if key != "distribution"}
    for key in given:
        if key not in {*required, *optional}:
            raise InputError(f"{name} ({distribution}) has no {key!r}, {neighbours(key, [*required, *optional])}")
    for key in required:
        if key not in given:
            raise InputError(f"{name} ({distribution}) has no {key}:, add it")
    found = Parameter(name, distribution, dict(optional) | given)
    _check(found)
    return found


def _implied(node: Mapping[str, Any]) -> str:
    if "value" in node:
        return "constant"
    if "values" in node:
        return "categorical_w_probabilities" if "probabilities" in node else "categorical"
    return "int_uniform" if all(_is_int(node.get(key)) for key in ("min", "max")) else "uniform"


def _check(parameter: Parameter) -> None:
    name, settings = parameter.name, parameter.settings
    for key, value in settings.items():
        if key not in {"value", "values", "probabilities"} and not _is_number(value):
            hint = f", YAML reads {value!r} as text, write 1.0e-5 for 1e-5" if isinstance(value, str) else ""
            raise InputError(f"expected {key} of {name} to be a number but got {value!r}{hint}")
    if "values" in settings and not (isinstance(settings["values"], list) and settings["values"]):
        raise InputError(f"expected values of {name} to be a list but got {settings['values']!r}")
    _check_words(name, [*settings.get("values", []), settings.get("value", 0)])
    if "probabilities" in settings:
        _check_probabilities(parameter)
    if "min" in settings and not settings["min"] < settings["max"]:
        raise InputError(f"expected min of {name} to be below max but got {settings['min']} and {settings['max']}")
    if parameter.distribution.endswith("log_uniform_values") and settings["min"] <= 0:
        raise InputError(f"expected min of {name} ({parameter.distribution}) to be above 0 but got {settings['min']}")
    if parameter.distribution in EXPONENTS and any(abs(settings[key]) > LARGEST for key in ("min", "max")):
        raise InputError(
            f"expected min and max of {name} ({parameter.distribution}) to be exponents of e within ±{LARGEST} but got "
            f"{settings['min']} and {settings['max']}, or choose {parameter.distribution}_values"
        )
    if parameter.distribution == "int_uniform" and not all(_is_int(settings[key]) for key in ("min", "max")):
        raise InputError(f"expected min and max of {name} (int_uniform) to be whole numbers, or choose uniform")
    for key in {"q", "sigma", "a", "b"} & set(settings):
        if settings[key] <= 0:
            raise InputError(f"expected {key} of {name} to be above 0 but got {settings[key]}")


def _check_words(name: str, values: list[Any]) -> None:
    """Values are words of a command line and are kept as JSON."""
    if any(value is None for value in values):
        raise InputError(f"{name} is set to null, which W&B hands over as the word None; write 'null' in quotes")
    for value in _leaves(values):
        if not (value is None or isinstance(value, str | bool) or _is_number(value)):
            raise InputError(
                f"expected {name} to be set to numbers or text but YAML reads {value} as a {type(value).__name__}, "
                f"write '{value}' in quotes"
            )


def _check_probabilities(parameter: Parameter) -> None:
    weights, values = parameter.settings["probabilities"], parameter.settings["values"]
    good = isinstance(weights, list) and len(weights) == len(values) and all(_is_number(w) and w >= 0 for w in weights)
    if not good or abs(sum(weights) - 1) > 1e-6:
        raise InputError(f"expected probabilities of {parameter.name} to be {len(values)} numbers that add up to 1")


def _leaves(value: Any) -> Iterator[Any]:
    """What lists and mappings hold, however deep, their keys too."""
    if isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, Mapping):
        yield from _leaves([*value.keys(), *value.values()])
    else:
        yield value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _rounded(value: float, step: float) -> float:
    count = round(value / step)
    return count * step if isinstance(step, int) else round(count * step, 12)


def _listed(quantile: float, settings: Mapping[str, Any]) -> Any:
    reached = 0.0
    for value, weight in zip(settings["values"], settings["probabilities"], strict=True):
        reached += weight
        if quantile < reached:
            return value
    return settings["values"][-1]


def _normal(quantile: float, settings: Mapping[str, Any]) -> float:
    from scipy.stats import norm

    return float(norm.ppf(quantile, settings["mu"], settings["sigma"]))


def _beta(quantile: float, settings: Mapping[str, Any]) -> float:
    from scipy.stats import beta

    return float(beta.ppf(quantile, settings["a"], settings["b"]))


_QUANTILES: dict[str, Callable[[float, Mapping[str, Any]], Any]] = {
    "categorical_w_probabilities": _listed,
    "normal": _normal,
    "log_normal": lambda quantile, settings: math.exp(_normal(quantile, settings)),
    "beta": _beta,
}
