"""The classical Runge-Kutta method: steps of order 4, of four evaluations each."""

from dataclasses import dataclass, field

import gtk


@dataclass(frozen=True)
class RungeKuttaConfig:
    steps: int = field(default=4, metadata={"help": "Steps from noise to an image."})

    def __post_init__(self):
        if not 1 <= self.steps <= 1000:
            raise ValueError(f"steps must be within 1..1000, not {self.steps}")


class RungeKutta(gtk.Sampler):
    requires = gtk.VelocityModel

    def __init__(self, config, model):
        super().__init__(config, model)
        self.evaluations = 4 * config.steps

    def module(self):
        return Draw(self.model, self.config.steps)


class Draw(gtk.Iteration):
    def __init__(self, model, steps):
        super().__init__()
        self.model, self.count = model, steps

    def begin(self, z, condition):
        return (z,)

    def step(self, index, x, condition):
        def move(x, share):
            time = ((index + share) / self.count).expand(x.shape[0])
            return self.model.velocity(x, time, condition) / self.count

        first = move(x, 0)
        second = move(x + first / 2, 0.5)
        third = move(x + second / 2, 0.5)
        fourth = move(x + third, 1)
        return (x + (first + 2 * second + 2 * third + fourth) / 6,)

    def end(self, x):
        return (x / 2 + 0.5).clamp(0, 1)


@gtk.hookimpl
def gtk_samplers():
    return [
        gtk.SamplerSpec(
            name="rk4", summary="Runge-Kutta.", target=RungeKutta, config=RungeKuttaConfig
        )
    ]
