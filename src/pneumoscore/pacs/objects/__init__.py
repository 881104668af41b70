"""DICOM objects of one film's result: structured report, secondary capture, segmentation."""
