"""What was asked for: the plugins chosen, their options, recipes; never imports torch."""
