"""The studies' wing: runs compared with published figures, one TOML file each, and all code that only studies need.

A file imports only from files above it in this list and from the house; of the house, only ``cli/`` imports from the
wing. The house's registries list the wing's networks and classifiers by name.

===================  ===================================================================================================
``nets/``            networks that one study is about
``classifiers/``     classifiers that one study is about
``evaluation/``      arrays -> numbers: how well classes are told apart, how good new samples are
``figures/``         arrays -> matplotlib figures of learning, centres, embeddings and regions
``reference/``       a network written by hand in NumPy, to read beside a textbook; tests compare torch with it
``worked/``          one file per page of arithmetic: functions that compute, and the text around their numbers
``polygons.py``      threshold networks for convex polygons, their data, and the same network trained
``jobs/``            one file per kind of run that a study can ask for: plain arguments -> numbers, pictures, tables
``uncertainty.py``   a mean with its spread, rounded as people write them
``plan.py``          a study's file, checked: runs x sweeps x seeds, figures with their attribution, bars
``summing.py``       results of all seeds -> mean, sd, verdicts
``report.py``        study folder -> one offline HTML file, and tables for a terminal and a page
``study.py``         does the runs: start reading here
``page.py``          a study's page in the docs: a template filled in from its results
``keeping.py``       what the docs keep of a study, and the page built from it
===================  ===================================================================================================
"""
