"""The network written by hand: fully connected layers, their gradients and their training, in NumPy only.

Read ``layers.py`` beside a textbook's page on backpropagation, then ``network.py``, which stacks layers and trains
them. ``gradient_check.py`` compares any gradient, of this network or of a torch module, with central differences;
``symmetry.py`` shows why weights start random, and at what size. The rest of the package trains with torch, and tests
compare torch's gradients with those derived here.
"""
