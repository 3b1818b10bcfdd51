"""Suggestions for names that gtk does not know: what other programs call things, and misspellings.

A table maps an answer to the words for which it is given. The answer is one of gtk's names
("data"), an option with its value ("device cuda"), or a sentence, for what gtk lacks or has in
another form.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches

from gtk.core.registry.entry_points import read_entry_points
from gtk.core.registry.importing import import_plugin
from gtk.core.values.errors import PluginError, UnknownName, unknown_name
from gtk.core.values.setting import setting

Table = Mapping[str, str]

#: How similar a misspelt word is to the right one: 'cvea' is just similar enough to 'cvae'. Words
#: of a table must be more similar, as there are many.
SIMILAR, MORE_SIMILAR = 0.75, 0.85

#: The entry point group of modules with tables of plugins' other names, by kind: `OTHER_NAMES`.
OTHER_NAMES = "gtk.other_names"

OPTIONS: Table = {
    # Training.
    "learning_rate": "lr learning_rate_init base_lr",
    "batch_size": "bs batch mini_batch minibatch_size batch_sz train_batch_size",
    "accumulate": "grad_accum gradient_accumulation gradient_accumulation_steps accum_steps "
    "accumulation_steps accumulate_grad_batches accum_iter",
    "epochs": "n_epochs num_epochs max_epochs nb_epochs train_epochs",
    "adam_beta1": "beta1 b1 betas adam_betas",
    "adam_beta2": "beta2 b2",
    "adam_epsilon": "eps epsilon adam_eps",
    "optimizer": "optim opt optimiser solver",
    "optimizer adam": "adam",
    "optimizer adamw": "adamw",
    "optimizer sgd": "sgd",
    "optimizer rmsprop": "rmsprop",
    "optimizer radam": "radam",
    "optimizer muon": "muon",
    "weight_decay": "wd l2 l2_reg l2_regularization regularization",
    "warmup_steps": "warmup warm_up lr_warmup warmup_iters num_warmup_steps",
    "decay": "scheduler lr_scheduler lr_schedule schedule lr_decay cosine lr_policy multistep "
    "multi_step",
    "clip_norm": "grad_clip clip gradient_clip clip_grad clip_grad_norm max_grad_norm grad_norm "
    "gradient_clipping gradient_clip_val max_norm",
    "average_decay": "ema use_ema model_ema ema_decay ema_rate ema_beta ema_momentum",
    "balance": "oversample oversampling class_weight class_weights balanced weighted_sampler "
    "balanced_sampler",
    "flip": "hflip horizontal_flip random_flip mirror",
    "shift": "translate random_shift",
    "condition_dropout": "label_dropout class_dropout cond_drop_prob p_uncond",
    "seed": "random_seed manual_seed rng_seed random_state",
    "threads": "num_threads n_threads cpus cores cpu_threads",
    "validation": "val val_split valid validation_split val_size holdout val_fraction",
    "patience": "early_stopping early_stop",
    "checkpoint_every": "save_every save_interval save_freq save_steps checkpoint_interval "
    "ckpt_every checkpoint_freq",
    "sample_every": "sample_interval sample_freq",
    "log_every": "log_interval log_freq print_every log_steps logging_steps print_freq",
    "keep_checkpoints": "save_total_limit max_checkpoints max_to_keep save_top_k",
    "resume": "continue restart resume_from resume_from_checkpoint ckpt checkpoint ckpt_path",
    "init_from": "weights pretrained pretrained_model finetune fine_tune warm_start init_weights "
    "load_from",
    "freeze": "frozen freeze_layers frozen_layers",
    "recipe": "config cfg config_file yaml preset",
    "callback tensorboard": "tensorboard tb use_tensorboard",
    # Plugins and their options.
    "plugin": "model arch architecture model_name model_type",
    "data": "dataset ds dataset_name train_data training_data",
    "data_root": "root data_dir data_path data_folder dataset_root dataset_path dataset_dir "
    "image_dir",
    "conditioner": "conditioning cond condition_type",
    "sampler": "solver scheduler sampling_method sample_method",
    "loss": "criterion objective loss_fn loss_function loss_type",
    "latent_dim": "latent_size latent latents z_dim z_size z nz n_latent num_latents latent_dims "
    "code_size code_dim bottleneck",
    "hidden_dims": "hidden_dim hidden_size hidden_sizes hidden hidden_units n_hidden "
    "hidden_layer_sizes units",
    "channels": "filters n_filters num_filters feature_maps",
    "image_size": "img_size im_size size resolution input_size",
    "normalization": "norm batch_norm bn",
    "beta": "kl_weight kld_weight beta_kl kl_beta kl_coeff",
    "penalty": "gp_weight gradient_penalty lambda_gp gp_lambda",
    "critic_steps": "n_critic critic_iters",
    "augment": "augmentation aug diffaugment diff_augment",
    "r1": "r1_gamma gamma r1_weight",
    "r1_every": "d_reg_every r1_interval lazy_r1",
    "discriminator_normalization": "spectral_norm spectral_normalization sn",
    # Every command.
    "checkpoint": "ckpt step checkpoint_step",
    "name": "run_name exp_name experiment experiment_name",
    "out": "output o out_file output_file outfile save save_path save_to destination",
    "runs": "output_dir out_dir outdir output out save_dir log_dir logdir run_dir results_dir "
    "checkpoint_dir save_path",
    "overwrite": "force replace exist_ok",
    "quiet": "silent no_progress",
    "device cuda": "gpu cuda use_gpu use_cuda gpu_id",
    "device cpu": "cpu no_cuda no_gpu use_cpu",
    "device mps": "mps use_mps",
    "n": "num count number samples n_samples num_samples num_images n_images images",
    "label": "class cls category digit class_label labels",
    "labels": "classes class_labels",
    "steps": "n_steps num_steps",
    "scale": "zoom upscale",
    "opset": "opset_version",
    "tolerance": "tol",
    "guidance": "guidance_scale cfg_scale cfg",
    "truncation": "truncation_psi psi",
    "precision fp16": "fp16 half float16",
    "precision bf16": "amp bf16 bfloat16 mixed_precision autocast use_amp mixed",
    "precision": "dtype",
    "memory_format": "channels_last",
    "compile": "torch_compile compiled jit",
    "deterministic": "use_deterministic_algorithms cudnn_deterministic reproducible",
    "part": "component network submodel",
    # What gtk lacks.
    "gtk has no workers: images are decoded once and kept in one array.": "workers num_workers "
    "n_workers dataloader_workers jobs n_jobs prefetch pin_memory",
    "gtk has no attention.": "heads num_heads n_heads attention attention_heads",
    "gtk has no such option: it mirrors images only from left to right.": "vflip vertical_flip "
    "random_vertical_flip",
    "gtk has no such option: size and channels of images follow from the data.": "in_channels "
    "out_channels image_channels img_channels input_channels output_channels n_channels "
    "num_channels input_dim output_dim in_dim out_dim",
    "gtk has no least number of epochs.": "min_epochs",
    "gtk has no steps or limits of the learning rate: it is constant or falls by decay.": "eta "
    "step_size lr_step_size milestones gamma lr_gamma eta_min min_lr lr_min max_lr",
    "gtk has no option for Nesterov momentum.": "nesterov",
    "gtk has no length in steps: it is given in epochs.": "steps step max_steps num_steps "
    "iterations iters max_iters n_iter niter num_iterations training_steps train_steps",
    "gtk has no dropout in its networks.": "dropout drop_rate drop dropout_rate",
    "gtk has no training on several devices.": "distributed ddp world_size local_rank num_nodes "
    "multi_gpu num_gpus n_gpus gpus nproc data_parallel strategy accelerator",
    "gtk has no logging to Weights & Biases.": "wandb use_wandb wandb_project",
    "gtk has no verbose mode: it shows its progress unless it is quiet.": "verbose debug",
    "It is an option of sampler direct.": "temperature truncation truncation_psi psi",
    "It is an option of solvers, such as sampler heun.": "guidance guidance_scale cfg_scale cfg",
    "gtk has no such option: data that are absent are downloaded.": "download",
    "gtk has no such option: each epoch has an order of its own.": "shuffle",
    "gtk has no such option: its augmentations are flip and shift, and a GAN's augment.": "augment "
    "augmentation aug rotate rotation random_crop color_jitter",
}

COMMANDS: Table = {
    "train": "fit resume learn",
    "sample": "generate draw gen",
    "reconstruct": "recon reconstruction",
    "interpolate": "interp interpolation morph",
    "traverse": "traversal manifold",
    "export": "onnx convert",
    "inspect": "show info summary describe",
    "bench": "benchmark profile",
    "runs": "list ls",
    "plugins": "models losses conditioners",
    "data": "datasets dataset",
    "recipes": "configs presets",
    "compare": "diff",
    "reproduce": "repeat verify",
    "animate": "gif video animation",
    "A training ends with the figures on the test images.": "test eval evaluate validate",
    "It is an option, --help.": "help",
    "It is an option, --version.": "version",
}


def unknown_option(what: str, name: str, known: Iterable[str]) -> UnknownName:
    """Return the error for an unknown option, with a suggestion or else all known ones."""
    known = list(known)
    return unknown_name(what, name, known, near=suggestion(name, known, OPTIONS))


def suggested_plugin(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the suggestion for an unknown plugin of a kind; the kind "plugin" means any."""
    table: dict[str, str] = {}
    for other_names in _other_names():
        for its_kind in other_names if kind == "plugin" else {kind} & other_names.keys():
            table |= other_names[its_kind]
    return suggestion(name, known, table)


def _other_names() -> Iterator[Mapping[str, Table]]:
    """Yield the tables of plugins' other names, by kind, of the packages that have them."""
    for entry in read_entry_points([OTHER_NAMES]):
        with suppress(PluginError):  # it would hide the error that asks for the suggestion
            yield getattr(import_plugin(entry.module), "OTHER_NAMES", {})


def suggestion(name: str, known: Iterable[str], table: Table) -> str:
    """Return " Did you mean 'x'?", the sentence of a table, or an empty string.

    Args:
        name: what the user wrote.
        known: the names that exist, as the user would write them: "--data" or "data".
        table: other words for them; its answers that do not exist here are passed over.
    """
    written = {plain(it): it for it in known}
    answers = {word: f" Did you mean {it!r}?" for word, it in written.items()}
    for answer, words in table.items():
        bare, _, value = answer.partition(" ")
        if answer.endswith("."):
            said = f" {answer}"
        elif plain(bare) in written:
            meant = setting(bare, value) if value else written[plain(bare)]
            said = f" Did you mean {meant!r}?"
        else:
            continue
        for word in _words(words):
            answers.setdefault(word, said)
    if plain(name) in answers:
        return answers[plain(name)]
    near = get_close_matches(plain(name), answers, 1, MORE_SIMILAR)
    near = near or get_close_matches(plain(name), written, 1, SIMILAR)
    near = near or [it for it in written if sorted(it) == sorted(plain(name))]  # 'nwe' for 'new'
    return answers[near[0]] if near else ""


def plain(name: str) -> str:
    """Return a name without what people write differently: case, hyphens, underscores, dots."""
    return re.sub(r"[-_. ]", "", name).lower()


def _words(text: str) -> set[str]:
    return {plain(word) for word in text.split()}
