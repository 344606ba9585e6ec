"""The studies' wing: runs beside the figures of others, one TOML file each, and all that only studies need.

A file imports only from files above it in this list, and from the house outside; of the house only ``cli/``, which
stands above the wing, imports from it. Registries of the house list the wing's networks and classifiers by name.

===================  ==================================================================================================
``nets/``            networks that one study is about
``classifiers/``     classifiers that one study is about
``evaluation/``      arrays -> numbers: how well classes are told apart, how good new samples are
``figures/``         arrays -> matplotlib figures of learning, centres, embeddings and regions
``reference/``       a network written by hand in NumPy, to read beside a textbook; tests hold torch against it
``worked/``          one file per page of arithmetic: functions that compute, and the text around their numbers
``polygons.py``      threshold networks for convex polygons, their data, and the same network trained
``jobs/``            one file per kind of run a study can ask for: plain arguments -> numbers, pictures, tables
``uncertainty.py``   numbers written as people write them, with their spread
``plan.py``          what a study's file asks: runs x sweeps x seeds, figures with their attribution, bars
``summing.py``       outcomes -> mean, sd, verdicts
``report.py``        study folder -> one offline HTML file, and tables for a terminal and a page
``study.py``         does the runs: start reading here
``page.py``          the page of a study in the docs, filled in from what was measured
``keeping.py``       what is kept in the docs, and the page built from it
===================  ==================================================================================================
"""
