"""Sizes of a stack of layers, checked in one place."""


def layer_widths(
    in_channels: int, out_channels: int, hidden_channels: int, num_layers: int, dropout: float
) -> list[int]:
    """Width of what enters the first layer, of what passes between the layers, and of what leaves the last.

    Args:
        in_channels: Width of the input.
        out_channels: Width of the output.
        hidden_channels: Width between layers.
        num_layers: Number of layers L.
        dropout: Dropout probability of the stack, which is checked with its sizes.

    Returns:
        L + 1 widths.

    Raises:
        ValueError: If a size is less than 1 or the dropout is no probability.
    """
    sizes = {"in_channels": in_channels, "num_classes": out_channels, "hidden_channels": hidden_channels}
    for name, value in (sizes | {"num_layers": num_layers}).items():
        if value < 1:
            raise ValueError(f"{name}: expected an integer >= 1, got {value}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout: expected a probability in [0, 1), got {dropout}")
    return [in_channels, *[hidden_channels] * (num_layers - 1), out_channels]
