"""`python -m srmm` is the command, for whoever has this Python but not its scripts on the path."""

from srmm.cli import main

if __name__ == "__main__":
    main()
