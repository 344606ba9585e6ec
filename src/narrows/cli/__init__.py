"""The command line: one thin file per verb over the same functions Python users call.

Only light modules are imported here, so that ``narrows --help`` answers at once; a verb imports what it needs when it
runs.
"""

from __future__ import annotations

import os
import sys
import traceback
import unicodedata


def main() -> None:
    """Run the command line; the exit code is 0, 2 for the user's mistake, 1 for ours, 128 + n for signal n."""
    # Before torch is imported. Threads that spin for long while they wait cost up to twenty times on a busy machine,
    # and those that sleep at once a third of the speed of small batches on an idle one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

    from narrows.cli._streams import enduring
    from narrows.work.threads import one_thread

    with enduring(), one_thread():
        _run()


def _run() -> None:
    from narrows.cli.app import app
    from narrows.errors import InputError, Interrupted, NarrowsError

    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except InputError as error:
        _fail(error, "error", 2, debug)
    except Interrupted as error:
        print(f"stopped: {printable(str(error))}. Continue with --resume.", file=sys.stderr)
        sys.exit(128 + error.signal)
    except NarrowsError as error:
        _fail(error, "error", 1, debug)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        path = f" {error.filename}" if error.filename else ""
        _fail(error, f"error: {error.strerror or error}{path}", 1, debug, bare=True)
    except Exception as error:
        _fail(error, f"internal error ({type(error).__name__})", 1, debug)


def printable(text: str) -> str:
    """Return ``text`` with control characters written out, so that a file's name cannot work the terminal."""
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in text
    )


def _fail(error: Exception, title: str, code: int, debug: bool, *, bare: bool = False) -> None:
    """Print one readable block and exit."""
    import textwrap

    if debug:
        traceback.print_exception(error)
    text = printable((title if bare else f"{title}: {error}").replace("\n", " "))
    # A path in two pieces cannot be copied, so lines break at spaces only.
    print(textwrap.fill(text, width=100, break_long_words=False, break_on_hyphens=False), file=sys.stderr)
    if code == 1 and not debug:
        print("Run again with --debug to see the traceback.", file=sys.stderr)
    sys.exit(code)
