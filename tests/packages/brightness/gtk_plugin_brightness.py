"""A metric: how bright generated images are, as a multiple of the test images."""

from collections import Counter
from typing import ClassVar

import gtk


class Brightness(gtk.Metric):
    figures: ClassVar = {"brightness": gtk.FigureSpec("mean level, 1 as that of test images")}
    sources = frozenset({"generated", "test"})

    def __init__(self, config, data_spec):
        super().__init__(config, data_spec)
        self.levels, self.pixels = Counter(), Counter()

    def update(self, images):
        self.levels[images.source] += int(images.images.sum(dtype="int64"))
        self.pixels[images.source] += images.images.size

    def compute(self):
        if not self.levels["test"]:
            raise gtk.InvalidValue("all test images are black, so nothing is a multiple of them")
        generated, test = (self.levels[it] / self.pixels[it] for it in ("generated", "test"))
        return {"brightness": generated / test}


@gtk.hookimpl
def gtk_metrics():
    summary = "How bright images are, as a multiple of test images."
    return [gtk.MetricSpec(name="brightness", summary=summary, target=Brightness)]
