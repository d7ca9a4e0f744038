"""fio: its jobs as files, and its output as typed values."""

from workloads.fio.job import MOST_JOBS, Amounts, DataFile, Job, Plan, load, names
from workloads.fio.model import FioReport, GroupReport, JobReport, Latency, ReadReport
from workloads.fio.parse import FioOutputError, parse
from workloads.fio.percentiles import Bins

__all__ = [
    "MOST_JOBS",
    "Amounts",
    "Bins",
    "DataFile",
    "FioOutputError",
    "FioReport",
    "GroupReport",
    "Job",
    "JobReport",
    "Latency",
    "Plan",
    "ReadReport",
    "load",
    "names",
    "parse",
]
