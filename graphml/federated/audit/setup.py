"""Attacks from a configuration."""

import copy
import json
from typing import Any

from graphml.federated.audit.attack import Attack
from graphml.parser import GraphmlParser, UsageError


def resolve_attacks(attacks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Attacks with all their options written out.

    Args:
        attacks: Class paths with options.

    Raises:
        ValueError: If one is no attack, or has another option.
    """
    out: list[dict[str, Any]] = json.loads(json.dumps(_parsed(attacks).as_dict()))["attacks"]
    return out


def make_attacks(attacks: list[dict[str, Any]]) -> list[Attack]:
    """Make the attacks of a configuration.

    Args:
        attacks: Class paths with options.

    Raises:
        ValueError: If one is no attack, or has another option.
    """
    made: list[Attack] = _parser().instantiate(_parsed(attacks)).attacks
    return made


def _parsed(attacks: list[dict[str, Any]]) -> Any:
    try:
        return _parser().parse_object({"attacks": copy.deepcopy(attacks)})  # it changes what it is given
    except UsageError as error:
        raise ValueError(str(error)) from error


def _parser() -> GraphmlParser:
    parser = GraphmlParser(prog="graphml audit")
    parser.add_argument("--attacks", type=list[Attack], required=True, help="the attacks")
    return parser
