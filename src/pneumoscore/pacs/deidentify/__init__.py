"""De-identification of films by the Basic Application Confidentiality Profile (PS3.15 E)."""
