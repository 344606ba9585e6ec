"""Networks that one study is about, as their authors drew them; entries of the registry in ``narrows.nets``."""
