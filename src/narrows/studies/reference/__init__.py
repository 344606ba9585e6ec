"""The network written by hand: fully connected layers, their gradients and their training, in NumPy and nothing else.

Read ``layers.py`` beside a textbook's page on backpropagation, then ``network.py``, which puts layers on top of each
other and trains them. ``gradient_check.py`` holds any gradient, of this network or of a torch module, against central
differences; ``symmetry.py`` shows why weights start random, and of what size. The rest of the package trains with
torch, and tests hold torch's gradients against the ones derived here.
"""
