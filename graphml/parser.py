"""The parser of all that is configured by class and options: readable errors, sizes that data give to models."""

import functools
from collections.abc import Callable
from typing import Any, NoReturn

from jsonargparse import Namespace
from pytorch_lightning.cli import LightningArgumentParser

LINKED = ("in_channels", "num_classes", "num_speakers", "num_entities", "num_relations")
"""What the data module knows and the model needs: never written in a configuration."""


class UsageError(Exception):
    """A wrong option or configuration; the message says which."""


class RefusedError(UsageError):
    """A value that a class refused: its message says all, and no help page says more."""


class GraphmlParser(LightningArgumentParser):
    """Lightning's parser with errors that can be read: without the two screens of usage that hide them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # An abbreviation would make a misspelt option do something: --trainer.max_epoch, --model.w.
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def get_defaults(self, *args: Any, **kwargs: Any) -> Namespace:
        """Defaults of all options, but not the options of the default data module.

        Those would pass, as if they had been given, to any other class of data that has an option of the same name.
        They are filled in when the class is known.

        Args:
            *args: As jsonargparse has them.
            **kwargs: Likewise.
        """
        defaults = super().get_defaults(*args, **kwargs)
        if isinstance(defaults.get("data"), Namespace):
            defaults["data"].pop("init_args", None)
        return defaults

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong.

        Args:
            message: What is wrong.
            ex: The exception behind it.

        Raises:
            UsageError: Always, but in the parsers of nested classes, whose errors are collected.
        """
        if not self.exit_on_error:
            super().error(message, ex)
        raise UsageError(message) from ex


def size_of(name: str, data: Any) -> Any:
    """A size that data define; None where such data have no such size.

    Args:
        name: One of `LINKED`.
        data: The data module.
    """
    return getattr(data, name, None)


def link_sizes(parser: LightningArgumentParser, size: Callable[[str, Any], Any] = size_of) -> None:
    """Let the sizes that the data define flow to the model.

    Args:
        parser: Parser with the options ``data`` and ``model``.
        size: From the name of a size and the data module to its value.
    """
    for name in LINKED:
        parser.link_arguments(
            "data", f"model.init_args.{name}", compute_fn=functools.partial(size, name), apply_on="instantiate"
        )
