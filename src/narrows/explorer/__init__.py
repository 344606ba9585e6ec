"""The explorer: a map of every image, on which a person sees, selects, names, corrects and exports.

Two forms of one page. ``page`` puts everything into one HTML file that opens from the disk; ``server`` gives the same
page what a file cannot do. The page's program is TypeScript in ``web/``; what it builds lies in ``built/``.
"""
