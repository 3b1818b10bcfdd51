"""`python -m gtk` is the command `gtk`."""

from gtk.cli.main import main

if __name__ == "__main__":
    main()
