"""Beside an archive: films in, results out, as DICOM, DICOMweb, FHIR and HL7.

Needs the extra ``pacs``.
"""
