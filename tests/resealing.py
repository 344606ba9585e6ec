"""Update the hashes of a run's files, as anybody who changes a run by hand could do."""

from narrows.disk.files import read_json, sha256, write_json


def reseal(folder):
    """Rewrite the hashes in the manifest of a run; files that are gone have none."""
    manifest = read_json(folder / "manifest.json")
    manifest["files"] = {name: sha256(folder / name) for name in manifest["files"] if (folder / name).is_file()}
    write_json(folder / "manifest.json", manifest)
