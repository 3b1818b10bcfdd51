"""A model whose module sets a variable for everybody when it is imported."""

import os

from gtk_plugin_wrong_models.sound import Sound

os.environ["WRONG_MODELS"] = "1"


class Meddler(Sound):
    pass
