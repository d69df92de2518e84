"""``python -m duoframe``: the command line without its script."""

from duoframe.cli import main

if __name__ == "__main__":
    main()
