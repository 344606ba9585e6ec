"""``python -m narrows``: the command line, where ``narrows`` itself is not on the path."""

from narrows.cli import main

main()
