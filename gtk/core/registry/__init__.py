"""Plugins: their entry points, hooks, specs and options; never imports torch."""
