"""What other programs call gtk's own plugins, for the errors about unknown names."""

from collections.abc import Mapping

EXAMPLE = (
    "It is a plugin of {0}, which is not installed: in the folder of gtk's repository, "
    "pip install ./examples/{0}."
)
FLOW, VQVAE = EXAMPLE.format("gtk-plugin-flow"), EXAMPLE.format("gtk-plugin-vqvae")
VAEGAN = EXAMPLE.format("gtk-plugin-vaegan")

#: By the kind of plugin: a name or a sentence, and the words for which it is suggested.
OTHER_NAMES: Mapping[str, Mapping[str, str]] = {
    "model": {
        "vae": "variational_autoencoder vanilla_vae",
        "cvae": "conditional_vae cond_vae",
        "gan": "generative_adversarial_network vanilla_gan",
        "cgan": "conditional_gan cond_gan",
        "It is a gan with --network conv.": "dcgan",
        "It is a gan with --loss wasserstein-gp.": "wgan_gp wgan",
        "It is a gan with --loss least-squares.": "lsgan",
        "It is a gan with --loss relativistic.": "r3gan rgan ragan rpgan relativistic_gan",
        "It is a gan with --discriminator-normalization spectral.": "sngan sn_gan",
        "It is a vae with --beta.": "beta_vae",
        "It is a vae with --loss iwae.": "iwae",
        "flow": "flow_matching rectified_flow cfm",
        "diffusion": "ddpm ddim edm score_based",
        FLOW: "straight_flow gtk_plugin_flow",
        "vqvae": "vq_vae vqvae2 vq",
        VQVAE: "vqvae vq_vae vqvae2 vq gtk_plugin_vqvae",
        VAEGAN: "vae_gan gtk_plugin_vaegan",
        "gtk has no such diffusion model, only diffusion and flow.": "stable_diffusion ldm dit "
        "latent_diffusion",
        "gtk has no plain autoencoder, only vae.": "autoencoder ae",
        "gtk has no such model.": "stylegan stylegan2 stylegan3 biggan progan acgan infogan sagan "
        "cyclegan pix2pix unet pixelcnn realnvp glow nvae transformer vqgan wae hvae rhvae svae "
        "tcvae lcvae beta_tc_vae factor_vae",
    },
    "conditioner": {
        "onehot": "concat concatenate concatenation one_hot_encoding",
        "embedding": "embed label_embedding",
        "conditional-norm": "conditional_batch_norm cbn conditional_normalization",
        "projection": "projection_discriminator proj",
        "unconditional": "none unconditioned",
        "gtk has no such conditioner.": "attention cross_attention adain",
    },
    "loss": {
        "flow-matching": "flow cfm rectified_flow conditional_flow_matching",
        "edm": "denoising diffusion ddpm score_matching denoising_score_matching",
        FLOW: "straight_flow gtk_plugin_flow",
        "It is flow-matching with --coupling ot.": "ot_cfm otcfm",
        "It is an option of flow-matching and edm, --min-snr.": "min_snr minsnr",
        VQVAE: "vqvae gtk_plugin_vqvae",
        "vae-gan": "vae_gan",
        VAEGAN: "vae_gan gtk_plugin_vaegan",
        "elbo": "kl kld variational negative_elbo nelbo",
        "iwae": "iwelbo importance_weighted",
        "minimax": "non_saturating ns_gan vanilla_gan",
        "least-squares": "lsgan ls",
        "wasserstein-gp": "wgan_gp wgan wasserstein gradient_penalty",
        "hinge": "hinge_gan hinge_loss",
        "relativistic": "r3gan rgan ragan rpgan relativistic_gan rp_gan",
        "It is elbo with --beta.": "beta_vae",
        "For a GAN it is minimax; for a VAE it is an option, --likelihood bernoulli.": "bce "
        "cross_entropy binary_cross_entropy bce_loss bce_with_logits bernoulli",
        "For a GAN it is least-squares; for a VAE it is an option, --likelihood gaussian.": "mse "
        "l2 mse_loss gaussian",
        "It is an option of the losses of GANs, --r1.": "r1",
        "It is an option of the losses of GANs, --r2.": "r2",
        "It is an option of the losses of GANs, --augment.": "diffaugment diff_augment",
        "gtk has no such loss.": "l1 mae huber perceptual lpips vgg ssim",
    },
    "sampler": {
        FLOW: "rk4 runge_kutta gtk_plugin_flow",
    },
    "metric": {
        "class-accuracy": "accuracy agreement classification_accuracy_score cas",
        "frechet-distance": "fid frechet frechet_inception_distance",
        "kernel-distance": "kid mmd kernel_inception_distance",
        "neighbours": "precision recall density coverage prdc precision_recall knn",
        "nearest": "memorization memorisation copies nearest_neighbour",
        "likelihood": "nll bpd bits_per_dim log_likelihood",
        "latent-use": "active_units au",
        "gtk has no such metric.": "is inception_score lpips ssim ms_ssim psnr clip_score",
    },
    "dataset": {
        "fashion-mnist": "fashion fmnist f_mnist",
        "kmnist": "kuzushiji kuzushiji_mnist",
        "emnist": "emnist_letters emnist_balanced emnist_digits emnist_byclass",
        "cifar10": "cifar",
        "svhn": "street_view_house_numbers",
        "celeba": "celeb_faces",
        "digits": "sklearn_digits optdigits load_digits",
        "folder": "image_folder images files photos directory",
        "npz": "numpy npy array arrays",
        "gtk has no such data set; a folder of images is --data folder:PATH.": "imagenet lsun ffhq "
        "tiny_imagenet afhq stl10 usps qmnist notmnist medmnist mnist_m mnist_1d omniglot coco "
        "places celeba_hq flowers lfw cub shapes dsprites",
    },
    "callback": {
        "tensorboard": "tb tensorboard_logger",
        "gtk has no such callback.": "wandb mlflow comet neptune csv sampler",
        "It is an option, --patience.": "early_stopping early_stop",
        "Every training saves checkpoints.": "checkpoint model_checkpoint",
    },
}
