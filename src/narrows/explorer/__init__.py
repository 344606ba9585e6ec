"""The explorer: a map of all images, on which a person can look at, select, name, correct and export them.

One page in two forms: ``page`` puts everything into a single HTML file that opens from disk, and ``server`` serves the
same page with the functions that a file cannot offer. The page's program is TypeScript in ``web/``, built into
``built/``.
"""
