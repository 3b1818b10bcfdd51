"""The command `gtk`, also as `python -m gtk`."""

import sys


def main() -> None:
    """Run the command line of this process and end it; no interrupt is a traceback."""
    try:
        from gtk.cli.main import main as command  # which imports for a while

        command()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
