"""A model that a user names, `module:attribute`, brought into a form that can be traced and priced."""

from __future__ import annotations

import importlib
import inspect
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from hwflow.ace.any_model import multiplications
from hwflow.ace.price import PricedNetwork, Widths, price
from hwflow.errors import FlowError


def price_model(name: str, shape: tuple[int, ...], widths: Widths) -> PricedNetwork:
    """The cost of one call of a model on an input of `shape` (batch included), float32.

    name: `module:attribute`, the module importable or a file's path without `.py` relative to the working folder.
    The attribute is a Flax module or a function without arguments that returns one, or a function of the input.

    Raises:
        FlowError: no such module or attribute, a model that cannot be traced, or one whose cost cannot be counted.
    """
    model = _find(name)
    image = jax.ShapeDtypeStruct(shape, jnp.float32)
    try:
        if _makes_a_model(model):
            model = cast(Callable[[], object], model)()
        if isinstance(model, nn.Module):
            module = model
            variables = jax.eval_shape(module.init, jax.random.key(0), image)
            parameters = sum(
                math.prod(leaf.shape) for leaf in jax.tree.leaves(variables.get("params", {}))
            )
            products = multiplications(lambda v, x: module.apply(v, x), variables, image)
        elif callable(model):
            function = cast(Callable[[Any], Any], model)
            parameters = None
            products = multiplications(lambda _, x: function(x), (), image)
        else:
            raise FlowError(
                f"is a {type(model).__name__}; name a Flax module or a function of the input"
            )
    except FlowError as error:
        raise FlowError(f"--model {name}: {error}") from error
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        raise FlowError(
            f"--model {name}: cannot be traced on an input of {'x'.join(map(str, shape))} "
            f"({type(error).__name__}: {first}); check --input-shape and the model"
        ) from error
    weights = sum(m.weights for m in products)
    others = None if parameters is None else max(0, parameters - weights)
    return price(name, "traced", products, widths, others)


def _makes_a_model(found: object) -> bool:
    """Whether it is to be called without arguments for the model."""
    if isinstance(found, type) and issubclass(found, nn.Module):
        return True
    if isinstance(found, nn.Module) or not callable(found):
        return False
    try:
        return not inspect.signature(found).parameters
    except (TypeError, ValueError):
        return False


def _find(name: str) -> object:
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise FlowError(
            f"--model {name}: expected MODULE:FUNCTION, such as mymodels.resnet:ResNet50"
        )
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise FlowError(
            f"--model {name}: {error}; run in the folder that holds {module_name}, or install it"
        ) from error
    except Exception as error:
        raise FlowError(
            f"--model {name}: importing {module_name} failed ({type(error).__name__}: {error}); correct it"
        ) from error
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise FlowError(f"--model {name}: {module_name} has no {attribute}; check the spelling")
        found = getattr(found, part)
    return found
