"""No condition: labels of the data are ignored."""

from gtk.core.contracts.conditioner import Conditioner


class Unconditional(Conditioner):
    """Acts nowhere."""

    conditional = False
