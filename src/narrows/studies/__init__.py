"""Studies: tables of runs, one TOML file each. ``study.py`` reads, runs and sums them up."""
