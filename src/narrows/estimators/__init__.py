"""The scikit-learn face over the same functions the pipeline uses."""
