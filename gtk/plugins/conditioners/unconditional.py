"""No condition: the labels of the data, if any, are ignored."""

from gtk.core.contracts.conditioner import Conditioner


class Unconditional(Conditioner):
    """Acts nowhere."""

    conditional = False
