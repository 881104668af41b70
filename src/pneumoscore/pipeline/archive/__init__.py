"""Archives: any number of films, run part by part, gone on with after any interruption.

A folder holds the results: ``parts/`` (tables of some hundred rows, each written whole and
named after its content), ``failures.csv`` and ``run_report.json``. What is done is told by the
parts alone: a row knows its file, the hash of the film's bytes, and the model.
"""
