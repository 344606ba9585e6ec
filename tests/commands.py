"""The command line in this process, which spares the imports of one of its own."""

import contextlib
import io
import sys

from narrows.cli import main


def narrows(*arguments, cwd=".", code=0, notes=False):
    """Run the command line and return what it printed, or its ``notes``."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        before, sys.argv = sys.argv, ["narrows", *map(str, arguments)]
        try:
            main()
            found = 0
        except SystemExit as stop:
            found = stop.code or 0
        finally:
            sys.argv = before
    assert found == code, err.getvalue()
    return out.getvalue() if code == 0 and not notes else err.getvalue()
