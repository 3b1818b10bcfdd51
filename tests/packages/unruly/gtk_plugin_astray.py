"""Names targets that are not there, or are something else."""

import gtk

HERE = "gtk_plugin_astray"


def model(name, target):
    return gtk.ModelSpec(
        name=name, summary="Not there.", target=target, loss="elbo", conditioner="unconditional"
    )


class Other:
    pass


@gtk.hookimpl
def gtk_models():
    return [
        model("astray", "gtk_plugin_gone:Model"),
        model("unwritten", f"{HERE}:Model"),
        model("untrue", f"{HERE}:Other"),
    ]
