"""Networks from elsewhere, brought to the form that the run time takes."""
