"""The user presses Ctrl-C while it is imported."""

import signal

signal.raise_signal(signal.SIGINT)
