"""Analysis of the measured values: validation of rounds, comparison of arms, calibration of the judge."""
