"""Classifiers that one study is about; entries of the registry in ``narrows.classifiers``."""
