"""`python -m srmm`, where the command `srmm` is not on the path."""

from srmm.cli import main

if __name__ == "__main__":
    main()
