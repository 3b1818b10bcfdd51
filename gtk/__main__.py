"""The command `gtk`, also as `python -m gtk`."""

import sys


def main() -> None:
    """Run the command line of this process and end it; no interrupt is a traceback."""
    try:
        from gtk.cli.main import main as command  # which imports for a while

        command()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # nor while Python ends


if __name__ == "__main__":
    main()
