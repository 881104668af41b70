"""How results are shown: tables, pictures, plots, pages."""
