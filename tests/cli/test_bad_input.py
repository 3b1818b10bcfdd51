"""A mistake costs one line and exit code 2, and changes nothing on disk."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import processes
import pytest

import gtk

Command = Callable[..., Any]


@pytest.fixture
def place(small_run: gtk.Run, workplace: Path) -> Path:
    """A working folder with a run and some files that are none."""
    shutil.copytree(small_run.path, workplace / "runs" / "small")
    (workplace / "notes.txt").write_text("not a run")
    (workplace / "fake.onnx").write_text("not ONNX")
    (workplace / "taken.png").write_text("a picture")
    (workplace / "folder").mkdir()
    (workplace / "folder" / "thesis.txt").write_text("years of work")  # a kill leaves empty ones
    return workplace


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


MISTAKES = [
    (
        "train",
        "name the model to train: --plugin NAME. Installed: cgan, cvae, diffusion, flow, gan, vae",
    ),
    ("train --plugin cvea", "unknown model 'cvea'. Did you mean 'cvae'?"),
    ("train --plugin cvea --help", "unknown model 'cvea'. Did you mean 'cvae'?"),
    ("train --plugin cvae --conditioner onehott", "unknown conditioner 'onehott'. Did you mean"),
    ("train --plugin cvae --loss elbow", "unknown loss 'elbow'. Did you mean 'elbo'?"),
    ("train --plugin cvae --data minst", "unknown data set 'minst'. Did you mean 'mnist'?"),
    ("train --plugin cvae --latnt-dim 3", "'--latnt-dim'. Did you mean '--latent-dim'?"),
    ("train --plugin cvae --latent-dim x", "'--latent-dim': 'x' is not a valid integer"),
    ("train --plugin cvae --latent-dim -1", "latent_dim must be at least 1, not -1"),
    (
        "train --plugin cvae --hidden-dims 5,x",
        "'5,x' must be whole numbers such as 256,128",
    ),
    ("train --plugin cvae --hidden-dims 5,0", "hidden_dims must be widths of at least 1"),
    ("train --plugin cvae --batch-size 0", "batch_size must be at least 1, not 0"),
    ("train --plugin cvae --batch-size 2000", "--batch-size 2000 is more than the 1440 training"),
    ("train --plugin cvae --epochs 0", "epochs must be at least 1, not 0"),
    ("train --plugin cvae --learning-rate nan", "learning_rate must be more than 0, not nan"),
    ("train --plugin cvae --learning-rate model=nan", "must be more than 0, not model=nan"),
    (
        "train --plugin cvae --learning-rate model=1,model=2",
        "'model=1,model=2' must be a number, or",
    ),
    ("train --plugin cvae --learning-rate fast", "'fast' must be a number, or one for each part"),
    ("train --plugin cvae --weight-decay -1", "weight_decay must be 0 or more, not -1.0"),
    ("train --plugin cvae --optimizer lion", "'lion' is not one of 'adam', 'adamw', 'sgd',"),
    ("train --plugin cvae --optimizer radam --momentum 0", "and the optimizer is radam"),
    (
        "train --plugin cvae --optimizer rmsprop --adam-beta2 0.9",
        "adam_beta2 is an option of adam,",
    ),
    ("train --plugin cvae --adam-epsilon 0", "adam_epsilon must be more than 0, not 0.0"),
    ("train --recipe vae-mlp --optimizer sgd --adam-beta1 0.9", "and the optimizer is sgd"),
    ("train --plugin cvae --seed -1", "seed must be 0 or more, not -1"),
    ("train --plugin cvae --validation 1440", "leaves none of the 1440 training images of digits"),
    (
        "train --plugin cvae --epochs 30 --warmup-steps 5000",
        "--warmup-steps 5000 is longer than the training of 660 steps",
    ),
    ("train --plugin cvae --decay linear", "'linear' is not one of 'constant', 'cosine'"),
    (
        "train --plugin cvae --adam-beta1 1",
        "adam_beta1 must be at least 0 and less than 1, not 1.0",
    ),
    ("train --plugin cvae --clip-norm inf", "clip_norm must be 0 or more, not inf"),
    ("train --plugin cvae --keep-checkpoints 0", "keep_checkpoints must be at least 1, not 0"),
    ("train --plugin cvae --patience 3", "--patience 3 needs a validation to look at"),
    ("train --plugin cvae --monitor kl", "--monitor kl needs a validation to look at"),
    ("train --plugin cvae --validation 9 --monitor los", "'los'. Did you mean 'loss'?"),
    ("train --plugin cvae --validation 9 --validate-on-test", "give one of the two"),
    (
        "train --plugin cvae --loss hinge",
        "models of type AdversarialModel, and model 'cvae' is not one",
    ),
    ("train --plugin gan --loss iwae", "and model 'gan' is not one. Use --loss minimax."),
    ("train --plugin cvae --conditioner projection", "which the encoder and decoder of model"),
    ("train --plugin cvae --conditioner conditional-norm", "'conditional-norm' acts on normaliz"),
    ("train --plugin flow --conditioner projection", "which the denoiser of model 'flow' lacks"),
    ("train --plugin flow --conditioner conditional-norm", "'conditional-norm' acts on normaliz"),
    ("train --plugin flow --path bent", "'bent' is not one of"),
    ("train --plugin flow --width -1", "width must be at least 0, not -1"),
    ("train --plugin diffusion --min-snr -1", "min_snr must be 0 or more, not -1.0"),
    ("train --plugin diffusion --log-noise-mean nan", "log_noise_mean must be finite, not nan"),
    ("train --plugin flow --loss elbo", "type LatentVariableModel, and model 'flow' is not one"),
    ("train --plugin vae --loss flow-matching", "type VelocityModel, and model 'vae' is not one"),
    ("train --plugin vae --prior learned", "a learned prior needs a condition: use --prior stan"),
    ("train --plugin cvae --kl-warmup-steps 7000", "--kl-warmup-steps 7000 is more than the train"),
    ("train --plugin cvae --warmup-steps 7000", "--warmup-steps 7000 is longer than the training"),
    ("train --plugin cvae --free-bits -1", "free_bits must be 0 or more, not -1.0"),
    ("train --plugin vae --loss iwae --samples 0", "samples must be at least 1, not 0"),
    ("train --plugin gan --loss wasserstein-gp", "use --discriminator-normalization group or none"),
    ("train --plugin gan --r1 1", "--r1 penalizes the gradient of each image's score"),
    ("train --plugin gan --r2 1", "--r2 penalizes the gradient of each image's score"),
    ("train --plugin gan --loss relativistic", "group or none, or spectral"),
    ("train --plugin gan --r1-every 0", "r1_every must be at least 1, not 0"),
    ("train --plugin gan --r1-every 4", "r1_every 4 needs a penalty to compute: give r1 or r2 a"),
    ("train --plugin gan --r2 inf", "r2 must be 0 or more, not inf"),
    ("train --plugin gan --discriminator-normalization spektral", "'spektral' is not one of"),
    ("train --plugin cgan --generator-normalization spectral", "'spectral' is not one of 'none'"),
    (
        "train --plugin cgan --conditioner conditional-norm --discriminator-normalization spectral",
        "acts on normalizations, which the discriminator of model 'cgan' lacks",
    ),
    ("train --plugin cvae --augment", "its augmentations are flip and shift, and a GAN's augment"),
    ("train --plugin gan --spectral-norm", "Did you mean '--discriminator-normalization'?"),
    ("train --plugin gan --batch-size 1", "batch normalization needs more than one image"),
    ("train --plugin gan --kernels 4,3", "kernels must be 1 number or one for each of the 3 chan"),
    ("train --plugin gan --kernels 5 --paddings 0", "(kernel 5, stride 2, padding 0) needs 5 pix"),
    ("train --plugin gan --validation 9", "--monitor"),
    ("train --plugin cvae --network dense", "'dense' is not one of 'mlp', 'conv'"),
    ("train --plugin cvae --channels 8,0", "channels must be widths of at least 1, not (8, 0)"),
    (
        "sample small --condition age=3 --out a.png",
        "takes no attributes or numbers: leave --condition",
    ),
    ("train --plugin cvae --freeze encodr", "of --freeze 'encodr'. Did you mean 'encoder'?"),
    ("train --plugin cvae --freeze encoder --freeze decoder", "leaves nothing to train"),
    ("train --plugin gan --freeze generator,discriminator", "leaves nothing to train. Freeze less"),
    ("train --plugin cvae --device cuda:9", "device 'cuda:9' cannot be used here"),
    ("train --plugin cvae --name a/b", "'a/b' cannot name a run"),
    ("train --plugin cvae --name small", "runs/small exists. Choose another --name"),
    ("train --plugin cvae --name small --dry-run", "runs/small exists. Choose another --name"),
    ("train --plugin cvae --runs notes.txt", "notes.txt is not a folder you can write to"),
    ("train --plugin cvae --runs . --name folder --overwrite", "is not a run, so it is not over"),
    ("train --plugin cvae --data mnist --data-root folder", "folder lacks a readable MNIST/raw"),
    ("train --resume smal", "unknown run 'smal'. Did you mean 'small'?"),
    ("train --resume small", "is complete: 20 epochs"),
    ("train --resume small --epochs 0", "epochs must be at least 1"),
    (
        "train --resume small --plugin vae --epochs 30",
        "leave out --plugin (--epochs, --data-root and --device can",
    ),
    ("train --resume small --batch-size 3 --epochs 30", "leave out --batch-size"),
    ("sample small --label 10 --out a.png", "label 10 is out of range: the 10 classes are 0..9"),
    ("sample small --label -1 --out a.png", "label -1 is out of range"),
    ("sample small --label cat --out a.png", "unknown label 'cat'"),
    ("sample small --labels 1,x --out a.png", "unknown label 'x'"),
    ("sample small --label 1 --labels all --out a.png", "give --label or --labels, not both"),
    ("sample small --label 1 --rows 2 --out a.png", "--rows goes with --labels"),
    ("sample small --labels all -n 2 --out a.png", "-n goes with --label"),
    ("sample small -n 0 --out a.png", "'-n': 0 is not in the range 1<=x<=10000"),
    ("sample small --scale 0 --out a.png", "'--scale': 0 is not in the range"),
    ("sample small --batch-size 0 --out a.png", "'--batch-size': 0 is not in the range"),
    ("sample small -n 9999 --scale 64 --label 1 --out a.png", "the picture would have 57,"),
    (
        "train --plugin cvae --hidden-dims 4,,5",
        "must be whole numbers such as 256,128",
    ),
    ("sample small --seed -1 --out a.png", "'--seed': -1 is not in the range"),
    ("sample small", "the picture needs a file or a terminal to go to. Give --out FILE.png"),
    ("sample small --out notes.txt", "give a name that ends in .png"),
    ("sample small --out taken.png", "taken.png exists. Add --overwrite"),
    ("sample small --out folder", "folder is a folder"),
    ("sample small --out none/a.png", "none is not a folder you can write to"),
    ("sample small --checkpoint 5 --out a.png", "has no checkpoint '5'. It has: 308, 440, latest"),
    ("sample small --checkpoint best --out a.png", "was trained without --validation"),
    ("sample folder --out a.png", "folder is not a run: folder/run.json does not exist"),
    ("sample nothing --out a.png", "unknown run 'nothing'. Runs: small."),
    (
        "sample notes.txt --out a.png",
        "notes.txt is a file, not a run. If it is an exported file, let its name",
    ),
    ("sample fake.onnx --out a.png", "fake.onnx is not an ONNX file"),
    ("sample none.onnx --out a.png", "none.onnx cannot be read: No such file"),
    (
        "sample fake.onnx --checkpoint 3 --out a.png",
        "holds one checkpoint. Leave --checkpoint out, or name a run",
    ),
    ("sample fake.onnx --device gpu --out a.png", "unknown device 'gpu': use auto, cpu, cuda"),
    ("sample", "Missing argument 'RUN|FILE.onnx'"),
    (
        "sample small --label 1 --condition a=1 --out a.png",
        "takes no attributes or numbers: leave --condition out",
    ),
    ("reconstruct small", "the picture needs a file or a terminal to go to. Give --out FILE.png"),
    ("reconstruct small --out taken.png", "taken.png exists. Add --overwrite"),
    ("reconstruct small --out a.gif", "give a name that ends in .png"),
    ("reconstruct fake.onnx --out a.png", "fake.onnx is an exported file, which has no encoder"),
    ("reconstruct small -n 101 --out a.png", "'-n': 101 is not in the range 1<=x<=100"),
    ("reconstruct small -n 0 --out a.png", "'-n': 0 is not in the range 1<=x<=100"),
    (
        "reconstruct small --label 3 --out a.png",
        "--label and --condition are for files: leave them out",
    ),
    (
        "reconstruct small taken.png --out a.png",
        "give the condition of taken.png with --label CLASS",
    ),
    ("reconstruct small taken.png --label x --out a.png", "unknown label 'x'"),
    ("reconstruct small taken.png --label 3 --label 5 --out a.png", "--label is given 2 times: gi"),
    ("sample small --label 3 --label 5 --out a.png", "or classes with --labels 3,5"),
    ("reconstruct small taken.png --label 3 --out a.png", "taken.png"),
    ("reconstruct small none.png --label 3 --out a.png", "none.png"),
    ("reconstruct small folder --label 3 --out a.png", "folder is a folder instead of a file"),
    ("reconstruct small /dev/zero --label 3 --out a.png", "zero is a device instead of a file"),
    ("interpolate small --images /dev/null 3 --label 3 --out a.png", "is a device instead of a f"),
    ("reconstruct small taken.png --label 3 -n 2 --out a.png", "-n and --seed choose test images"),
    ("reconstruct small --checkpoint 5 --out a.png", "has no checkpoint '5'"),
    ("interpolate small", "the picture needs a file or a terminal to go to. Give --out FILE.png"),
    ("interpolate small --from 3 --out a.png", "--from and --to go together: give both"),
    ("interpolate small --from 3 --to x --out a.png", "unknown label 'x'"),
    ("interpolate small --from 3 --to 10 --out a.png", "label 10 is out of range"),
    ("interpolate small --from 3 --to 4 --label 1 --out a.png", "leave --label out"),
    (
        "interpolate small --from 3 --to 4 --condition a=1 --out a.png",
        "takes no attributes or numbers: leave",
    ),
    ("interpolate small --images 0 357 --out a.png", "no test image 357: give 0..356"),
    ("interpolate small --images 0 1 --label 1 --out a.png", "are for files: leave them out"),
    ("interpolate small --images 0 taken.png --out a.png", "give the condition of taken.png with"),
    ("interpolate small --out a.png --images 0", "'--images' requires 2 arguments"),
    ("interpolate small --images 0 1 --rows 2 --out a.png", "--images takes neither --from and"),
    ("interpolate small --images 0 1 --from 2 --to 3 --out a.png", "--images takes neither"),
    ("interpolate small --images 0 1 --temperature 0.5 --out a.png", "and no sampler draws: leave"),
    ("interpolate small --images 0 1 --sampler direct --out a.png", "leave --sampler and its"),
    ("interpolate fake.onnx --images 0 1 --out a.png", "an exported file, which has no encoder"),
    ("interpolate small --steps 1 --out a.png", "'--steps': 1 is not in the range 2<=x<=100"),
    ("interpolate small --label 11 --out a.png", "label 11 is out of range"),
    ("traverse small --dims 17 --out a.png", "--dims must be in 1..16, not 17"),
    ("traverse small --dims 0,1 --out a.png", "--dims must be in 1..16, not 0,1"),
    (
        "traverse small --dims x --out a.png",
        "'x' must be whole numbers such as",
    ),
    (
        "traverse small --range nan --out a.png",
        "--range must be more than 0 and at most 100, not nan",
    ),
    (
        "traverse small --range -1 --out a.png",
        "--range must be more than 0 and at most 100, not -1",
    ),
    (
        "traverse small --condition a=1 --out a.png",
        "takes no attributes or numbers: leave --condition",
    ),
    ("traverse fake.onnx --out a.png", "fake.onnx is not an ONNX file"),
    ("animate small --out a.jpg", "give a name that ends in .gif or .png or .apng"),
    ("animate small --out taken.png", "taken.png exists. Add --overwrite"),
    ("animate small", "the picture needs a file or a terminal to go to. Give --out FILE.gif"),
    ("animate small --frames 9 --out a.gif", "--frames goes with --walk"),
    ("animate small --scale 9 --out a.gif", "--scale goes with --walk"),
    ("animate fake.onnx --out a.gif", "no training to show without --walk"),
    ("animate fake.onnx --walk --out a.gif", "fake.onnx is not an ONNX file"),
    ("animate small --walk --frames 1000 --scale 64 --out a.gif", "make fewer frames, or give"),
    ("animate small --walk --fps 51 --out a.gif", "'--fps': 51 is not in the range 1<=x<=50"),
    ("export nothing", "unknown run 'nothing'"),
    ("export folder", "folder is not a run"),
    ("export small --out notes.txt", "give a name that ends in .onnx"),
    ("export small --out fake.onnx", "fake.onnx exists. Add --overwrite"),
    ("export small --out .", ". is a folder: give the name of a file in it"),
    ("export small --out none/a.onnx", "none is not a folder you can write to"),
    ("export small --atol -1", "the tolerance must be a number of at least 0, not -1.0"),
    ("export small --checkpoint 5", "has no checkpoint '5'"),
    ("export small --atol nan", "the tolerance must be a number of at least 0, not nan"),
    ("export notes.txt", "notes.txt is a file, not a run"),
    ("sample small --label ---3 --out a.png", "unknown label '---3'"),
    ("sample small -n 99999999999 --out a.png", "is not in the range 1<=x<=10000"),
    ("sample small --device gpu --out a.png", "device 'gpu' cannot be used here"),
    ("sample small --out runs/small", "runs/small is a folder"),
    ("train --plugin cvae --latent-dim 999999999999", "'cvae' cannot be built for digits"),
    ("train --plugin cvae --latent-dim 99999999999999999999999", "'cvae' cannot be built"),
    ("train --plugin cvae --data-root folder", "'digits' is embedded. Leave the data root out."),
    ("train --plugin cvae --name x.onnx", "'x.onnx' cannot name a run"),
    ("train --plugin cvae --callback nothing", "unknown callback 'nothing'"),
    ("train --plugin /cvae", "unknown model '/cvae'"),
    ("runs --runs [/b] extra", "unexpected extra argument"),
    ("trian", "No such command 'trian'. Did you mean 'train'?"),
    ("--nonsense", "No such option '--nonsense'"),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_one_line(gtk_command: Command, place: Path, line: str, message: str) -> None:
    before = snapshot(place)
    result = gtk_command(*line.split())
    assert result.code == 2
    assert result.out == ""
    assert message in result.err
    assert result.err.startswith("gtk: error: ")
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err
    assert snapshot(place) == before


def test_a_failed_export_is_exit_code_1_and_no_file(gtk_command: Command, place: Path) -> None:
    before = snapshot(place)
    result = gtk_command("export", "small", "--atol", 0)
    assert result.code == 1
    assert "differs from PyTorch by" in result.err
    assert "the tolerance is 0" in result.err
    assert snapshot(place) == before


def test_a_training_that_diverges_is_exit_code_1(gtk_command: Command) -> None:
    result = gtk_command("train", "--plugin", "cvae", "--learning-rate", 1e30, "--quiet")
    assert result.code == 1
    assert "loss became nan at step 2, and nothing of it was saved" in result.err
    assert result.err.count("\n") == 1


def test_an_interrupted_training_is_130_and_says_how_to_go_on(workplace: Path) -> None:
    code = (
        "import os, signal, gtk\n"
        "from gtk.plugins.callbacks import samples\n"
        "class PressCtrlC:\n"
        "    @gtk.hookimpl\n"
        "    def gtk_step_end(self):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "samples.SamplePictures = PressCtrlC\n"
    )
    line = ["train", "--plugin", "cvae", "--name", "long", "--quiet"]
    result = processes.python(code + processes.command(*line))
    assert result.returncode == 130
    assert "Stopped; saved up to step 51. Go on: gtk train --resume long" in result.stderr
    assert "Traceback" not in result.stderr
    assert gtk.load("long").checkpoints.steps() == [51]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_closed_pipe_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "gtk", "plugins"]
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
