"""Networks that one study is about, as their authors designed them; entries of the registry in ``narrows.nets``."""
