"""The hyperparameters of RecBole's models: the types of the values in its YAML files, with the bounds of its code."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from recbole_kd.bridge import properties
from recbole_kd.bridge.run_settings import RunSettings
from recbole_kd.foundation.settings import Count, CountOrZero, NonNegative, Positive, Probability, Settings

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Path = str | None

# whole numbers in RecBole's files that its code takes as any number
_NUMBERS = frozenset({"negative_weight", "resolution", "w_max", "w_min", "q"})
# whole numbers that may be zero, which leaves something out
_MAY_BE_ZERO = frozenset(
    {
        "n_layers",
        "n_iterations",
        "split_to",
        "sampling_steps",
        "warm_up_step",
        "hyper_layers",
        "total_anneal_steps",
        "anneal_steps",
        "vae_anneal_steps",
    }
)
_PROBABILITIES = ("dropout", "drop_ratio", "corruption_ratio")
_ABOVE_ZERO = frozenset({"tau", "ssl_tau", "ssl_temp", "rho", "std"})
_AT_LEAST_ZERO = ("reg", "weight", "anneal_cap", "shrink", "lambda", "noise_", "l1_ratio")
_ACTIVATIONS = Literal["sigmoid", "tanh", "relu", "leakyrelu", "none"]
_WORDS: dict[tuple[str, str], Any] = {
    ("AsymKNN", "knn_method"): Literal["item", "user"],
    ("CDAE", "hid_activation"): Literal["sigmoid", "relu", "tanh"],
    ("CDAE", "loss_type"): Literal["BCE", "MSE"],
    ("CDAE", "out_activation"): Literal["sigmoid", "relu"],
    ("ConvNCF", "train_method"): Literal["after_pretrain", "no_pretrain"],
    ("DMF", "inter_matrix_type"): Literal["01", "rating"],
    ("DiffRec", "mean_type"): Literal["x0", "eps"],
    ("DiffRec", "mlp_act_func"): _ACTIVATIONS,
    ("DiffRec", "noise_schedule"): Literal["linear", "linear-var", "cosine", "binomial"],
    ("GCMC", "accum"): Literal["sum", "stack"],
    ("ItemKNN", "knn_method"): Literal["item", "user"],
    ("LDiffRec", "ae_act_func"): _ACTIVATIONS,
    ("LDiffRec", "mean_type"): Literal["x0", "eps"],
    ("LDiffRec", "mlp_act_func"): _ACTIVATIONS,
    ("LDiffRec", "noise_schedule"): Literal["linear", "linear-var", "cosine", "binomial"],
    ("LINE", "order"): Literal[1, 2],
    ("NAIS", "algorithm"): Literal["prod", "concat"],
    ("NNCF", "neigh_info_method"): Literal["random", "knn", "louvain"],
    ("RaCT", "train_stage"): Literal["actor_pretrain", "critic_pretrain", "finetune"],
    ("S3Rec", "train_stage"): Literal["pretrain", "finetune"],
    ("SGL", "type"): Literal["ED", "ND", "RW"],
    ("SimpleX", "aggregator"): Literal["mean", "user_attention", "self_attention"],
}


def settings_of_recbole(model: str) -> type[Settings]:
    """The hyperparameters of one of RecBole's models; no fields for a model that RecBole does not have.

    A sentence about a wrong value ends with the default as an example.
    """
    return _settings(model, properties.RECBOLE_FOLDER)


def declared_settings(model: type) -> type[Settings]:
    """The hyperparameters of a model: its ``settings_class``, its ``DEFAULTS``, or those of RecBole's YAML file.

    ``DEFAULTS`` is a dict of values by key, for models of other authors; their types are those of the values.
    """
    found: type[Settings] | None = getattr(model, "settings_class", None)
    if found is not None:
        return found
    defaults = getattr(model, "DEFAULTS", None)
    if isinstance(defaults, dict):
        return _of_defaults(model.__name__, {str(key): value for key, value in defaults.items()})
    return settings_of_recbole(model.__name__)


def own_defaults(model: type) -> dict[str, Any]:
    """The values that a class of the user's own brings for its keys, as a YAML file does for RecBole's."""
    if "model_source" in vars(model) or isinstance(getattr(model, "DEFAULTS", None), dict):
        fields = declared_settings(model).model_fields
        found = {key: field.get_default() for key, field in fields.items() if not field.is_required()}
        return {**found, "model_source": vars(model).get("model_source", "")}
    return {}


@cache
def _settings(model: str, folder: Any) -> type[Settings]:
    defaults = properties.values_of(folder / "model" / f"{model}.yaml")
    return _of_defaults(model, defaults)


def _of_defaults(model: str, defaults: dict[str, Any]) -> type[Settings]:
    own = {key: default for key, default in defaults.items() if key not in RunSettings.model_fields}
    fields: dict[str, Any] = {key: (_type_of(model, key, default), default) for key, default in own.items()}
    return create_model(f"{model}Settings", __base__=_OfRecBole, **fields)


class _OfRecBole(Settings, protected_namespaces=()):
    @classmethod
    def example_of(cls, key: str) -> str:
        """The default, unless it is none."""
        default = cls.model_fields[key].default
        return f", such as {default}" if default not in (None, "", []) else ""


def _type_of(model: str, key: str, default: Any) -> Any:
    """Of a key's value, from that of its default."""
    if (model, key) in _WORDS:
        return _WORDS[model, key]
    if key == "loss_type":
        return Literal["BPR", "CE"]
    if key.endswith("_path"):
        return _Path
    if isinstance(default, bool | str):
        return type(default)
    if isinstance(default, list):
        inside: Any = _type_of(model, key, default[0]) if default else Count
        of_terms = bool(default) and isinstance(default[0], float)  # a number for each of some terms
        bounds = Field(min_length=len(default), max_length=len(default)) if of_terms else Field()
        return Annotated[list[inside], bounds]
    if isinstance(default, int) and default < 0:
        return int
    if isinstance(default, int) and key not in _NUMBERS:
        return CountOrZero if key in _MAY_BE_ZERO or default == 0 else Count
    if isinstance(default, int | float):
        return _number(key)
    return Any


def _number(key: str) -> Any:
    if any(word in key for word in _PROBABILITIES):
        return Probability
    if key in _ABOVE_ZERO:
        return Positive
    return NonNegative if any(word in key for word in _AT_LEAST_ZERO) else _Number
