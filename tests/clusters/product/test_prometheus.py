"""Metrics in the text format of Prometheus."""

from __future__ import annotations

import pytest

from clusters.product.prometheus import MetricsError, parse_samples

#: As the alluxioruntime-controller of Fluid 1.0.8 answered.
METRICS = """\
# HELP dataset_ufs_file_num Total num of files of a specific dataset
# TYPE dataset_ufs_file_num gauge
dataset_ufs_file_num{dataset="fc-e56798/demo"} 15
# HELP dataset_ufs_total_size Total size of files in dataset
# TYPE dataset_ufs_total_size gauge
dataset_ufs_total_size{dataset="fc-e56798/demo"} 6.7129835e+07
controller_runtime_reconcile_total{controller="alluxioruntime",result="error"} 21
controller_runtime_reconcile_total{controller="alluxioruntime",result="success"} 12
process_start_time_seconds 1.79537355713e+09
"""


def test_values_by_name_and_labels() -> None:
    """A value is found by the name of its metric and by its labels."""
    samples = parse_samples(METRICS)
    assert samples.value("dataset_ufs_file_num", dataset="fc-e56798/demo") == 15
    assert samples.value("dataset_ufs_total_size", dataset="fc-e56798/demo") == 67129835
    assert samples.value("process_start_time_seconds") == 1795373557.13


def test_series_are_summed_and_a_missing_one_is_none() -> None:
    """Several series add up, also of several programs; a missing series is not 0."""
    samples = parse_samples(METRICS, METRICS)
    assert samples.value("controller_runtime_reconcile_total", controller="alluxioruntime") == 66
    assert samples.value("dataset_ufs_file_num", dataset="other/demo") is None


def test_labels_with_quotes_commas_and_braces() -> None:
    """Quotes, commas and braces in the value of a label do not end it."""
    samples = parse_samples('m{a="x,y}",b="say \\"no\\"\\\\"} NaN 1700000000\nm{} +Inf\n')
    assert samples.all[0].labels == {"a": "x,y}", "b": 'say "no"\\'}
    assert samples.all[1].value == float("inf")


@pytest.mark.parametrize("line", ["m{a=b} 1", "m one", "{} 1", "<html>", 'm{a="x} 1'])
def test_other_text_is_refused_with_its_line(line: str) -> None:
    """A page without metrics is an error with its first wrong line."""
    with pytest.raises(MetricsError) as caught:
        parse_samples(f"{METRICS}{line}\n")
    assert caught.value.last_seen == line
