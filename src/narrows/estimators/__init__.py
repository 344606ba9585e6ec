"""The scikit-learn estimators, over the same functions that the pipeline uses."""
