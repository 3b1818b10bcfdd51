"""Trained through gtk, it goes on where it was interrupted, samples, and learns."""

import json
import os
import signal

import pytest

import gtk

SMALL = {"codes": 16, "channels": 8, "code_dim": 4, "prior_features": 16, "epochs": 2}


class Interrupt:
    """Presses Ctrl-C after some steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    @gtk.hookimpl
    def gtk_step_end(self, run, progress) -> None:
        if progress.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def weights(run: gtk.Run) -> bytes:
    newest = max((run.path / "checkpoints").glob("*/model.safetensors"))
    return newest.read_bytes()


@pytest.mark.parametrize("average_decay", [0.0, 0.9])
def test_an_interrupted_training_goes_on_to_the_same_bits(average_decay) -> None:
    settings = SMALL | {"log_every": 5, "average_decay": average_decay, "quiet": True}
    whole = gtk.train(plugin="vqvae", name="whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        gtk.train(plugin="vqvae", name="halved", callbacks=[Interrupt(15)], **settings)
    halved = gtk.train(resume="halved", quiet=True)
    assert weights(halved) == weights(whole)
    assert (halved.path / "metrics.jsonl").read_bytes() == (
        whole.path / "metrics.jsonl"
    ).read_bytes()


def test_a_short_training_learns_codes_and_their_prior() -> None:
    run = gtk.train(plugin="vqvae", quiet=True, **SMALL | {"epochs": 12, "log_every": 20})
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    first, last = lines[0]["terms"], lines[-2]["terms"]
    assert last["reconstruction"] < 0.8 * first["reconstruction"]
    assert last["prior"] < first["prior"]
    assert last["perplexity"] > 4
    assert set(lines[-1]["terms"]) == {"loss", "reconstruction", "commitment", "prior"}
    images = run.sample(labels=[3, 4], seed=1)
    assert images.shape == (2, 8, 8)
